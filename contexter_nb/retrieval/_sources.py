"""The places documents come from: installed libraries, files, rows of a table."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from contexter_nb.core import Clock, SourceError, SystemClock
from contexter_nb.retrieval import _inventory
from contexter_nb.retrieval._child import (
    MODULE_SECONDS,
    ChildStopped,
    Message,
    inspect_modules,
)
from contexter_nb.retrieval._documents import Collected, Document, Problem
from contexter_nb.retrieval._row_fields import KeptColumns, fields_of, kept_columns
from contexter_nb.retrieval._slices import in_thread

MAX_RESTARTS = 5
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_FILES = 50_000
MARKUP_BY_ENDING = {
    ".htm": "html",
    ".html": "html",
    ".ipynb": "notebook",
    ".md": "markdown",
    ".rst": "rst",
    ".txt": "text",
}
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})
_DOCUMENTATION_LABELS = ("documentation", "docs", "homepage", "home", "source")


@dataclass(frozen=True, slots=True)
class ModulesSource:
    """Modules read by runtime inspection in a child process.

    Attributes
    ----------
    distribution : importlib.metadata.Distribution or None
        Whose modules they are; None for the standard library.
    clock : Clock
        For the time limits.
    module_seconds : float
        How long the import of one module may take.
    """

    library: str
    version: str
    modules: tuple[str, ...]
    distribution: metadata.Distribution | None = None
    clock: Clock = SystemClock()
    module_seconds: float = MODULE_SECONDS

    @property
    def source(self) -> str:
        """Return ``installed`` or ``stdlib``."""
        return "stdlib" if self.distribution is None else "installed"

    def fingerprint(self) -> str:
        """Return what changes when the installed files do."""
        if self.distribution is None:
            return f"{_inventory.standard_fingerprint()} {' '.join(self.modules)}"
        return _inventory.fingerprint(self.distribution)

    async def collect(self) -> Collected:
        """Import and inspect the modules; a crash costs the module that crashed."""
        fingerprint = await in_thread(self.fingerprint)
        # Parsed anew at each access, so read once and not for each document.
        home = project_url(self.distribution) if self.distribution else ""
        skip: list[str] = []
        problems: list[Problem] = []
        documents: list[Document] = []
        complete = False
        whole = True
        for _ in range(MAX_RESTARTS):
            documents = []
            told: list[Problem] = []
            try:
                async for message in inspect_modules(
                    self.modules, skip, self.clock, self.module_seconds
                ):
                    self._take(message, documents, told, home)
                    whole = whole and not message.get("root")
            except ChildStopped as exc:
                problems.append(self._problem(exc.importing, str(exc)))
                whole = False
                if exc.importing in skip or self.modules == (exc.importing,):
                    problems += told
                    break
                skip.append(exc.importing)
                continue
            problems += told
            complete = True
            break
        documents += self._readme()
        if not documents and not problems:
            problems.append(
                self._problem(self.library, "it has no documentation that can be read")
            )
        return Collected(
            library=self.library,
            version=self.version,
            source=self.source,
            documents=documents,
            problems=problems,
            fingerprint=fingerprint if complete and whole else "",
            complete=complete and whole,
        )

    def _take(
        self,
        message: Message,
        documents: list[Document],
        problems: list[Problem],
        home: str,
    ) -> None:
        if message["type"] == "problem":
            problems.append(self._problem(message["name"], message["error"]))
        elif message["type"] == "document":
            documents.append(
                Document(
                    library=self.library,
                    version=self.version,
                    source=self.source,
                    title=message["title"],
                    kind=message["kind"],
                    text=message["text"],
                    aliases=tuple(message["aliases"]),
                    signature=message["signature"],
                    url=home or self._page(message["title"]),
                    described=tuple(message["described"]),
                    mentions=message["mentions"],
                )
            )

    def _problem(self, title: str, error: str) -> Problem:
        return Problem(
            library=self.library, version=self.version, title=title, error=error
        )

    def _page(self, title: str) -> str:
        """Return where docs.python.org speaks of a name of the standard library."""
        if self.distribution is not None:
            return ""
        # Each module has a page, and each public name an anchor on it
        # (https://docs.python.org/3/library/, read 2026-11-23).
        module = max(
            (name for name in self.modules if f"{title}.".startswith(f"{name}.")),
            key=len,
            default=title,
        )
        release = ".".join(_inventory.python_version().split(".")[:2])
        return f"https://docs.python.org/{release}/library/{module}.html#{title}"

    def _readme(self) -> list[Document]:
        if self.distribution is None:
            return []
        told = _inventory.message_of(self.distribution)
        text = str(told.get_payload() or "")
        if not text.strip():
            text = str(told.get("Description") or "")
        if not text.strip() or text.strip() == "UNKNOWN":
            return []
        kind = str(told.get("Description-Content-Type") or "")
        return [
            Document(
                library=self.library,
                version=self.version,
                source=self.source,
                title=f"{self.library} README",
                kind="page",
                text=text,
                markup="markdown" if "markdown" in kind else "rst",
                url=project_url(self.distribution),
            )
        ]


def project_url(distribution: metadata.Distribution) -> str:
    """Return a project's documentation page, else its home page; http(s) only."""
    told = _inventory.message_of(distribution)
    found: dict[str, str] = {}
    for entry in told.get_all("Project-URL") or ():
        label, _, url = str(entry).partition(",")
        found.setdefault(label.strip().lower(), url.strip())
    found.setdefault("home", str(told.get("Home-page") or ""))
    for label in _DOCUMENTATION_LABELS:
        url = found.get(label, "")
        if url.startswith(("https://", "http://")):
            return url
    return ""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Files of documentation: Markdown, reStructuredText, text, HTML, notebooks.

    Attributes
    ----------
    path : pathlib.Path
        A file, or a folder, read with its subfolders except hidden ones,
        ``__pycache__``, ``node_modules`` and ``site-packages``.
    """

    path: Path
    library: str
    version: str = ""

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        found: list[Path] = []
        for folder, folders, files in os.walk(self.path):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and name not in _SKIPPED_FOLDERS
            )
            found += [
                Path(folder, name)
                for name in sorted(files)
                if os.path.splitext(name)[1].lower() in MARKUP_BY_ENDING
            ]
            if len(found) > MAX_FILES:
                raise SourceError(
                    f"{self.path} holds more than {MAX_FILES:,} documents; index its "
                    "folders one by one."
                )
        return found

    def fingerprint(self) -> str:
        """Return what changes when a file does."""
        digest = hashlib.blake2b(digest_size=16)
        for file in self._files():
            try:
                status = file.stat()
            except OSError:
                continue  # reading it tells
            stamp = f"{file} {status.st_size} {status.st_mtime_ns}\n"
            digest.update(stamp.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    async def collect(self) -> Collected:
        """Read the files; one that cannot be read becomes a problem."""
        files = await in_thread(self._files)
        fingerprint = await in_thread(self.fingerprint)
        documents: list[Document] = []
        problems: list[Problem] = []
        for start in range(0, len(files), 50):
            for file in files[start : start + 50]:
                await in_thread(self._read, file, documents, problems)
        if not files:
            endings = " ".join(sorted(MARKUP_BY_ENDING))
            problems.append(
                self._problem(self.path.name, f"no file with one of {endings} in it")
            )
        return Collected(
            library=self.library,
            version=self.version,
            source="folder",
            documents=documents,
            problems=problems,
            fingerprint=fingerprint if not problems else "",
        )

    def _problem(self, title: str, error: str) -> Problem:
        return Problem(
            library=self.library, version=self.version, title=title, error=error
        )

    def _read(
        self, file: Path, documents: list[Document], problems: list[Problem]
    ) -> None:
        name = (
            file.name if file == self.path else file.relative_to(self.path).as_posix()
        )
        try:
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise OSError("it is no regular file")
            size = status.st_size
            if size > MAX_FILE_BYTES:
                raise OSError(f"it has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
            data = file.read_bytes()
        except OSError as exc:
            problems.append(self._problem(name, f"cannot be read: {exc}"))
            return
        text = data.decode("utf-8-sig", "replace")
        if "\ufffd" in text and b"\xef\xbf\xbd" not in data:
            problems.append(
                self._problem(name, "is not UTF-8; unreadable bytes are replaced")
            )
        documents.append(
            Document(
                library=self.library,
                version=self.version,
                source="folder",
                title=name,
                kind="page",
                text=text,
                markup=MARKUP_BY_ENDING[file.suffix.lower()],
            )
        )


@dataclass(frozen=True)
class RowsSource:
    """Rows of a table: ``text`` and, where given, ``title``, ``url``, ``kind``.

    What else they have is kept beside it (`kept_columns`).

    Attributes
    ----------
    keys : sequence of str or None
        What each row is known by, no two the same.
    """

    rows: Sequence[Mapping[str, Any]]
    library: str
    version: str = ""
    keys: Sequence[str] | None = None

    @functools.cached_property
    def kept(self) -> KeptColumns:
        """Which columns are kept beside the text."""
        return kept_columns(self.rows)

    def fingerprint(self) -> str:
        """Return what changes when a row does."""
        digest = hashlib.blake2b(repr(self.keys).encode(), digest_size=16)
        for row in self.rows:
            cells = repr(sorted(row.items(), key=repr))
            digest.update(cells.encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    async def collect(self) -> Collected:
        """Turn rows into documents; one without text becomes a problem."""
        documents: list[Document] = []
        problems: list[Problem] = []
        kinds = self.kept.kinds
        for at, (row, known) in enumerate(zip(self.rows, self._known(), strict=True)):
            title = known.title or f"row {at}"
            text = row.get("text")
            if not isinstance(text, str) or not text.strip():
                problems.append(
                    Problem(
                        library=self.library,
                        version=self.version,
                        title=title,
                        error=f"row {at} has no text",
                    )
                )
                continue
            url = str(row.get("url") or "")
            documents.append(
                Document(
                    library=self.library,
                    version=self.version,
                    source="frame",
                    title=title,
                    kind=str(row.get("kind") or "row"),
                    text=text,
                    markup="markdown",
                    url=url if url.startswith(("https://", "http://")) else "",
                    fields=fields_of(row, kinds),
                    key=known.key,
                    heading=known.heading,
                )
            )
        return Collected(
            library=self.library,
            version=self.version,
            source="frame",
            documents=documents,
            problems=problems,
            fingerprint=self.fingerprint() if not problems else "",
            kinds=kinds,
        )

    def _known(self) -> list[_Known]:
        """Return what each row is known by, wherever in the table it stands.

        That is its key, where rows have such; its title, where no other has it; or what
        it says, so that rows which are taken out or put in change no others. Titles
        that several have are told apart by a mark, which is not embedded.
        """
        titles = [str(row.get("title") or "") for row in self.rows]
        often = Counter(titles)
        taken: Counter[str] = Counter()
        found = []
        for at, (row, title) in enumerate(zip(self.rows, titles, strict=True)):
            if self.keys is not None:
                mark, key = self.keys[at], f"key {self.keys[at]}"
            elif title and often[title] == 1:
                mark, key = "", ""
            else:
                said = f"{title}\0{row.get('text')}".encode("utf-8", "backslashreplace")
                digest = hashlib.blake2b(said, digest_size=8).hexdigest()
                taken[digest] += 1
                key = f"text {digest} {taken[digest]}"
                mark = digest[:6] + (f"-{taken[digest]}" if taken[digest] > 1 else "")
            if not title:
                own = f"row {mark}" if self.keys is not None else ""
                found.append(_Known(key, own, ""))
            elif often[title] > 1:
                found.append(_Known(key, f"{title} · {mark}", title))
            else:
                found.append(_Known(key, title, None))
        return found


class _Known(NamedTuple):
    """What a row is known by, is called, and has in its title to be embedded."""

    key: str
    title: str
    heading: str | None


def library_source(
    name: str, clock: Clock, module_seconds: float = MODULE_SECONDS
) -> ModulesSource:
    """Return the source of an installed library or a standard library module.

    Parameters
    ----------
    name : str
        A distribution, an import name, a standard library module, or ``python`` for
        all of the latter, as for `find`.
    clock : Clock
        For the time limits of the process that imports the modules.
    module_seconds : float, default 30
        How long the import of one module may take.

    Returns
    -------
    ModulesSource
        Nothing is imported before its `collect`.

    Raises
    ------
    UnknownLibraryError
        Nothing installed has this name.
    """
    found = _inventory.find(name)
    if isinstance(found, str):
        everything = found == _inventory.STANDARD_LIBRARY
        modules = _inventory.standard_modules() if everything else (found,)
        return ModulesSource(
            library=found,
            version=_inventory.python_version(),
            modules=modules,
            clock=clock,
            module_seconds=module_seconds,
        )
    return ModulesSource(
        library=_inventory.name_of(found),
        version=_inventory.version_of(found),
        modules=_inventory.import_names(found),
        distribution=found,
        clock=clock,
        module_seconds=module_seconds,
    )
