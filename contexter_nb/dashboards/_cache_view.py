"""What a person chose in the cache panel, and what was read for it: pure values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contexter_nb.dashboards._look import count, shortened

if TYPE_CHECKING:
    from contexter_nb.policies import CachedEntry

SCOPES = {"prefix": "begin with", "tag": "have the tag", "everything": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """Entries of a cache that may be dropped.

    Attributes
    ----------
    cache : str
        Its name.
    tag, prefix : str or None
        Both None for everything.
    """

    cache: str
    tag: str | None = None
    prefix: str | None = None

    def which(self, many: int | None = None) -> str:
        """Say what entries these are, one of them or several.

        Parameters
        ----------
        many : int, optional
        """
        if self.tag is not None:
            return f"with the tag {shortened(self.tag, 60)!r}"
        if self.prefix is not None:
            verb = "begins" if many == 1 else "begin"
            return f"that {verb} with {shortened(self.prefix, 60)!r}"
        return "of every kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheView:
    """What is chosen.

    Attributes
    ----------
    cache : str
        From which entries may be dropped.
    scope : str
        One of `SCOPES`.
    text : str
        The tag or the prefix.
    asked : Clearing or None
        What waits for a yes.
    would_drop : int or None
        How many entries that are; None where nobody knows.
    told : str
        What came of the last clearing; empty where nothing did.
    """

    cache: str = "answers"
    scope: str = "prefix"
    text: str = ""
    asked: Clearing | None = None
    would_drop: int | None = None
    told: str = ""

    def choose(self, **chosen: str) -> CacheView:
        """Change cache, scope or text; a question asked before is taken back."""
        return replace(self, asked=None, told="", **chosen)  # type: ignore[arg-type]

    def clearing(self) -> Clearing | None:
        """Return what is chosen; None where the tag or the prefix is missing."""
        if self.scope == "everything":
            return Clearing(cache=self.cache)
        if not self.text:
            return None
        if self.scope == "tag":
            return Clearing(cache=self.cache, tag=self.text)
        return Clearing(cache=self.cache, prefix=self.text)

    def refuse(self) -> CacheView:
        """Say what is missing."""
        return replace(
            self, asked=None, told=f"Give the {self.scope} of the entries to drop."
        )

    def ask(self, clearing: Clearing, would_drop: int | None) -> CacheView:
        """Ask before anything is dropped; nothing to drop is told at once."""
        if clearing != self.clearing():
            return self  # something else was chosen meanwhile
        if would_drop == 0:
            told = f"Nothing to drop: {clearing.cache} has no entries "
            return replace(self, asked=None, told=told + clearing.which() + ".")
        return replace(self, asked=clearing, would_drop=would_drop, told="")

    def keep(self) -> CacheView:
        """Take the question back."""
        return replace(self, asked=None, told="Nothing was dropped.")

    def dropped(self, clearing: Clearing, many: int) -> CacheView:
        """Tell what was dropped."""
        entries = "entry" if many == 1 else "entries"
        told = f"Dropped {count(many)} {entries} {clearing.which(many)} "
        return replace(self, asked=None, told=f"{told}from {clearing.cache}.")

    def question(self) -> str:
        """Return what is asked; empty where nothing is."""
        if self.asked is None:
            return ""
        if self.would_drop is None:
            many = "all entries"
        else:
            many = f"{count(self.would_drop)} " + (
                "entry" if self.would_drop == 1 else "entries"
            )
        which = self.asked.which(self.would_drop)
        return f"Drop {many} {which} from {self.asked.cache}?"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSeen:
    """What was read, for one view.

    Attributes
    ----------
    view : CacheView
    as_of : str
        When, UTC.
    caches : tuple of str
        Their names, which can be cleared.
    tiers : tuple of dict
        Rows of the frame ``cache_stats``.
    hottest, coldest : tuple of (str, CachedEntry)
        With the names of their caches.
    """

    view: CacheView
    as_of: str
    caches: tuple[str, ...]
    tiers: tuple[dict[str, Any], ...]
    hottest: tuple[tuple[str, CachedEntry], ...]
    coldest: tuple[tuple[str, CachedEntry], ...]
