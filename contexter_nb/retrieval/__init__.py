"""Documents, chunks, embedders, the index and search in it.

May import `core` (and `clients`, which come with the remote services); imported by
`notebook`. Nothing here knows pandas, IPython or widgets.
"""

from __future__ import annotations

from contexter_nb.retrieval._asking import ask
from contexter_nb.retrieval._budget import Budget, PricedEmbedder, usd_at_most
from contexter_nb.retrieval._cached_embeddings import (
    CachedEmbeddings,
    embed_cached,
    kept_embeddings,
)
from contexter_nb.retrieval._catalog import Catalog, IndexedLibrary
from contexter_nb.retrieval._chunking import (
    BUDGET_TOKENS,
    CHUNKING_VERSION,
    LEAST_BUDGET_TOKENS,
    MOST_BUDGET_TOKENS,
    chunk_document,
    cut_or_problem,
)
from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._context7_source import Context7Source
from contexter_nb.retrieval._documents import (
    Chunk,
    Collected,
    Document,
    Problem,
    is_lead,
    point_id,
    repaired,
)
from contexter_nb.retrieval._embedders import (
    Embedded,
    Embedder,
    InputType,
    KeepingEmbedder,
    Vectors,
)
from contexter_nb.retrieval._embedding_cache import (
    EmbeddingCache,
    EmbeddingCounts,
    KnownEmbeddings,
)
from contexter_nb.retrieval._estimate import Estimate, Pace, Packing, estimate_embedding
from contexter_nb.retrieval._estimating import (
    EstimableEmbedder,
    SourceEstimate,
    estimate_source,
    estimate_texts,
    estimate_tokens,
)
from contexter_nb.retrieval._evaluation import (
    DEFAULT_METRICS,
    MAX_GRADE,
    Found,
    Judged,
    cutoff_of,
    document_grades,
    document_key,
    lead_id,
    parse_metrics,
    query_id,
    ranking,
)
from contexter_nb.retrieval._evaluation_lists import overlap_at, rank_biased_overlap
from contexter_nb.retrieval._evaluation_qrels import (
    QrelsLine,
    parse_qrels,
    parse_queries,
    qrels_text,
    queries_path,
    queries_text,
)
from contexter_nb.retrieval._experiment_results import (
    Experiment,
    Outcome,
    Tables,
    tabulate,
)
from contexter_nb.retrieval._experiments_store import ExperimentStore
from contexter_nb.retrieval._fastembed import FastEmbedder
from contexter_nb.retrieval._filters import (
    FILTER_COLUMNS,
    Where,
    parse_where,
)
from contexter_nb.retrieval._fusion import (
    Candidate,
    fold_repeats,
    reciprocal_rank_fusion,
)
from contexter_nb.retrieval._index import EmbeddedIndex, delete_indexes
from contexter_nb.retrieval._index_writer import IndexWriter
from contexter_nb.retrieval._indexing import (
    IndexingTools,
    IndexReport,
    Progress,
    Source,
    index_sources,
)
from contexter_nb.retrieval._inventory import (
    STANDARD_LIBRARY,
    Installed,
    find,
    installed_versions,
    inventory,
    name_of,
    standard_modules,
)
from contexter_nb.retrieval._judgments import Judgment, JudgmentStore, text_hash
from contexter_nb.retrieval._kept_documents import (
    KeptDocuments,
    KeptSource,
    not_as_indexed,
    not_kept,
)
from contexter_nb.retrieval._known_items import known_item_query, shuffled
from contexter_nb.retrieval._optimizing import OPTIMIZE_CHUNKS, optimize_index
from contexter_nb.retrieval._ranking import (
    MAX_LIMIT,
    MODES,
    Explanation,
    Hit,
    PartRank,
)
from contexter_nb.retrieval._rounding import RoundedEmbedder, check_dtype
from contexter_nb.retrieval._row_fields import (
    FIELDS,
    LABELS,
    ROW_COLUMNS,
    begin_of,
    merged_kinds,
    value_in,
)
from contexter_nb.retrieval._run_files import TrecFile, trec_files
from contexter_nb.retrieval._server_index import (
    COLLECTION,
    ServerIndex,
    delete_collections,
)
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
    "begin_of",
    "Budget",
    "BUDGET_TOKENS",
    "CachedEmbeddings",
    "Candidate",
    "Catalog",
    "check_dtype",
    "Chunk",
    "chunk_document",
    "CHUNKING_VERSION",
    "Collected",
    "COLLECTION",
    "Condition",
    "Context7Source",
    "cut_or_problem",
    "cutoff_of",
    "DEFAULT_METRICS",
    "delete_collections",
    "delete_indexes",
    "Document",
    "document_grades",
    "document_key",
    "embed_cached",
    "Embedded",
    "EmbeddedIndex",
    "Embedder",
    "EmbeddingCache",
    "EmbeddingCounts",
    "EstimableEmbedder",
    "Estimate",
    "estimate_embedding",
    "estimate_source",
    "estimate_texts",
    "estimate_tokens",
    "Experiment",
    "ExperimentStore",
    "Explanation",
    "FastEmbedder",
    "FIELDS",
    "FILTER_COLUMNS",
    "find",
    "fold_repeats",
    "FolderSource",
    "Found",
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
    "is_lead",
    "Judged",
    "Judgment",
    "JudgmentStore",
    "KeepingEmbedder",
    "kept_embeddings",
    "KeptDocuments",
    "KeptSource",
    "known_item_query",
    "KnownEmbeddings",
    "LABELS",
    "lead_id",
    "LEAST_BUDGET_TOKENS",
    "library_source",
    "MARKUP_BY_ENDING",
    "MAX_GRADE",
    "MAX_LIMIT",
    "merged_kinds",
    "MODES",
    "ModulesSource",
    "MOST_BUDGET_TOKENS",
    "name_of",
    "not_as_indexed",
    "not_kept",
    "OPTIMIZE_CHUNKS",
    "optimize_index",
    "Outcome",
    "overlap_at",
    "Pace",
    "Packing",
    "parse_metrics",
    "parse_qrels",
    "parse_queries",
    "parse_where",
    "PartRank",
    "point_id",
    "PricedEmbedder",
    "Problem",
    "Progress",
    "qrels_text",
    "QrelsLine",
    "queries_path",
    "queries_text",
    "query_id",
    "rank_biased_overlap",
    "ranking",
    "reciprocal_rank_fusion",
    "repair",
    "repaired",
    "RoundedEmbedder",
    "ROW_COLUMNS",
    "RowsSource",
    "ServerIndex",
    "shuffled",
    "Source",
    "SourceEstimate",
    "STANDARD_LIBRARY",
    "standard_modules",
    "StaticEmbedder",
    "Survey",
    "Tables",
    "tabulate",
    "TermMatcher",
    "text_hash",
    "trec_files",
    "TrecFile",
    "usd_at_most",
    "value_in",
    "Vectors",
    "VoyageEmbedder",
    "Where",
]
