"""What the other indexes of a home hold: each named embedder has one of its own."""

from __future__ import annotations

from pathlib import Path

from contexter_nb.core import HomeError
from contexter_nb.retrieval._catalog import Catalog
from contexter_nb.retrieval._generations import Generations


def indexed_elsewhere(folder: Path) -> str:
    """Return a sentence on what another embedder indexed beside an index, or nothing.

    Parameters
    ----------
    folder : pathlib.Path
        The index in which nothing is.
    """
    for other in sorted(folder.parent.glob("index*")):
        if other == folder or not other.is_dir():
            continue
        try:
            number = Generations(other).current()
            catalog = None if number is None else Catalog.load(other / str(number))
        except HomeError:  # whoever opens that one is told
            continue
        if catalog is not None and catalog.libraries:
            kind, slash, model = catalog.embedder.partition("/")
            wanted = f"{kind}:{model}" if slash else "static"
            return (
                f" ({catalog.chunks:,} passages are indexed with {catalog.embedder}; "
                f"connect(embedder={wanted!r}) searches them.)"
            )
    return ""
