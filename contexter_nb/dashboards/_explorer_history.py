"""The settings a person went through, with back and forward: a value."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contexter_nb.dashboards._explorer_setting import Setting

MAX_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class History:
    """Where a person was, and where they are.

    Attributes
    ----------
    entries : tuple of Setting
        The oldest first.
    at : int
        The one that is shown; -1 while there is none.
    """

    entries: tuple[Setting, ...] = ()
    at: int = -1

    @property
    def can_go_back(self) -> bool:
        """Whether there was something before."""
        return self.at > 0

    @property
    def can_go_forward(self) -> bool:
        """Whether something was gone back from."""
        return self.at < len(self.entries) - 1

    @property
    def now(self) -> Setting | None:
        """Return what is shown."""
        return self.entries[self.at] if self.entries else None


def visited(history: History, setting: Setting, *, typing: bool) -> History:
    """Return a history that goes on with a setting; what lay ahead is forgotten.

    Parameters
    ----------
    typing : bool
        The person is in the middle of a question: its beginnings are not kept.
    """
    now = history.now
    if setting.is_blank or setting == now:
        return history
    kept = history.entries[: history.at + 1]
    if now is not None and typing and _grows(now, setting):
        kept = kept[:-1]
    kept = (*kept, setting)[-MAX_ENTRIES:]
    return History(kept, len(kept) - 1)


def _grows(before: Setting, after: Setting) -> bool:
    """Whether one question is the beginning of the other, all else being equal."""
    short, long = sorted((before.query, after.query), key=len)
    return long.startswith(short) and replace(before, query=after.query) == after


def gone(history: History, steps: int) -> History:
    """Return a history some entries back (negative) or forward, as far as it goes."""
    if not history.entries:
        return history
    at = min(max(history.at + steps, 0), len(history.entries) - 1)
    return replace(history, at=at)
