"""The session: every verb as a plain method, and as a coroutine under `aio`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    overload,
)

from contexter_nb.bridge import Bridge, get_bridge
from contexter_nb.core import InvalidArgumentError, Secret, SystemClock
from contexter_nb.notebook import _completion, _status_card
from contexter_nb.notebook._embedding import choose_embedder, choose_index
from contexter_nb.notebook._feed import Feed
from contexter_nb.notebook._flags import check_flag, check_flags, flags_of
from contexter_nb.notebook._home import find_home, shown
from contexter_nb.notebook._remote import Remote
from contexter_nb.notebook._settings import Settings
from contexter_nb.notebook._spelling import (
    check_names,
    check_needed,
    names_of,
    needed_by,
    spelt,
)
from contexter_nb.notebook._verbs import Verbs
from contexter_nb.policies import api_monitor
from contexter_nb.retrieval import Embedder, EmbeddingCache, Where

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd

    from contexter_nb.dashboards import (
        CacheDashboard,
        Explorer,
        JudgingExplorer,
        MetricsDashboard,
    )

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _synchronous(
    verb: Callable[Concatenate[Verbs, Given], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[Session, Given], Answer]:
    """Return a verb as a method that blocks; interrupting it cancels the verb."""
    known, needed, flags = names_of(verb), needed_by(verb), flags_of(verb)

    @functools.wraps(verb)
    def method(self: Session, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        __tracebackhide__ = True
        check_names(verb.__name__, kwargs, known)
        check_needed(verb.__name__, args, kwargs, needed)
        check_flags(flags, args, kwargs)
        return self._bridge.run(verb(self._verbs, *args, **kwargs))

    method.__qualname__ = f"Session.{verb.__name__}"
    return method


def _awaitable(
    verb: Callable[Concatenate[Verbs, Given], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[AsyncSession, Given], Coroutine[Any, Any, Answer]]:
    """Return a verb as a coroutine method that may be awaited from any loop."""
    known, needed, flags = names_of(verb), needed_by(verb), flags_of(verb)

    @functools.wraps(verb)
    async def method(
        self: AsyncSession, /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Answer:
        __tracebackhide__ = True
        check_names(verb.__name__, kwargs, known)
        check_needed(verb.__name__, args, kwargs, needed)
        check_flags(flags, args, kwargs)
        return await self._bridge.arun(verb(self._verbs, *args, **kwargs))

    method.__qualname__ = f"AsyncSession.{verb.__name__}"
    return method


class AsyncSession:
    """The verbs of a session as coroutines, awaitable from any loop."""

    def __init__(self, verbs: Verbs, bridge: Bridge) -> None:
        self._verbs = verbs
        self._bridge = bridge

    status = _awaitable(Verbs.status)
    libraries = _awaitable(Verbs.libraries)
    docs = _awaitable(Verbs.docs)
    index = _awaitable(Verbs.index)
    search = _awaitable(Verbs.search)
    similar = _awaitable(Verbs.similar)
    explain = _awaitable(Verbs.explain)
    embed = _awaitable(Verbs.embed)
    similarity = _awaitable(Verbs.similarity)
    rerank = _awaitable(Verbs.rerank)
    costs = _awaitable(Verbs.costs)
    estimate = _awaitable(Verbs.estimate)
    contents = _awaitable(Verbs.contents)
    remove = _awaitable(Verbs.remove)
    optimize = _awaitable(Verbs.optimize)
    graphql = _awaitable(Verbs.graphql)
    requests = _awaitable(Verbs.requests)
    metrics = _awaitable(Verbs.metrics)
    alerts = _awaitable(Verbs.alerts)
    limits = _awaitable(Verbs.limits)
    cache_stats = _awaitable(Verbs.cache_stats)
    judge = _awaitable(Verbs.judge)
    judgments = _awaitable(Verbs.judgments)
    export_judgments = _awaitable(Verbs.export_judgments)
    import_judgments = _awaitable(Verbs.import_judgments)
    pool = _awaitable(Verbs.pool)
    known_items = _awaitable(Verbs.known_items)
    experiment = _awaitable(Verbs.experiment)
    estimate_experiment = _awaitable(Verbs.estimate_experiment)
    experiments = _awaitable(Verbs.experiments)
    experiment_run = _awaitable(Verbs.experiment_run)
    export_runs = _awaitable(Verbs.export_runs)
    compare = _awaitable(Verbs.compare)
    recall_check = _awaitable(Verbs.recall_check)
    close = _awaitable(Verbs.close)

    async def __aenter__(self) -> Self:
        """Return the session."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    def __repr__(self) -> str:
        """Return what it is."""
        state = "closed, " if self._verbs.closed else ""
        home = shown(self._verbs.home)
        return f"<contexter_nb AsyncSession, {state}home {home}>"


