"""Which libraries the sandbox's Context7 knows, and what it has read of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sysconfig
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contexter_nb.core import Clock, closest

if TYPE_CHECKING:
    from contexter_nb.sandbox._context7_library import Documentation

MAX_READ = 16
MAX_FOUND = 10
_ID = re.compile(r"/(?P<owner>[^/]+)/(?P<name>[^/@]+)(?:[/@](?P<tag>[^/]+))?")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A library that is installed.

    Attributes
    ----------
    id : str
        ``/pypi/<distribution>`` or ``/python/<module of the standard library>``.
    library : str
        Its name.
    updated_at : str
        When it was installed, as JSON has it; empty where that is not known.
    """

    id: str
    library: str
    version: str
    summary: str
    updated_at: str = ""

    @property
    def tag(self) -> str:
        """The tag of the one version there is."""
        return f"v{self.version}"


@dataclass(frozen=True, slots=True)
class Asked:
    """An id, taken apart."""

    base: str
    tag: str = ""


class Shelf:
    """The installed libraries by their ids, and the documentation of the last 16.

    It serves the requests of one loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._books: dict[str, Book] | None = None
        self._aliases: dict[str, str] = {}
        self._reading: OrderedDict[str, asyncio.Task[Documentation]] = OrderedDict()

    async def books(self) -> dict[str, Book]:
        """Return all libraries by id."""
        if self._books is None:
            books, aliases = await asyncio.to_thread(_installed)
            self._books, self._aliases = books, aliases
        return self._books

    async def moved_to(self, base: str) -> str | None:
        """Return the id that another id stands for, or None."""
        books = await self.books()
        owner, _, name = base.removeprefix("/").partition("/")
        spelt = f"/{owner.lower()}/{_normalized(name)}"
        target = self._aliases.get(spelt, spelt)
        return target if target in books and target != base else None

    async def found(self, name: str, topic: str = "") -> list[Book]:
        """Return the libraries of a name, or one like it, the best first."""
        books = list((await self.books()).values())
        wanted = _normalized(name.strip().rpartition("/")[2])
        words = set(_WORD.findall(f"{name} {topic}".lower()))
        near = set(closest(wanted, [_normalized(each.library) for each in books], 5))
        ranked = []
        for book in books:
            own = _normalized(book.library)
            kind = _nearness(wanted, own, near)
            if kind is not None:
                told = set(_WORD.findall(book.summary.lower()))
                ranked.append((kind, -len(words & told), own, book.id))
        known = await self.books()
        return [known[id_] for *_, id_ in sorted(ranked)[:MAX_FOUND]]

    def known(self, book: Book) -> Documentation | None:
        """Return what has been read of a library."""
        task = self._reading.get(book.id)
        if task is None or not task.done() or task.cancelled() or task.exception():
            return None
        return task.result()

    async def documentation(self, book: Book, *, wait: bool) -> Documentation | None:
        """Return a library's documentation; None while it is read, if not to wait."""
        task = self._reading.get(book.id)
        if task is None or (task.done() and self.known(book) is None):
            task = asyncio.get_running_loop().create_task(self._read(book))
            self._reading[book.id] = task
            if len(self._reading) > MAX_READ:
                _, oldest = self._reading.popitem(last=False)
                oldest.cancel()
        self._reading.move_to_end(book.id)
        if not wait and not task.done():
            return None
        # One client that leaves does not stop what others wait for.
        return await asyncio.shield(task)

    async def _read(self, book: Book) -> Documentation:
        load: Callable[[], Any] = _load
        read_library = await asyncio.to_thread(load)
        done: Documentation = await read_library(book.library, self._clock)
        return done


def parsed(text: str) -> Asked | None:
    """Return an id taken apart, or None where it is none.

    >>> parsed("/pypi/pandas@v3.0.0")
    Asked(base='/pypi/pandas', tag='v3.0.0')
    """
    found = _ID.fullmatch(text)
    if found is None:
        return None
    return Asked(f"/{found['owner']}/{found['name']}", found["tag"] or "")


def _load() -> Any:
    # Not with the room: numpy and the sources take longer than a sandbox to start.
    from contexter_nb.sandbox._context7_library import read_library

    return read_library


def _installed() -> tuple[dict[str, Book], dict[str, str]]:
    """Return the libraries of this machine by id, and other ids that stand for one."""
    from contexter_nb.retrieval import inventory

    books: dict[str, Book] = {}
    names: dict[str, Sequence[str]] = {}
    dates = _dates()
    for each in inventory():
        own = _normalized(each.library)
        id_ = f"/python/{each.library}" if each.source == "stdlib" else f"/pypi/{own}"
        books[id_] = Book(
            id=id_,
            library=each.library,
            version=each.version,
            summary=each.summary or f"The module {each.library} of Python",
            updated_at=dates.get("" if each.source == "stdlib" else own, ""),
        )
        names[id_] = each.import_names
    aliases: dict[str, str] = {}
    for id_, imported in names.items():
        if id_.startswith("/pypi/"):
            for name in imported:
                alias = f"/pypi/{_normalized(name)}"
                if alias not in books:
                    aliases.setdefault(alias, id_)
    return books, aliases


def _dates() -> dict[str, str]:
    """Return when each distribution was installed, and Python itself under ''."""
    from contexter_nb.retrieval import name_of

    paths = {"": Path(sysconfig.get_paths()["stdlib"])}
    for each in metadata.distributions():
        name = name_of(each) if each.metadata else ""
        told = next(
            (file for file in each.files or () if file.name == "METADATA"), None
        )
        if name and told is not None:
            paths.setdefault(_normalized(name), Path(str(told.locate())))
    found = {}
    for name, path in paths.items():
        with contextlib.suppress(OSError):
            at = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            found[name] = at.isoformat().replace("+00:00", "Z")
    return found


def _nearness(wanted: str, own: str, near: set[str]) -> int | None:
    if own == wanted:
        return 0
    if wanted and own.startswith(wanted):
        return 1
    if wanted and wanted in own:
        return 2
    return 3 if own in near else None


def _normalized(name: str) -> str:
    """Return a name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
