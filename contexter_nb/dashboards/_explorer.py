"""The search explorer: what a person holds in a cell."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contexter_nb.bridge import default_bridge
from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.dashboards._explorer_desk import Desk, sentence
from contexter_nb.dashboards._explorer_setting import (
    MAX_LIMIT,
    MODES,
    Setting,
    split_where,
)
from contexter_nb.dashboards._explorer_state import State, view_code
from contexter_nb.dashboards._freeze import Displays, as_page, as_snapshot, as_text
from contexter_nb.frames import make_frame
from contexter_nb.notebook import check_names

if TYPE_CHECKING:
    import pandas as pd

    from contexter_nb.dashboards._explorer_widget import Screen
    from contexter_nb.notebook import Session

_CHANGES = ("query", "mode", "limit", "where", "weights", "rerank")


class Explorer:
    """A view to search with: type, filter, compare, judge. Made by ``nb.explorer()``.

    Displays as a widget where the front end has one, and as a still picture on GitHub,
    in exports and in terminals. What is seen is also there as frames: `results`,
    `selection`, `judgments`.

    Parameters
    ----------
    session : Session
        Who answers.
    query : str, default ""
        The question to begin with.
    mode, limit, where, weights, rerank
        As in ``nb.search``. Values of library, kind and source in `where` are ticked
        among the filters; what else it says is kept as it is.

    Raises
    ------
    InvalidArgumentError
        An argument cannot be used; the message says what would do.
    """

    def __init__(
        self,
        session: Session,
        query: str = "",
        *,
        mode: str = "hybrid",
        limit: int = 10,
        where: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        rerank: bool = False,
    ) -> None:
        setting = _checked(query, mode, limit, where, weights, rerank)
        self._session = session
        self._displays = Displays()
        self._screen: Screen | None = None
        self._desk = Desk(session, setting, self._show, self.freeze)
        self._run(self._desk.search(setting), must=InvalidArgumentError)

    @property
    def results(self) -> pd.DataFrame:
        """Return the hits that are shown: the columns of a search."""
        answer = self._desk.state.answer
        return make_frame("search", []) if answer is None else answer.frame.copy()

    @property
    def selection(self) -> pd.DataFrame:
        """Return the hits that are selected: the columns of a search."""
        found = self.results
        return found[found["chunk_id"].isin(self._desk.state.selection)]

    @property
    def judgments(self) -> pd.DataFrame:
        """Return what was judged in this home, as ``nb.judgments()`` does."""
        return self._session.judgments()

    @property
    def code(self) -> str:
        """Return the cell that gives the hits that are shown."""
        return view_code(self._desk.state)

    @property
    def widget(self) -> Any:
        """Return the widget itself, for a layout of ipywidgets.

        Raises
        ------
        InvalidArgumentError
            anywidget is not installed.
        """
        if self._screen is None:
            try:
                from contexter_nb.dashboards._explorer_widget import Screen

                self._screen = Screen(self._desk.state, self._take)
            except ImportError as exc:
                raise InvalidArgumentError(
                    "The live view needs anywidget; pip install anywidget, or use "
                    "the frames (explorer.results)."
                ) from exc
            # What changed while it was made.
            default_bridge().submit(self._desk.refresh())
        return self._screen.widget

    def search(self, query: str | None = None, **changes: Any) -> pd.DataFrame:
        """Ask in the view, as if typed there, and return the hits.

        Parameters
        ----------
        query : str, optional
            The question; the one that is shown where it is left out.
        **changes
            ``mode limit where weights rerank``, where they shall change.

        Returns
        -------
        pandas.DataFrame
            The columns of ``nb.search``.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used; the message says what would do.
        TypeError
            There is no such argument; the message says which was meant.
        ContexterError
            The search failed.
        """
        check_names("search", changes, _CHANGES)
        now = self._desk.state.setting
        given: dict[str, Any] = {
            "query": now.query if query is None else query,
            "mode": now.mode,
            "limit": now.limit,
            "where": now.where,
            "weights": now.weights,
            "rerank": now.rerank,
            **changes,
        }
        self._run(self._desk.search(_checked(**given)), must=Exception)
        return self.results

    def freeze(self) -> None:
        """Replace the view, wherever it is displayed, by a still picture of itself.

        The picture holds no script and needs no kernel: a saved notebook keeps it. The
        explorer stays usable and can be displayed again.
        """
        self._displays.replace(as_snapshot(self._desk.state), repr(self))

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the picture as a page of its own, which loads nothing.

        Parameters
        ----------
        path : path-like, optional
            Where to write it, too.
        """
        page = as_page(self._desk.state)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def close(self) -> None:
        """Give up what is under way and take the live view out of the notebook."""
        default_bridge().run(self._desk.leave())
        if self._screen is not None:
            self._screen.widget.close()
            self._screen = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        try:
            bundle = self.widget._repr_mimebundle_()
        except InvalidArgumentError:
            bundle = None
        if isinstance(bundle, tuple):
            data, metadata = map(dict, bundle)
        elif bundle is not None:
            data = dict(bundle)
        data["text/html"] = as_snapshot(self._desk.state)
        data["text/plain"] = repr(self)
        return data, metadata

    def _ipython_display_(self) -> None:
        self._displays.show(*self._repr_mimebundle_())

    def __repr__(self) -> str:
        """Return the hits as text."""
        return as_text(self._desk.state)

    def _show(self, state: State) -> None:
        if self._screen is not None:
            self._screen.show(state)

    def _take(self, message: Mapping[str, Any]) -> None:
        """Hand a message to the desk; the callback must neither wait nor fail."""
        default_bridge().submit(self._desk.take(message))

    def _run(self, search: Coroutine[Any, Any, None], *, must: type[Exception]) -> None:
        """Wait for a search; raise only what the caller must hear of."""
        __tracebackhide__ = True
        try:
            default_bridge().run(search)
        except concurrent.futures.CancelledError:
            return  # somebody typed meanwhile; their hits are there or will be
        except must:
            raise
        except Exception as exc:
            if sentence(exc) != self._desk.state.error:
                self._desk.report(sentence(exc))


def _checked(
    query: str,
    mode: str,
    limit: int,
    where: Mapping[str, Any] | None,
    weights: Mapping[str, float] | None,
    rerank: bool,
) -> Setting:
    """Return a setting of the arguments of a cell; the search checks the rest."""
    if not isinstance(query, str):
        raise InvalidArgumentError(
            f"query is {type(query).__name__}; give a question as text."
        )
    if mode not in MODES:
        raise InvalidArgumentError(
            f"mode is {mode!r}; use one of {', '.join(map(repr, MODES))}."
            f"{did_you_mean(str(mode), MODES)}"
        )
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise InvalidArgumentError(f"limit is {limit!r}; give a whole number.")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidArgumentError(
            f"limit is {limit}; give a number from 1 to {MAX_LIMIT:,}."
        )
    if where is not None and not isinstance(where, Mapping):
        raise InvalidArgumentError(
            f"where is {type(where).__name__}; give a mapping of column to value."
        )
    picks, fixed = split_where(where)
    setting = Setting(query=query, mode=mode, limit=limit, rerank=bool(rerank))
    weigh = dict(weights) if weights is not None else None
    return replace(setting, picks=picks, fixed=fixed, weights=weigh)