class Session:
    """A place to ask documentation from. Made by `connect`.

    Every verb answers a DataFrame; `aio` has the same verbs as coroutines. A session
    is a context manager, and its rich display is its status card.
    """

    def __init__(self, verbs: Verbs, bridge: Bridge) -> None:
        self._verbs = verbs
        self._bridge = bridge
        self.aio = AsyncSession(verbs, bridge)
        self._feed = Feed(verbs)

    status = _synchronous(Verbs.status)
    libraries = _synchronous(Verbs.libraries)
    docs = _synchronous(Verbs.docs)
    index = _synchronous(Verbs.index)
    search = _synchronous(Verbs.search)
    similar = _synchronous(Verbs.similar)
    explain = _synchronous(Verbs.explain)
    embed = _synchronous(Verbs.embed)
    similarity = _synchronous(Verbs.similarity)
    rerank = _synchronous(Verbs.rerank)
    costs = _synchronous(Verbs.costs)
    estimate = _synchronous(Verbs.estimate)
    contents = _synchronous(Verbs.contents)
    remove = _synchronous(Verbs.remove)
    optimize = _synchronous(Verbs.optimize)
    graphql = _synchronous(Verbs.graphql)
    requests = _synchronous(Verbs.requests)
    metrics = _synchronous(Verbs.metrics)
    alerts = _synchronous(Verbs.alerts)
    limits = _synchronous(Verbs.limits)
    cache_stats = _synchronous(Verbs.cache_stats)
    judge = _synchronous(Verbs.judge)
    judgments = _synchronous(Verbs.judgments)
    export_judgments = _synchronous(Verbs.export_judgments)
    import_judgments = _synchronous(Verbs.import_judgments)
    pool = _synchronous(Verbs.pool)
    known_items = _synchronous(Verbs.known_items)
    experiment = _synchronous(Verbs.experiment)
    estimate_experiment = _synchronous(Verbs.estimate_experiment)
    experiments = _synchronous(Verbs.experiments)
    experiment_run = _synchronous(Verbs.experiment_run)
    export_runs = _synchronous(Verbs.export_runs)
    compare = _synchronous(Verbs.compare)
    recall_check = _synchronous(Verbs.recall_check)
    close = _synchronous(Verbs.close)

    @overload
    def explorer(
        self,
        query: str = "",
        *,
        mode: str = "hybrid",
        limit: int = 10,
        where: Where | None = None,
        weights: Mapping[str, float] | None = None,
        rerank: bool = False,
    ) -> Explorer: ...

    @overload
    def explorer(self, *, judge: pd.DataFrame) -> JudgingExplorer: ...

    @spelt
    def explorer(
        self,
        query: str = "",
        *,
        mode: str = "hybrid",
        limit: int = 10,
        where: Where | None = None,
        weights: Mapping[str, float] | None = None,
        rerank: bool = False,
        judge: pd.DataFrame | None = None,
    ) -> Explorer | JudgingExplorer:
        """Open a view to search with, or, with ``judge=pool``, to judge passages in.

        Parameters
        ----------
        query : str, default ""
            The question to begin with.
        mode, limit, where, weights, rerank
            As in `search`, to begin with. What `where` says of library, kind and
            source by value can be changed in the view.
        judge : DataFrame, optional
            The frame of `pool`, or any with query and chunk_id, to be judged passage
            by passage, with the keys 0 to 3. Which setting found a passage, and where,
            is not shown. It begins at the first that has no grade.

        Returns
        -------
        Explorer
            Displays itself; `results`, `selection` and `judgments` are frames, `code`
            is the cell that gives the same hits, `freeze` leaves a still picture.
        JudgingExplorer
            With `judge`: `unjudged` is the pool that is left, `judgments` what was
            given, on disk from the keystroke on.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used; the message says what would do.
        SessionClosedError
            The session is closed.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> nb = cx.connect()
        >>> report = nb.index("textwrap")
        >>> nb.explorer("shorten a text", limit=3).code
        'nb.search("shorten a text", limit=3)'

        >>> pool = nb.pool("cut a text short", depth=3)
        >>> judging = nb.explorer(judge=pool)
        >>> row = nb.judge("cut a text short", pool["chunk_id"].iloc[0], 3)
        >>> len(nb.explorer(judge=judging.unjudged).unjudged) == len(pool) - 1
        True
        >>> closed = nb.close()
        """
        # Widgets load on first use.
        from contexter_nb.dashboards import Explorer, JudgingExplorer

        self._verbs._open()
        check_flag("rerank", rerank)
        asked = (query, mode, limit, where, weights, rerank)
        if judge is None:
            return Explorer(
                self,
                query,
                mode=mode,
                limit=limit,
                where=where,
                weights=weights,
                rerank=rerank,
            )
        if asked != ("", "hybrid", 10, None, None, False):
            raise InvalidArgumentError(
                "judge has its questions and passages from its frame; leave the other "
                "arguments out, nb.pool(...) takes them."
            )
        return JudgingExplorer(self, judge)

    def metrics_dashboard(self) -> MetricsDashboard:
        """Return a live panel of what the API core does, and what it cost.

        Returns
        -------
        contexter_nb.dashboards.MetricsDashboard
            Shows itself as the last line of a cell, and looks only while it is shown.

        Raises
        ------
        InvalidArgumentError
            ipywidgets is not installed.
        SessionClosedError
            The session is closed.
        """
        from contexter_nb.dashboards import MetricsDashboard

        return MetricsDashboard(self._feed)

    def cache_dashboard(self) -> CacheDashboard:
        """Return a live panel of what the caches hold, how they helped and saved.

        Returns
        -------
        contexter_nb.dashboards.CacheDashboard
            Shows itself as the last line of a cell, and looks only while it is shown.

        Raises
        ------
        InvalidArgumentError
            ipywidgets is not installed.
        SessionClosedError
            The session is closed.
        """
        from contexter_nb.dashboards import CacheDashboard

        return CacheDashboard(self._feed)

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Return the status card as text."""
        return _status_card.as_text(self._state())

    def _repr_html_(self) -> str:
        return _status_card.as_html(self._state())

    def _state(self) -> _status_card.State:
        """Return what the card shows; asks nobody and costs nothing."""
        verbs = self._verbs
        if verbs.closed:
            return _status_card.State(home=shown(verbs.home), closed=True)
        try:
            identity = verbs.embedder.identity
            catalog = verbs.index_store.known_catalog()
        except Exception as exc:  # a repr must not raise
            return _status_card.State(home=shown(verbs.home), problem=str(exc))
        libraries = catalog.libraries.values() if catalog else ()
        return _status_card.State(
            home=shown(verbs.home),
            embedder=identity,
            place=verbs.index_place,
            redis=verbs.remote.redis_place,
            libraries=tuple(
                (each.library, each.version, each.chunks) for each in libraries
            ),
            usd=verbs.usd,
        )


@spelt
def connect(
    *,
    home: str | os.PathLike[str] | None = None,
    voyage_api_key: str | Secret | None = None,
    voyage_base_url: str | None = None,
    voyage_tier: str | None = None,
    context7_api_key: str | Secret | None = None,
    context7_base_url: str | None = None,
    qdrant_url: str | None = None,
    qdrant_api_key: str | Secret | None = None,
    redis_url: str | Secret | None = None,
    embedder: str | Embedder | None = None,
    chunk_tokens: int | None = None,
    bridge: Literal["thread", "nested"] = "thread",
) -> Session:
    """Open a session; with no argument it needs no key, no server and no network.

    An argument wins over the environment's variable of the same name in capitals
    (``VOYAGE_API_KEY``); nothing is sent before a verb needs it.

    Parameters
    ----------
    home : path-like, optional
        The folder that keeps the index, the caches and what was spent; the
        environment's ``CONTEXTER_HOME``, else the platform's user data folder. Any
        number of kernels may share it.
    voyage_api_key : str or Secret, optional
        With it, Voyage AI embeds and reranks.
    voyage_base_url : str, optional
        By default the host of the key's kind.
    voyage_tier : str, optional
        The account's limits: ``free`` (no payment method), ``tier 1`` (the default),
        ``tier 2`` or ``tier 3``.
    context7_api_key : str or Secret, optional
        With it, or with its base URL, `libraries` and `docs` ask Context7, too.
    context7_base_url : str, optional
        By default the live service.
    qdrant_url : str, optional
        A Qdrant server or cluster, ``https://host:6333``, or ``:memory:``; by default
        the index lies in the home folder.
    qdrant_api_key : str or Secret, optional
    redis_url : str or Secret, optional
        A Redis by which machines share answers, vectors and rate limits,
        ``redis://host:6379/0``.
    embedder : str or Embedder, optional
        ``"static"``, the keyless model, or ``"static@64"``, ``"static@128"``;
        ``"voyage"``, the default where its key is set, or ``"voyage:<model>"``,
        ``"voyage:<model>@<dimension>"``;
        ``"fastembed:<model>"``, which downloads it once; or any object with
        `identity`, `dimension` and an async `embed(texts, input_type)`.
    chunk_tokens : int, optional
        How long a passage is at most, 32 to 4,000; 320 by default. Each length has an
        index of its own; `experiment` tells which is better.
    bridge : str, default "thread"
        How plain calls reach the async core: ``"thread"``, a loop in a thread of its
        own, or ``"nested"``, the cell's own loop re-entered by nest-asyncio2.

    Returns
    -------
    Session
        Not yet touched anything but the home folder, which it makes.

    Raises
    ------
    HomeError
        The home folder is a file, or cannot be made or written.
    InvalidArgumentError
        A key, an address, the embedder or the bridge cannot be used.

    Examples
    --------
    >>> import contexter_nb as cx
    >>> with cx.connect() as nb:
    ...     nb.contents().columns[0]
    'library'
    """
    settings = Settings.read(
        {
            "voyage_api_key": voyage_api_key,
            "voyage_base_url": voyage_base_url,
            "voyage_tier": voyage_tier,
            "context7_api_key": context7_api_key,
            "context7_base_url": context7_base_url,
            "qdrant_url": qdrant_url,
            "qdrant_api_key": qdrant_api_key,
            "redis_url": redis_url,
            "embedder": embedder,
            "chunk_tokens": chunk_tokens,
        },
        os.environ,
    )
    del voyage_api_key, context7_api_key, qdrant_api_key, redis_url
    the_bridge = get_bridge(bridge)
    folder = find_home(home)
    clock = SystemClock()
    remote = Remote(settings, home=folder, monitor=api_monitor, clock=clock)
    chosen = choose_embedder(remote)
    verbs = Verbs(
        home=folder,
        index=choose_index(remote, chosen, folder, settings.chunk_tokens),
        embedder=chosen,
        cache=EmbeddingCache(folder / "embeddings.sqlite"),
        remote=remote,
        clock=clock,
        notify=functools.partial(print, flush=True),
        chunk_tokens=settings.chunk_tokens,
    )
    session = Session(verbs, the_bridge)
    _completion.install(session, verbs.indexed_libraries)
    return session
