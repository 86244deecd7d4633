"""Documents, chunks, embedders, the index and search in it.

May import `core` (and `clients`, which come with the remote services); imported by
`notebook`. Nothing here knows pandas, IPython or widgets.
"""

from __future__ import annotations

from contexter_nb.retrieval._asking import ask
from contexter_nb.retrieval._budget import Budget, PricedEmbedder
from contexter_nb.retrieval._catalog import Catalog, IndexedLibrary
from contexter_nb.retrieval._chunking import CHUNKING_VERSION, chunk_document
from contexter_nb.retrieval._context7_source import Context7Source
from contexter_nb.retrieval._documents import (
    Chunk,
    Collected,
    Document,
    Problem,
    repaired,
)
from contexter_nb.retrieval._embedders import Embedded, Embedder, InputType, Vectors
from contexter_nb.retrieval._embedding_cache import EmbeddingCache, EmbeddingCounts
from contexter_nb.retrieval._estimate import Estimate, Pace, Packing, estimate_embedding
from contexter_nb.retrieval._filters import (
    FILTER_COLUMNS,
    Condition,
    Where,
    parse_where,
)
from contexter_nb.retrieval._fusion import (
    Candidate,
    fold_repeats,
    reciprocal_rank_fusion,
)
from contexter_nb.retrieval._index import (
    MAX_LIMIT,
    MODES,
    EmbeddedIndex,
    Explanation,
    Hit,
    PartRank,
)
from contexter_nb.retrieval._index_writer import IndexWriter
from contexter_nb.retrieval._indexing import (
    CachedEmbeddings,
    IndexingTools,
    IndexReport,
    Progress,
    Source,
    embed_cached,
    index_sources,
)
from contexter_nb.retrieval._inventory import (
    STANDARD_LIBRARY,
    Installed,
    find,
    installed_versions,
    inventory,
    standard_modules,
)
from contexter_nb.retrieval._optimizing import OPTIMIZE_CHUNKS, optimize_index
from contexter_nb.retrieval._slices import in_thread
from contexter_nb.retrieval._sources import (
    MARKUP_BY_ENDING,
    FolderSource,
    ModulesSource,
    RowsSource,
    library_source,
)
from contexter_nb.retrieval._static_model import StaticEmbedder
from contexter_nb.retrieval._survey import Survey
from contexter_nb.retrieval._term_match import TermMatcher
from contexter_nb.retrieval._text import repair
from contexter_nb.retrieval._voyage_embedder import VoyageEmbedder

__all__ = [
    "ask",
    "Budget",
    "CachedEmbeddings",
    "Candidate",
    "Catalog",
    "Chunk",
    "chunk_document",
    "CHUNKING_VERSION",
    "Collected",
    "Condition",
    "Context7Source",
    "Document",
    "embed_cached",
    "Embedded",
    "EmbeddedIndex",
    "Embedder",
    "EmbeddingCache",
    "EmbeddingCounts",
    "Estimate",
    "estimate_embedding",
    "Explanation",
    "FILTER_COLUMNS",
    "find",
    "fold_repeats",
    "FolderSource",
    "Hit",
    "in_thread",
    "index_sources",
    "IndexedLibrary",
    "IndexingTools",
    "IndexReport",
    "IndexWriter",
    "InputType",
    "Installed",
    "installed_versions",
    "inventory",
    "library_source",
    "MARKUP_BY_ENDING",
    "MAX_LIMIT",
    "MODES",
    "ModulesSource",
    "OPTIMIZE_CHUNKS",
    "optimize_index",
    "Pace",
    "Packing",
    "parse_where",
    "PartRank",
    "PricedEmbedder",
    "Problem",
    "Progress",
    "reciprocal_rank_fusion",
    "repair",
    "repaired",
    "RowsSource",
    "Source",
    "STANDARD_LIBRARY",
    "standard_modules",
    "StaticEmbedder",
    "Survey",
    "TermMatcher",
    "Vectors",
    "VoyageEmbedder",
    "Where",
]
