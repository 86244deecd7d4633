"""`frame.contexter`: what our frames can do beside being frames."""

from __future__ import annotations

import pandas as pd

from contexter_nb.core import InvalidArgumentError
from contexter_nb.frames import KINDS, kind_of
from contexter_nb.notebook._cards import Cards


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
