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
_SOURCE = Column("source", STRING, "installed, stdlib, folder or frame")
_TITLE = Column("title", STRING, "dotted public name, or a page's heading path")
_ALIASES = Column("aliases", OBJECT, "tuple of the other names it is found under")
_KIND = Column(
    "kind", STRING, "module class function method property attribute page row"
)
_TEXT = Column("text", STRING, "the passage")
_TOKENS = Column("tokens", INTEGER, "length of what is embedded, in tokens")
_URL = Column("url", STRING, "where to read it; empty where unknown")
_CHUNK_ID = Column("chunk_id", STRING, "16 hexadecimal digits, stable")
_CHUNKS = Column("chunks", INTEGER, "passages")
_DOCUMENTS = Column("documents", INTEGER, "documented objects, pages or rows")
_USD = Column("usd", NUMBER, "cost, US dollars")
_SECONDS = Column("seconds", NUMBER, "time it took, s")
_SERVICE = Column("service", STRING, "short name of the service")
_OPERATION = Column("operation", STRING, "what was asked of it")
_ERROR = Column("error", STRING, "what went wrong; missing where nothing did")

_ALL = (
    Kind(
        "status",
        "a service",
        (
            Column("service", STRING, "embedder, index, cache or bridge"),
            Column("mode", STRING, "embedded, local server, remote, or closed"),
            Column("healthy", TRUTH, "whether it just answered"),
            Column("latency_ms", NUMBER, "time of that answer, ms"),
            Column("detail", STRING, "what it is and what may be done"),
        ),
    ),
    Kind(
        "libraries",
        "something that can be indexed by name, distributions first",
        (
            _LIBRARY,
            _VERSION,
            _SOURCE,
            Column("indexed_version", STRING, "missing where it is not indexed"),
            Column("modules", INTEGER, "Python modules, counted without importing"),
            Column("size_bytes", INTEGER, "size of its files, bytes"),
            Column("import_names", OBJECT, "tuple of top-level import names"),
            Column("summary", STRING, "one line about it"),
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
            Column("attempts", INTEGER, "requests sent"),
            Column("refused", INTEGER, "refused unsent: by an open breaker, say"),
            Column("retries", INTEGER, "of these, repeated"),
            Column("cache_hits", INTEGER, "calls that the cache answered"),
            Column("coalesced", INTEGER, "calls that took another call's answer"),
            Column("p50_ms", NUMBER, "median time of a call, ms"),
            Column("p95_ms", NUMBER, "95 of 100 calls are quicker, ms"),
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
            Column("key", STRING, "whose limit; the host of a breaker; may be missing"),
            Column("state", STRING, "free, waiting or paused; closed, open, half_open"),
            Column("limit_per_minute", NUMBER, "missing for a breaker"),
            Column("burst", NUMBER, "admitted at once at most"),
            Column("available", NUMBER, "admitted at once now"),
            Column("waiting", INTEGER, "calls that wait"),
            Column("waited_seconds", NUMBER, "waited so far, sum, s"),
            Column("granted", INTEGER, "calls admitted; calls in a breaker's window"),
            Column("refused", INTEGER, "calls refused; failures in the window"),
            Column("paused_seconds", NUMBER, "until it goes on, s"),
            Column("store", STRING, "local, or with whom the limit is shared"),
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
            Column("stale", INTEGER, "of these, given past their time"),
            Column("expired", INTEGER, "of these, past their time"),
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
