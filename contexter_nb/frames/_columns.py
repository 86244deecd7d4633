"""The columns of every answer: name, dtype, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STRING = "str"
INTEGER = "int64"
NUMBER = "float64"
COUNT_OR_NONE = "Int64"
TRUTH = "bool"
INSTANT = "datetime64[us, UTC]"
OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    dtype : str
        Its pandas dtype, the same whether the frame has rows or not.
    meaning : str
        What a value says, with its unit.
    """

    name: str
    dtype: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of frame.

    Attributes
    ----------
    rows : str
        What a row is, and in which order rows come.
    """

    name: str
    rows: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns' names in order."""
        return tuple(column.name for column in self.columns)


_LIBRARY = Column("library", STRING, "distribution, module, folder or table")
_VERSION = Column("version", STRING, "its version; empty where it has none")
_SOURCE = Column("source", STRING, "installed, stdlib, folder, frame or context7")
_TITLE = Column("title", STRING, "dotted public name, or a page's heading path")
_ALIASES = Column("aliases", OBJECT, "tuple of the other names it is found under")
_KIND = Column(
    "kind", STRING, "module class function method property attribute page row"
)
_TEXT = Column("text", STRING, "the passage")
_TOKENS = Column("tokens", INTEGER, "length of what is embedded, in tokens")
_URL = Column("url", STRING, "where to read it; empty where unknown")
_CHUNK_ID = Column("chunk_id", STRING, "16 hexadecimal digits, stable")
_FIELDS = Column("fields", OBJECT, "dict of a row's other columns; empty elsewhere")
_CHUNKS = Column("chunks", INTEGER, "passages")
_DOCUMENTS = Column("documents", INTEGER, "documented objects, pages or rows")
_USD = Column("usd", NUMBER, "cost, US dollars")
_SECONDS = Column("seconds", NUMBER, "time it took, s")
_SERVICE = Column("service", STRING, "short name of the service")
_OPERATION = Column("operation", STRING, "what was asked of it")
_ERROR = Column("error", STRING, "what went wrong; missing where nothing did")
_QUERY = Column("query", STRING, "what is asked")
_QUERY_ID = Column("query_id", STRING, "q and 16 hexadecimal digits, stable")
_GRADE = Column("grade", COUNT_OR_NONE, "0 not relevant to 3; missing: taken back")
_ORIGIN = Column("origin", STRING, "person, imported or generated")
_VARIANT = Column("variant", STRING, "name of a setting; the first is the baseline")
_METRIC = Column("metric", STRING, "as ir-measures names it, or overlap@10 and RBO")
_TOKENS_SPENT = Column("tokens", INTEGER, "tokens charged, or counted where free")
_P50_MS = Column("p50_ms", NUMBER, "median time of a call, ms")
_P95_MS = Column("p95_ms", NUMBER, "95 of 100 calls are quicker, ms")

_JUDGMENT = (
    _QUERY,
    _QUERY_ID,
    _CHUNK_ID,
    _GRADE,
    _TITLE,
    _LIBRARY,
    _VERSION,
    Column("changed", TRUTH, "whether it says something else than it did"),
    Column("indexed", TRUTH, "whether it is in the index now"),
    _ORIGIN,
    Column("judged_by", STRING, "login name of who judged"),
    Column("judged_at", INSTANT, "UTC"),
    Column("superseded", TRUTH, "whether a later judgment counts instead"),
)

