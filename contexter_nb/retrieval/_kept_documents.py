"""The documents behind an index, kept so that it can be made again in other ways."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

from contexter_nb.core import HomeError
from contexter_nb.retrieval._atomic_file import clear_unfinished, write_atomically
from contexter_nb.retrieval._documents import Collected, Document, repaired
from contexter_nb.retrieval._slices import in_thread

FORMAT = 2
_ENDING = ".json.gz"
_DIGEST_BYTES = 8


class KeptDocuments:
    """What was indexed, a file a library, as it was before it was cut and embedded.

    Each file replaces the last at once, whoever reads it; its mode is 0600.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files lie; made with the first.

    Examples
    --------
    >>> import tempfile
    >>> page = Document(
    ...     library="guide", version="", source="folder", title="a.md", kind="page",
    ...     text="Use pip.", markup="markdown",
    ... )
    >>> made = Collected(
    ...     library="guide", version="", source="folder", documents=[page]
    ... )
    >>> with tempfile.TemporaryDirectory() as home:
    ...     kept = KeptDocuments(Path(home))
    ...     kept.save(made)
    ...     again = kept.load("guide")
    >>> again.documents == [page]
    True
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, collected: Collected) -> None:
        """Keep the documents of a library in place of those kept before.

        Parameters
        ----------
        collected : Collected
            Of one that is not complete, documents that are not among its own stay.

        Raises
        ------
        HomeError
            The file cannot be written.
        """
        # Bounded, as what is indexed of them is.
        documents = [repaired(each)[0] for each in collected.documents]
        if not collected.complete:
            known = self.load(collected.library)
            seen = {each.title for each in documents}
            before = known.documents if known is not None else []
            documents += [each for each in before if each.title not in seen]
        content = {
            "format": FORMAT,
            "library": collected.library,
            "version": collected.version,
            "source": collected.source,
            "kinds": collected.kinds,
            "documents": [_as_json(each) for each in documents],
        }
        # A time in the header would make the same documents look like others.
        data = gzip.compress(json.dumps(content).encode(), 1, mtime=0)
        self._write(self._path(collected.library), data)

    def load(self, library: str) -> Collected | None:
        """Return the documents of a library; None where none are kept.

        Parameters
        ----------
        library : str
            Its name in the catalog.

        Returns
        -------
        Collected or None
            None also for a file that is damaged or of another version.

        Raises
        ------
        HomeError
            The file is there and may not be read.
        """
        data = self._read(library)
        if data is None:
            return None
        try:
            content = json.loads(gzip.decompress(data))
            if content["format"] != FORMAT or content["library"] != library:
                return None
            return Collected(
                library=library,
                version=content["version"],
                source=content["source"],
                kinds=content["kinds"],
                documents=[_from_json(each, content) for each in content["documents"]],
            )
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError):
            return None

    def digest(self, library: str) -> str:
        """Return what changes when the kept documents do; empty where none are kept.

        Parameters
        ----------
        library : str
            Its name in the catalog.
        """
        data = self._read(library)
        return "" if data is None else _digest(data)

    def forget(self, library: str) -> None:
        """Keep the documents of a library no longer.

        Parameters
        ----------
        library : str
            Its name in the catalog; where none are kept nothing happens.

        Raises
        ------
        HomeError
            The file cannot be deleted.
        """
        path = self._path(library)
        try:
            path.unlink(missing_ok=True)
            clear_unfinished(path)
        except NotADirectoryError:
            return
        except OSError as exc:
            raise HomeError(
                f"The kept documents {path} cannot be deleted ({exc.strerror}); delete "
                "the file yourself."
            ) from exc

    def forget_all(self) -> None:
        """Keep nothing any longer, also of what never came to be indexed.

        Raises
        ------
        HomeError
            A file cannot be deleted.
        """
        try:
            shutil.rmtree(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            raise HomeError(
                f"The kept documents {self._folder} cannot be deleted "
                f"({exc.strerror}); delete the folder yourself."
            ) from exc

    def _read(self, library: str) -> bytes | None:
        path = self._path(library)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise HomeError(
                f"The kept documents {path} cannot be read ({exc.strerror}); see who "
                "owns the file, or choose another home with connect(home=...)."
            ) from exc

    def _write(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, data)
        except OSError as exc:
            raise HomeError(
                f"The documents cannot be kept in {self._folder} ({exc.strerror}); "
                "free some space, or choose another home with connect(home=...)."
            ) from exc

    def _path(self, library: str) -> Path:
        name = "".join(each if each.isalnum() else "-" for each in library)[:40]
        return self._folder / f"{name}-{_digest(library.encode())}{_ENDING}"


@dataclass(frozen=True, slots=True)
class KeptSource:
    """The documents that one library of an index was made of, as a source.

    Attributes
    ----------
    stamp : str
        Changes when the library's entry in the index does.
    """

    kept: KeptDocuments
    library: str
    version: str
    stamp: str

    def fingerprint(self) -> str:
        """Return what changes when the documents, or what is indexed of them, do."""
        digest = self.kept.digest(self.library)
        return f"{digest} {self.stamp}" if digest else ""

    async def collect(self) -> Collected:
        """Read the kept documents.

        Raises
        ------
        HomeError
            They are not there any more, or damaged.
        """
        fingerprint = await in_thread(self.fingerprint)
        found: Collected | None = await in_thread(self.kept.load, self.library)
        if found is None:
            raise HomeError(not_kept(self.library))
        return dataclasses.replace(found, fingerprint=fingerprint)


def not_as_indexed(library: str) -> str:
    """Return in a sentence that documents are not those of an index, and what to do.

    Parameters
    ----------
    library : str
        Its name in the catalog.
    """
    return (
        f"The documents of {library!r} that are kept are not those that are indexed "
        "(it was not indexed to its end, or another kernel is at it): index it again, "
        f"or, where that does not help, nb.remove({library!r}) first."
    )


def not_kept(library: str) -> str:
    """Return in a sentence that a library's documents are missing, and what to do.

    Parameters
    ----------
    library : str
        Its name in the catalog.
    """
    return (
        f"The documents of {library!r} are not kept in this home, so that no other "
        f"index can be made of them: nb.remove({library!r}), and index it again."
    )


def _as_json(document: Document) -> list[object]:
    return [getattr(document, name) for name in _FIELDS]


def _from_json(values: list[object], content: dict[str, str]) -> Document:
    own = dict(zip(_FIELDS, values, strict=True))
    for name in ("aliases", "described"):
        own[name] = tuple(own[name])  # type: ignore[arg-type]  # a list of texts
    own["fields"] = tuple(map(tuple, own["fields"]))  # type: ignore[call-overload]  # of pairs
    shared = {name: content[name] for name in _SHARED}
    return Document(**shared, **own)  # type: ignore[arg-type]  # as they were written


_SHARED = ("library", "version", "source")
_FIELDS = tuple(
    each.name for each in dataclasses.fields(Document) if each.name not in _SHARED
)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
