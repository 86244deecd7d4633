"""What every frame of a kind must be, and tables small enough to index at once."""

from __future__ import annotations

import pandas as pd

from contexter_nb.frames import KINDS

# Times differ from run to run; all else must not.
TIMES = ["latency_ms", "seconds", "indexed_at"]


def assert_kind(frame: pd.DataFrame, kind: str) -> None:
    """Raise where columns or dtypes are not exactly those declared for the kind."""
    declared = [(column.name, column.dtype) for column in KINDS[kind].columns]
    assert [(name, str(dtype)) for name, dtype in frame.dtypes.items()] == declared
    assert isinstance(frame.index, pd.RangeIndex)


def fruit(name: str = "fruit", **more: object) -> pd.DataFrame:
    """Return a table of three passages that is called `name`."""
    columns = {
        "title": ["apple", "pear", "plum"],
        "text": [
            "An apple is red and keeps all winter.",
            "A pear is soft when it is ripe.",
            "Plums are dried and become prunes.",
        ],
        **more,
    }
    table = pd.DataFrame(columns)
    table.attrs["name"] = name
    return table


def timeless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without what differs from run to run."""
    return frame.drop(columns=[name for name in TIMES if name in frame.columns])