_ALL = (
    Kind(
        "status",
        "a service",
        (
            Column("service", STRING, "embedder, index, cache, answers or a service"),
            Column("mode", STRING, "embedded, local server, remote, or closed"),
            Column("healthy", TRUTH, "whether it just answered"),
            Column("latency_ms", NUMBER, "time of that answer, ms"),
            Column("detail", STRING, "what it is and what may be done"),
        ),
    ),
    Kind(
        "libraries",
        "something that can be indexed by name, what is installed first",
        (
            _LIBRARY,
            _VERSION,
            _SOURCE,
            Column("indexed_version", STRING, "missing where it is not indexed"),
            Column("versions", OBJECT, "tuple of the versions there are, newest first"),
            Column("modules", COUNT_OR_NONE, "Python modules; missing: not known"),
            Column("size_bytes", COUNT_OR_NONE, "size of its files; missing: unknown"),
            Column("import_names", OBJECT, "tuple of top-level import names"),
            Column("summary", STRING, "one line about it"),
            _ERROR,
        ),
    ),
    Kind(
        "docs",
        "a passage, in reading order; a problem has an error and no text",
        (
            _LIBRARY,
            _VERSION,
            _SOURCE,
            _TITLE,
            _ALIASES,
            _KIND,
            Column("section", STRING, "heading path or docstring section"),
            _TEXT,
            _TOKENS,
            _URL,
            _CHUNK_ID,
            _FIELDS,
            _ERROR,
        ),
    ),
    Kind(
        "index",
        "a library; then a row for each of its documents with a problem",
        (
            _LIBRARY,
            _VERSION,
            Column("document", STRING, "missing in a library's own row"),
            _DOCUMENTS,
            _CHUNKS,
            Column("new", INTEGER, "passages stored now, new or changed"),
            Column("unchanged", INTEGER, "passages that were stored already"),
            Column("removed", INTEGER, "passages whose source is gone"),
            Column("failed", INTEGER, "documents with a problem"),
            Column("embedded", INTEGER, "texts embedded now, not taken from cache"),
            Column("tokens", INTEGER, "tokens embedded now"),
            _USD,
            _SECONDS,
            _ERROR,
        ),
    ),
    Kind(
        "estimate",
        "a library; then a row for each of its documents with a problem",
        (
            _LIBRARY,
            _VERSION,
            Column("document", STRING, "missing in a library's own row"),
            _CHUNKS,
            Column("unchanged", INTEGER, "passages that are stored already"),
            Column(
                "in_cache", INTEGER, "of the others, embedded before, or a text twice"
            ),
            Column("embedded", INTEGER, "texts that would be embedded"),
            Column("tokens", INTEGER, "of these, estimated"),
            Column("requests", INTEGER, "to the embedder, none repeated"),
            _USD,
            Column("seconds", NUMBER, "time it would take, s; missing: not known"),
            Column("assumption", STRING, "what the figures rest on"),
            _ERROR,
        ),
    ),
    Kind(
        "costs",
        "a model of a service on a day, the latest day first",
        (
            Column("day", INSTANT, "of the calls: its midnight, UTC"),
            _SERVICE,
            Column("model", STRING, "empty where the service has none"),
            Column("calls", INTEGER, "calls that were charged"),
            Column("tokens", INTEGER, "tokens of these calls"),
            _USD,
            Column("saved_calls", INTEGER, "answers that came from a cache"),
            Column("saved_tokens", INTEGER, "tokens that cached answers had cost"),
            Column("saved_usd", NUMBER, "US dollars that cached answers had cost"),
        ),
    ),
    Kind(
        "rerank",
        "a text, the most relevant first",
        (
            Column("rank", INTEGER, "from 1"),
            Column("score", NUMBER, "relevance by the model, larger is better"),
            Column("position", INTEGER, "its place in what was given, from 0"),
            _TEXT,
        ),
    ),
    Kind(
        "search",
        "a hit, best first",
        (
            Column("rank", INTEGER, "from 1"),
            Column("score", NUMBER, "fused score, cosine (dense) or BM25 (text)"),
            _LIBRARY,
            _VERSION,
            _TITLE,
            _ALIASES,
            _KIND,
            _TEXT,
            Column("dense_rank", COUNT_OR_NONE, "rank by meaning; missing: not found"),
            Column("text_rank", COUNT_OR_NONE, "rank by words; missing: not found"),
            _URL,
            _CHUNK_ID,
            _FIELDS,
        ),
    ),
    Kind(
        "explain",
        "a part of the search, the fused result last",
        (
            Column("part", STRING, "dense, text, terms or hybrid"),
            Column("rank", COUNT_OR_NONE, "missing where the part did not find it"),
            Column("found", INTEGER, "documents this part ranked"),
            Column("score", NUMBER, "the part's score; missing where it has none"),
            Column("note", STRING, "why"),
        ),
    ),
    Kind(
        "embed",
        "a text, in the order given",
        (
            _TEXT,
            Column("tokens", INTEGER, "length as the embedder counts, tokens"),
            Column("cached", TRUTH, "whether it came from the cache"),
            Column("embedding", OBJECT, "float32 array, shape (dimension,), length 1"),
        ),
    ),
    Kind(
        "similarity",
        "a pair, every a with every b",
        (
            Column("a", STRING, "first text"),
            Column("b", STRING, "second text"),
            Column("cosine", NUMBER, "-1 to 1"),
        ),
    ),
    Kind(
        "contents",
        "an indexed library, by name",
        (
            _LIBRARY,
            _VERSION,
            _SOURCE,
            Column("installed_version", STRING, "missing where it is not installed"),
            Column("state", STRING, "current, outdated, incomplete or not installed"),
            _DOCUMENTS,
            _CHUNKS,
            Column("tokens", INTEGER, "tokens of all its passages"),
            Column("indexed_at", INSTANT, "when it was indexed, UTC"),
        ),
    ),
    Kind(
        "remove",
        "a library something was removed of",
        (
            _LIBRARY,
            _VERSION,
            Column("removed", INTEGER, "passages removed"),
            Column("chunks", INTEGER, "passages left"),
        ),
    ),
    Kind(
        "optimize",
        "one row",
        (
            _CHUNKS,
            Column("optimized", TRUTH, "whether anything had to be rebuilt"),
            _SECONDS,
            Column("detail", STRING, "what that means"),
        ),
    ),
    Kind(
        "judgments",
        "a judged passage, in the order in which they were first judged",
        _JUDGMENT,
    ),
    Kind(
        "import_judgments",
        "a judgment that was given, as it is kept now",
        (
            Column("change", STRING, "new, replaced, or unchanged and kept as it was"),
            *_JUDGMENT,
        ),
    ),
    Kind(
        "export_judgments",
        "a file that was written",
        (
            Column("file", STRING, "its name"),
            Column("lines", INTEGER, "judgments, or queries, in it"),
            Column("detail", STRING, "what it is"),
        ),
    ),
    Kind(
        "export_runs",
        "a file that was written",
        (
            Column("file", STRING, "its name"),
            Column("variant", STRING, "whose run it is; missing for the others"),
            Column("lines", INTEGER, "judgments, queries or hits in it"),
            Column("detail", STRING, "what it is"),
        ),
    ),
    Kind(
        "pool",
        "a passage to judge, in an order that tells nothing",
        (
            _QUERY,
            _QUERY_ID,
            _CHUNK_ID,
            _TITLE,
            _LIBRARY,
            _VERSION,
            _KIND,
            _TEXT,
            _URL,
        ),
    ),
    Kind(
        "known_items",
        "a generated question and the passage it was made of",
        (
            _QUERY,
            _QUERY_ID,
            _CHUNK_ID,
            _GRADE,
            _TITLE,
            _LIBRARY,
            _VERSION,
            _ORIGIN,
        ),
    ),
    Kind(
        "experiment",
        "a variant by a metric, in the order given",
        (
            _VARIANT,
            _METRIC,
            Column("value", NUMBER, "mean over the queries"),
            Column("ci_low", NUMBER, "95 % bootstrap interval of value, lower end"),
            Column("ci_high", NUMBER, "95 % bootstrap interval of value, upper end"),
            Column("delta", NUMBER, "value less the baseline's"),
            Column("delta_low", NUMBER, "95 % interval of delta, lower end"),
            Column("delta_high", NUMBER, "95 % interval of delta, upper end"),
            Column("p_value", NUMBER, "two-sided, of the paired test"),
            Column("p_adjusted", NUMBER, "by Holm, over all comparisons of the frame"),
            Column("verdict", STRING, "baseline, better, worse or no evidence"),
            Column("wins", COUNT_OR_NONE, "queries it is better at than the baseline"),
            Column("ties", COUNT_OR_NONE, "queries both are equally good at"),
            Column("losses", COUNT_OR_NONE, "queries it is worse at"),
            Column("queries", INTEGER, "queries that count"),
            Column("judged", NUMBER, "share of the first 10 hits that has a judgment"),
            _P50_MS,
            _P95_MS,
            _TOKENS_SPENT,
            _USD,
            Column(
                "usd_per_1000",
                NUMBER,
                "cost of 1,000 such questions with nothing kept; missing: not known",
            ),
        ),
    ),
    Kind(
        "experiment_queries",
        "a query by variant and metric; then those that failed, with an error",
        (
            _QUERY,
            _QUERY_ID,
            _VARIANT,
            _METRIC,
            Column("value", NUMBER, "of this query"),
            Column("delta", NUMBER, "value less the baseline's"),
            Column("judged", NUMBER, "share of the first 10 hits that has a judgment"),
            Column("found", INTEGER, "hits"),
            Column("latency_ms", NUMBER, "from the question to the frame, ms"),
            _TOKENS_SPENT,
            _USD,
            _ERROR,
        ),
    ),
    Kind(
        "estimate_experiment",
        "a part of a variant's costs",
        (
            _VARIANT,
            Column("part", STRING, "index, questions or reranking"),
            Column("texts", INTEGER, "to be embedded, or read by the reranker"),
            Column("tokens", INTEGER, "of these, estimated"),
            Column("requests", INTEGER, "to the service, none repeated"),
            _USD,
            Column("seconds", NUMBER, "time it would take, s; missing: not known"),
            Column("assumption", STRING, "what the figures rest on"),
        ),
    ),
    Kind(
        "experiments",
        "an experiment, the latest first",
        (
            Column("experiment_id", STRING, "for nb.experiment_run(...)"),
            Column("started_at", INSTANT, "when it began, UTC"),
            Column("state", STRING, "running, done, interrupted, failed or damaged"),
            Column("variants", OBJECT, "tuple of names, the baseline first"),
            Column("queries", INTEGER, "queries asked"),
            Column("searches", INTEGER, "searches that were answered"),
            Column("judgments", INTEGER, "judged passages it was measured by"),
            _ORIGIN,
            Column("embedder", STRING, "what the index was made with"),
            _TOKENS_SPENT,
            _USD,
        ),
    ),
    Kind(
        "compare",
        "a hit of a variant, then what it lost of the baseline's hits",
        (
            _VARIANT,
            Column("rank", COUNT_OR_NONE, "missing where the variant lost it"),
            Column("baseline_rank", COUNT_OR_NONE, "missing where it is new"),
            Column("moved", COUNT_OR_NONE, "ranks up (below 0: down); missing: new"),
            _TITLE,
            _LIBRARY,
            _KIND,
            Column("score", NUMBER, "the variant's; missing where it lost the hit"),
            _CHUNK_ID,
            Column("overlap", NUMBER, "share of hits the variant and baseline share"),
            Column("rbo", NUMBER, "rank-biased overlap with the baseline, 0 to 1"),
        ),
    ),
    Kind(
        "recall_check",
        "a number of hits k (by ef)",
        (
            Column("k", INTEGER, "hits compared"),
            Column("ef", COUNT_OR_NONE, "breadth of the approximate search"),
            Column("queries", INTEGER, "queries asked"),
            Column("recall", NUMBER, "share of the exact hits that were found, mean"),
            Column("worst", NUMBER, "the same for the worst query"),
            Column("complete", INTEGER, "queries that lost no hit"),
            Column("p50_ms", NUMBER, "median time of a call, ms"),
            Column("exact_p50_ms", NUMBER, "the same, comparing with every vector"),
            Column("chunks", INTEGER, "passages"),
            Column("detail", STRING, "what that means"),
        ),
    ),
    Kind(
        "requests",
        "a call of a remote service, the latest first",
        (
            Column("started_at", INSTANT, "when it began, UTC"),
            _SERVICE,
            _OPERATION,
            Column("method", STRING, "HTTP method"),
            Column("host", STRING, "where it went"),
            Column("outcome", STRING, "ok, error or cancelled"),
            Column("status_code", COUNT_OR_NONE, "missing where no whole answer came"),
            Column("category", STRING, "what kind of error; missing where none"),
            _ERROR,
            Column("attempts", INTEGER, "requests sent; 0 where the cache answered"),
            Column(
                "refused", INTEGER, "unsent: an open breaker, a limit, no connection"
            ),
            Column("total_ms", NUMBER, "from the call to its answer, waits included"),
            Column("network_ms", NUMBER, "spent on the network, all attempts, ms"),
            Column("limiter_wait_ms", NUMBER, "waited for rate limits, ms"),
            Column("bulkhead_wait_ms", NUMBER, "waited for a free connection, ms"),
            Column("backoff_ms", NUMBER, "waited between attempts, ms"),
            Column("cache_tier", STRING, "memory, disk or redis; missing: not cached"),
            Column("was_coalesced", TRUTH, "whether another call's answer was taken"),
            Column("was_stale", TRUTH, "whether a cached answer was past its time"),
            Column("request_bytes", INTEGER, "bodies sent, bytes"),
            Column("response_bytes", INTEGER, "bodies received, bytes"),
            Column("tokens", INTEGER, "tokens charged"),
            _USD,
            Column("request_id", STRING, "sent as X-Request-ID"),
            Column("trace", OBJECT, "Trace: each attempt with its waits"),
        ),
    ),
    Kind(
        "metrics",
        "an operation of a service, by name",
        (
            _SERVICE,
            _OPERATION,
            Column("calls", INTEGER, "calls that ended in the window"),
            Column("ok", INTEGER, "of these, with an answer"),
            Column("errors", INTEGER, "of these, with an error"),
            Column("cancelled", INTEGER, "of these, cancelled"),
            Column("error_rate", NUMBER, "errors per call not cancelled; 0 to 1"),
            Column("errors_by_category", OBJECT, "dict of category to count"),
            Column("attempts", INTEGER, "requests sent, retries among them"),
            Column("refused", INTEGER, "refused unsent: by an open breaker, say"),
            Column("retries", INTEGER, "requests sent after a call's first one"),
            Column("cache_hits", INTEGER, "calls that the cache answered"),
            Column("coalesced", INTEGER, "calls that took another call's answer"),
            _P50_MS,
            _P95_MS,
            Column("p99_ms", NUMBER, "99 of 100 calls are quicker, ms"),
            Column("network_p50_ms", NUMBER, "median on the network, ms"),
            Column("network_p95_ms", NUMBER, "95th percentile on the network, ms"),
            Column("limiter_wait_seconds", NUMBER, "waited for rate limits, sum, s"),
            Column("bulkhead_wait_seconds", NUMBER, "waited for connections, sum, s"),
            Column("backoff_seconds", NUMBER, "waited between attempts, sum, s"),
            Column("calls_per_second", NUMBER, "throughput over the window"),
            Column("request_bytes", INTEGER, "bodies sent, bytes"),
            Column("response_bytes", INTEGER, "bodies received, bytes"),
            Column("tokens", INTEGER, "tokens charged"),
            _USD,
            Column("saved_tokens", INTEGER, "tokens that cached answers had cost"),
            Column("saved_usd", NUMBER, "US dollars that cached answers had cost"),
            Column("saved_seconds", NUMBER, "network time that the cache saved, s"),
        ),
    ),
    Kind(
        "alerts",
        "an alert, open ones first, then the latest",
        (
            _SERVICE,
            Column("kind", STRING, "what it watches"),
            Column("state", STRING, "open or closed"),
            Column(
                "own", TRUTH, "whether this session asked the service before its end"
            ),
            Column("value", NUMBER, "what was measured when it opened"),
            Column("threshold", NUMBER, "from which value on it opens"),
            Column("message", STRING, "one sentence"),
            Column("opened_at", INSTANT, "UTC"),
            Column("closed_at", INSTANT, "UTC; missing while it is open"),
        ),
    ),
    Kind(
        "limits",
        "a dimension of a rate limit, or a circuit breaker",
        (
            _SERVICE,
            Column("kind", STRING, "requests, tokens or breaker"),
            Column(
                "key", STRING, "account, shortened; a breaker's host; may be missing"
            ),
            Column("model", STRING, "missing where the limit is not of one model"),
            Column("state", STRING, "free, waiting or paused; closed, open, half_open"),
            Column("limit_per_minute", NUMBER, "missing for a breaker"),
            Column("burst", NUMBER, "admitted at once at most"),
            Column("available", NUMBER, "admitted at once now"),
            Column("waiting", INTEGER, "calls that wait"),
            Column("waited_seconds", NUMBER, "waited so far, sum, s"),
            Column("granted", INTEGER, "calls admitted; calls in a breaker's window"),
            Column("refused", INTEGER, "calls refused; failures in the window"),
            Column("paused_seconds", NUMBER, "until it goes on, s"),
            Column("store", STRING, "local; reached or away: one that kernels share"),
        ),
    ),
    Kind(
        "cache_stats",
        "a tier of a cache, the nearest first",
        (
            Column("cache", STRING, "answers or embeddings"),
            Column("tier", STRING, "memory, disk or redis"),
            Column("lookups", INTEGER, "asked of this tier"),
            Column("hits", INTEGER, "of these, found and fresh"),
            Column("misses", INTEGER, "of these, not found"),
            Column("hit_rate", NUMBER, "hits per lookup; missing without lookups"),
            Column("stale", INTEGER, "lookups answered past their time"),
            Column("expired", INTEGER, "lookups that found it past its time"),
            Column("coalesced", INTEGER, "calls that waited for another's fetch"),
            Column("evictions", INTEGER, "entries dropped for want of room"),
            Column("errors", INTEGER, "failures of the tier; none failed a call"),
            Column("entries", COUNT_OR_NONE, "entries now; missing where unknown"),
            Column("stored_bytes", COUNT_OR_NONE, "bytes now; missing where unknown"),
            Column("budget_bytes", COUNT_OR_NONE, "bytes at most; missing: no bound"),
            Column("saved_seconds", NUMBER, "network time saved, s"),
            Column("saved_tokens", INTEGER, "tokens saved"),
            Column("saved_usd", NUMBER, "US dollars saved"),
        ),
    ),
)
KINDS = {kind.name: kind for kind in _ALL}


def kind_of(columns: Iterable[str]) -> str | None:
    """Return the kind of frame that has exactly these columns, or None.

    Parameters
    ----------
    columns : iterable of str
        All names of a frame, ``frame.columns`` say; their order counts.

    Returns
    -------
    str or None
        A key of `KINDS`.

    Examples
    --------
    >>> kind_of(["a", "b", "cosine"])
    'similarity'
    """
    names = tuple(columns)
    return next((kind.name for kind in _ALL if kind.names == names), None)
