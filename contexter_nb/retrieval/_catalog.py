"""What a generation holds and what it was made with, beside the engine's files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from contexter_nb.core import HomeError, IndexMismatchError
from contexter_nb.retrieval._chunking import CHUNKING_VERSION
from contexter_nb.retrieval._embedders import Embedder
from contexter_nb.retrieval._row_fields import merged_kinds

FORMAT = 1
_FILE = "catalog.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedLibrary:
    """One library as it is indexed.

    Attributes
    ----------
    fingerprint : str
        That of its source when it was indexed in full; empty while it is in part.
    indexed_at : str
        UTC time, ISO 8601.
    kinds : dict of str to str
        Of the columns that its rows have beside their text; empty for what has none.
    """

    library: str
    version: str
    source: str
    documents: int
    chunks: int
    tokens: int
    indexed_at: str
    fingerprint: str
    kinds: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The identity of an index, and its libraries by name.

    Attributes
    ----------
    optimized_chunks : int
        How many chunks the last `optimize` covered.
    """

    embedder: str
    dimension: int
    chunking: int = CHUNKING_VERSION
    format: int = FORMAT
    optimized_chunks: int = 0
    libraries: dict[str, IndexedLibrary] = field(default_factory=dict)

    @property
    def chunks(self) -> int:
        """Return how many chunks the index holds."""
        return sum(each.chunks for each in self.libraries.values())

    @property
    def kinds(self) -> dict[str, str]:
        """Return the kinds of the columns of all tables, by name."""
        return merged_kinds(each.kinds for each in self.libraries.values())

    def with_library(self, library: IndexedLibrary) -> Catalog:
        """Return a catalog in which this library's entry is replaced.

        Parameters
        ----------
        library : IndexedLibrary
            Added where no entry has its name yet.

        Returns
        -------
        Catalog
            A new one; this one stays as it is.
        """
        return dataclasses.replace(
            self, libraries={**self.libraries, library.library: library}
        )

    def without_library(self, name: str) -> Catalog:
        """Return a catalog without one library.

        Parameters
        ----------
        name : str
            As in `libraries`; one that is not there changes nothing.

        Returns
        -------
        Catalog
            A new one; this one stays as it is.
        """
        kept = {key: each for key, each in self.libraries.items() if key != name}
        return dataclasses.replace(self, libraries=kept)

    def check(self, embedder: Embedder, place: Path | str) -> None:
        """Refuse an index that was made by other means than this session's.

        Parameters
        ----------
        embedder : Embedder
            The session's; `identity` and `dimension` are compared.
        place : pathlib.Path or str
            Where the index is, for the message.

        Raises
        ------
        IndexMismatchError
            Embedder, dimension, chunking or format differ.
        """
        ways_out = (
            "Connect with the embedder it was built with, choose another home or "
            "server with connect(home=...) or connect(qdrant_url=...), or rebuild it: "
            "nb.remove(everything=True), then nb.index([...])."
        )
        if self.format != FORMAT or self.chunking != CHUNKING_VERSION:
            raise IndexMismatchError(
                f"The index in {place} was cut into chunks by another version of "
                f"contexter_nb (chunking {self.chunking}, here {CHUNKING_VERSION}). "
                + ways_out
            )
        if (self.embedder, self.dimension) != (embedder.identity, embedder.dimension):
            raise IndexMismatchError(
                f"The index in {place} was built with {self.embedder!r} "
                f"({self.dimension} dimensions) and this session uses "
                f"{embedder.identity!r} ({embedder.dimension}). {ways_out}"
            )

    @classmethod
    def of(cls, embedder: Embedder) -> Catalog:
        """Return the catalog of an index that is to be made with `embedder`.

        Parameters
        ----------
        embedder : Embedder
            Its `identity` and `dimension` are noted.

        Returns
        -------
        Catalog
            Without libraries.
        """
        return cls(embedder=embedder.identity, dimension=embedder.dimension)

    @classmethod
    def load(cls, folder: Path) -> Catalog:
        """Read the catalog of one generation.

        Parameters
        ----------
        folder : pathlib.Path
            The generation's, one below the index's.

        Returns
        -------
        Catalog
            Not compared with any embedder; that is what `check` is for.

        Raises
        ------
        HomeError
            The file is missing, cannot be read, or holds something else.
        """
        path = folder / _FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            libraries = {
                name: IndexedLibrary(**each)
                for name, each in content.pop("libraries").items()
            }
            return cls(libraries=libraries, **content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
            raise HomeError(
                f"The index's catalog {path} cannot be read; delete the folder "
                f"{folder.parent} and index again (embeddings are kept)."
            ) from exc

    def save(self, folder: Path) -> None:
        """Write the catalog into a generation that is not published yet.

        Parameters
        ----------
        folder : pathlib.Path
            Must exist; a catalog in it is overwritten.

        Raises
        ------
        OSError
            It cannot be written.
        """
        text = json.dumps(dataclasses.asdict(self), indent=1)
        (folder / _FILE).write_text(text, encoding="utf-8")
