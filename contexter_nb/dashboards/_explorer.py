"""The search explorer: what a person holds in a cell."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Coroutine, Mapping
from dataclasses import replace
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
from contexter_nb.dashboards._explorer_state import view_code
from contexter_nb.dashboards._freeze import as_page, as_snapshot, as_text
from contexter_nb.dashboards._view import View
from contexter_nb.frames import make_frame
from contexter_nb.notebook import check_names

if TYPE_CHECKING:
    import pandas as pd

    from contexter_nb.notebook import Session

_CHANGES = ("query", "mode", "limit", "where", "weights", "rerank")


class Explorer(View):
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
        super().__init__(session)
        self._desk: Desk = Desk(session, setting, self._show, self.freeze)
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
    def code(self) -> str:
        """Return the cell that gives the hits that are shown."""
        return view_code(self._desk.state)

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

    def _new_screen(self) -> Any:
        from contexter_nb.dashboards._explorer_widget import Screen

        return Screen(self._desk.state, self._take)

    def _snapshot(self) -> str:
        return as_snapshot(self._desk.state)

    def _page(self) -> str:
        return as_page(self._desk.state)

    def __repr__(self) -> str:
        """Return the hits as text."""
        return as_text(self._desk.state)

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
