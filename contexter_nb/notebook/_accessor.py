"""`frame.contexter`: what our frames can do beside being frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from contexter_nb.core import InvalidArgumentError
from contexter_nb.frames import KINDS, kind_of, make_frame
from contexter_nb.notebook._cards import Cards
from contexter_nb.notebook._experiment_records import unpacked

if TYPE_CHECKING:
    from contexter_nb.notebook._experiment_plots import Picture


@pd.api.extensions.register_dataframe_accessor("contexter")
class ContexterAccessor:
    """What a frame of this package can do; ``frame.contexter`` on any DataFrame.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame that a verb answered, or rows chosen from one.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    @property
    def kind(self) -> str | None:
        """Return which verb's columns these are, or None for other frames."""
        return kind_of(self._frame.columns)

    def cards(self, limit: int = 10) -> Cards:
        """Return hits as cards, readable on GitHub, in dark themes and terminals.

        Parameters
        ----------
        limit : int, default 10
            How many at most; never more than 100.

        Raises
        ------
        InvalidArgumentError
            The frame lacks columns of a search.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     cards = nb.search("shorten a text").contexter.cards(limit=3)
        >>> "<script" in cards.to_html()
        False
        """
        lacking = set(KINDS["search"].names) - set(self._frame.columns)
        if lacking:
            raise InvalidArgumentError(
                "cards() shows hits of nb.search(...); this frame has no "
                f"{', '.join(sorted(lacking))}."
            )
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InvalidArgumentError(f"limit is {limit!r}; give a number from 1 on.")
        return Cards(self._frame, limit)

    def per_query(self) -> pd.DataFrame:
        """Return an experiment query by query.

        Returns
        -------
        pandas.DataFrame
            A row per query, variant and metric, of those that this frame has: query,
            query_id, variant, metric, value, delta (to the first variant), judged,
            found, latency_ms, tokens, usd; then a row for each search that failed, with
            error set.

        Raises
        ------
        InvalidArgumentError
            The frame is no summary of an experiment.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     found = nb.experiment("shorten a text", ["text", "dense"])
        >>> found.contexter.per_query()["query"].unique().tolist()
        ['shorten a text']
        """
        self._need("experiment", "per_query")
        kept = self._frame.attrs.get("per_query")
        if kept is None:
            raise InvalidArgumentError(
                "This frame has lost what it carried beside its rows, as a merge or a "
                "file does; nb.experiment_run(experiment_id) gives it anew."
            )
        rows = make_frame("experiment_queries", unpacked(kept))
        chosen = rows["variant"].isin(self._frame["variant"])
        # A search that failed has no metric.
        measured = rows["metric"].isin(self._frame["metric"]) | rows["metric"].isna()
        return rows[chosen & measured].reset_index(drop=True)

    def wide(self) -> pd.DataFrame:
        """Return an experiment with a row per variant, to be read at a glance.

        Returns
        -------
        pandas.DataFrame
            By variant, in their order: a column per metric (its mean; where there is
            good evidence of a difference to the baseline, the column ``delta`` of the
            same name holds it), then judged, p50_ms, p95_ms, tokens, usd,
            usd_per_1000.

        Raises
        ------
        InvalidArgumentError
            The frame is no summary of an experiment.
        """
        self._need("experiment", "wide")
        frame = self._frame
        shown = {}
        for metric in frame["metric"].unique():
            own = frame[frame["metric"] == metric].set_index("variant")
            shown[metric] = own["value"]
            proven = own["verdict"].isin(["better", "worse"])
            if proven.any():
                shown[f"{metric} delta"] = own["delta"].where(proven)
        first = frame.drop_duplicates("variant").set_index("variant")
        effort = first[["judged", "p50_ms", "p95_ms", "tokens", "usd", "usd_per_1000"]]
        return pd.concat([pd.DataFrame(shown), effort], axis=1)

    def plot(
        self,
        kind: str = "differences",
        metric: str | None = None,
        against: str = "p50_ms",
    ) -> Picture:
        """Draw an experiment: the variants and metrics that this frame has.

        Parameters
        ----------
        kind : str, default "differences"
            ``differences``: each query's difference to the baseline, sorted;
            ``tradeoff``: the mean of each variant against what it costs.
        metric : str, optional
            One of the frame's; by default its first.
        against : str, default "p50_ms"
            For ``tradeoff``: ``p50_ms``, ``p95_ms``, ``tokens``, ``usd`` or
            ``usd_per_1000``.

        Returns
        -------
        matplotlib.figure.Figure
            Readable on light and on dark; shows itself in a notebook.

        Raises
        ------
        InvalidArgumentError
            The frame is no summary of an experiment, or an argument is unknown.
        ContexterError
            matplotlib is not installed.
        """
        self._need("experiment", "plot")
        from contexter_nb.notebook import _experiment_plots

        return _experiment_plots.draw(
            self._frame, self.per_query(), kind, metric, against
        )

    def _need(self, kind: str, asked: str) -> None:
        lacking = set(KINDS[kind].names) - set(self._frame.columns)
        if lacking:
            raise InvalidArgumentError(
                f"{asked}() is for what nb.experiment(...) answers; this frame has no "
                f"{', '.join(sorted(lacking)[:5])}."
            )
