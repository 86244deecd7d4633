"""What Voyage answers: embeddings, contextualized embeddings, reranking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from contexter_nb.core import Headers
from contexter_nb.sandbox._service import Reply, Request
from contexter_nb.sandbox._voyage_fields import (
    Fields,
    RefusedError,
    check_batch,
    fitted,
    texts_of,
)
from contexter_nb.sandbox._voyage_models import (
    CONTEXT_MODELS,
    EMBEDDING_MODELS,
    MAX_CHUNKS,
    MAX_TEXTS,
    RERANK_TOKENS,
    RERANKERS,
)

if TYPE_CHECKING:
    from contexter_nb.sandbox._voyage_vectors import Read

_SLICE_TEXTS = 128
_CHUNK_TOKENS = 512
_CHUNKER = "sandbox-1"
_TYPES = ("query", "document")
_SHARED = ("model", "input_type", "output_dimension", "output_dtype", "encoding_format")


async def embeddings(request: Request, _: Mapping[str, str]) -> Reply:
    fields = Fields(_json(request), ("input", "truncation", *_SHARED))
    model = fields.model(EMBEDDING_MODELS)
    given = fields.required("input")
    texts = texts_of([given] if isinstance(given, str) else given, "input", MAX_TEXTS)
    known = EMBEDDING_MODELS[model]
    output = _output(fields, known.dimensions, model)
    truncation = fields.flag("truncation", True)
    read = await _read(texts, request.knobs.vectors)
    counts = fitted(read.counts, known.context_tokens, model, truncation=truncation)
    check_batch(model, known.batch_tokens, sum(counts), request.take_tokens)
    rows = await _rows(texts, read, counts, output, known.space)
    listed = [_row(index, row) for index, row in enumerate(rows)]
    return _listed(listed, model, sum(counts))


async def contextualized_embeddings(request: Request, _: Mapping[str, str]) -> Reply:
    extra = ("inputs", "enable_auto_chunking", "chunk_size", "chunk_overlap")
    fields = Fields(_json(request), (*extra, *_SHARED))
    model = fields.model(CONTEXT_MODELS)
    known = CONTEXT_MODELS[model]
    output = _output(fields, known.dimensions, model)
    automatic = fields.flag("enable_auto_chunking", False)
    documents = _documents(fields, output["input_type"], automatic)
    if automatic:
        size, overlap = _chunk_size(fields)
        documents = [await _chunks(each[0], size, overlap) for each in documents]
    texts = [text for each in documents for text in each]
    if len(texts) > MAX_CHUNKS:
        raise RefusedError(400, f"There are {len(texts)} chunks; at most 16000.")
    read = await _read(texts, request.knobs.vectors)
    sizes = [len(each) for each in documents]
    lengths = [sum(counts) for counts in _grouped(read.counts, sizes)]
    fitted(lengths, known.context_tokens, model, truncation=False)
    total = sum(read.counts)
    check_batch(model, known.batch_tokens, total, request.take_tokens)
    rows = await _rows(texts, read, read.counts, output, known.space, sizes=sizes)
    shown = texts if automatic else [None] * len(texts)
    paired = list(zip(rows, shown, strict=True))
    listed = [
        {
            "object": "list",
            "index": index,
            "data": [
                _row(at, row) | ({} if text is None else {"text": text})
                for at, (row, text) in enumerate(group)
            ],
        }
        for index, group in enumerate(_grouped(paired, sizes))
    ]
    more = {"chunker_version": _CHUNKER} if automatic else {}
    return _listed(listed, model, total, **more)


async def reranking(request: Request, _: Mapping[str, str]) -> Reply:
    extra = ("query", "documents", "top_k", "return_documents", "truncation")
    fields = Fields(_json(request), ("model", *extra))
    model = fields.model(RERANKERS)
    query = texts_of([fields.required("query")], "query", 1)
    documents = texts_of(fields.required("documents"), "documents", MAX_TEXTS)
    top = fields.whole("top_k", 1) or len(documents)
    shows = fields.flag("return_documents", False)
    truncation = fields.flag("truncation", True)
    read = await _read([*query, *documents], request.knobs.vectors)
    known = RERANKERS[model]
    asked = fitted(read.counts[:1], known.query_tokens, model, truncation=truncation)
    most = known.pair_tokens - asked[0]
    counts = fitted(read.counts[1:], most, model, truncation=truncation)
    total = asked[0] * len(documents) + sum(counts)
    check_batch(model, RERANK_TOKENS, total, request.take_tokens)
    scores = await _scores([*query, *documents], read, [*asked, *counts])
    order = sorted(range(len(documents)), key=lambda at: (-scores[at], at))[:top]
    listed = [
        {"index": at, "relevance_score": scores[at]}
        | ({"document": documents[at]} if shows else {})
        for at in order
    ]
    return _listed(listed, model, total)


async def _read(texts: Sequence[str], kind: str) -> Read:
    """Return the tokens of texts, in slices off the loop."""
    made = await asyncio.to_thread(_vectors)
    counts, ids = [], []
    for start in range(0, len(texts), _SLICE_TEXTS):
        part = texts[start : start + _SLICE_TEXTS]
        read = await made.in_thread(made.read, part, kind)
        counts += read.counts
        ids += read.ids
    whole: Read = made.Read(counts=counts, ids=ids)
    return whole


async def _rows(
    texts: Sequence[str],
    read: Read,
    counts: Sequence[int],
    output: Mapping[str, Any],
    space: str,
    sizes: Sequence[int] = (),
) -> list[Any]:
    """Return the vectors as JSON carries them."""

    def work() -> list[Any]:
        made = _vectors()
        vectors = made.base(texts, read, counts)
        if sizes:
            vectors = made.in_contexts(vectors, counts, sizes)
        vectors = made.prompted(vectors, output["input_type"])
        vectors = made.widened(vectors, output["dimension"], space)
        numbers = made.quantized(vectors, output["dtype"])
        written: list[Any] = made.written(numbers, output["encoding"])
        return written

    rows: list[Any] = await _vectors().in_thread(work)
    return rows


async def _scores(
    texts: Sequence[str], read: Read, counts: Sequence[int]
) -> list[float]:
    """Return how near each text but the first is to the first, from 0 to 1."""
    made = _vectors()
    vectors = await made.in_thread(made.base, texts, read, counts)
    cosines = vectors[1:] @ vectors[0]
    return [round((1.0 + float(each)) / 2.0, 8) for each in cosines]


async def _chunks(text: str, size: int, overlap: int) -> list[str]:
    """Return a document cut into chunks of `size` tokens."""
    made = await asyncio.to_thread(_vectors)
    spans = await made.in_thread(made.spans, text)
    starts = range(0, max(1, len(spans) - overlap), size - overlap)
    cuts = [spans[start : start + size] for start in starts]
    chunks = [text[cut[0][0] : cut[-1][1]].strip() for cut in cuts if cut]
    return [chunk for chunk in chunks if chunk] or [text]


def _vectors() -> Any:
    # Not with the room: numpy and the model take longer than a sandbox to start.
    from contexter_nb.sandbox import _voyage_vectors

    return _voyage_vectors


def _json(request: Request) -> Any:
    try:
        return request.json()
    except ValueError as error:
        raise RefusedError(400, "The body is no valid JSON.") from error


def _output(fields: Fields, dimensions: Sequence[int], model: str) -> dict[str, Any]:
    """Return how the vectors are wanted."""
    return {
        "input_type": fields.one_of("input_type", _TYPES),
        "dimension": fields.dimension(dimensions, model),
        "dtype": fields.dtype(dimensions, model),
        "encoding": fields.one_of("encoding_format", ("base64",)),
    }


def _documents(
    fields: Fields, input_type: str | None, automatic: bool
) -> list[list[str]]:
    """Return the inputs as documents of chunks; a flat list only where it is clear."""
    given = fields.required("inputs")
    if automatic and input_type != "document":
        raise RefusedError(
            400, "Argument 'enable_auto_chunking' needs input_type 'document'."
        )
    is_flat = isinstance(given, list) and any(isinstance(each, str) for each in given)
    if is_flat:
        texts = texts_of(given, "inputs", MAX_TEXTS)
        if input_type != "query" and not automatic:
            raise RefusedError(
                400,
                "A flat list of 'inputs' is for queries, or for documents with "
                "enable_auto_chunking; give a list of lists.",
            )
        return [[text] for text in texts]
    if not isinstance(given, list) or not given or len(given) > MAX_TEXTS:
        raise RefusedError(400, f"Argument 'inputs' must hold 1 to {MAX_TEXTS} lists.")
    documents = [texts_of(each, "inputs", MAX_CHUNKS) for each in given]
    if (automatic or input_type == "query") and any(
        len(each) > 1 for each in documents
    ):
        raise RefusedError(
            400, "Each of 'inputs' must have one text here, a whole query or document."
        )
    return documents


def _chunk_size(fields: Fields) -> tuple[int, int]:
    size = fields.whole("chunk_size", 1)
    overlap = fields.whole("chunk_overlap", 0)
    if overlap is not None and (size is None or overlap >= size):
        raise RefusedError(
            400, "Argument 'chunk_overlap' needs a 'chunk_size' that is larger."
        )
    return size or _CHUNK_TOKENS, overlap or 0


def _grouped(items: Sequence[Any], sizes: Sequence[int]) -> list[Sequence[Any]]:
    """Return the items of one document after the other.

    >>> _grouped("abc", [2, 1])
    ['ab', 'c']
    """
    groups, start = [], 0
    for size in sizes:
        groups.append(items[start : start + size])
        start += size
    return groups


def _row(index: int, embedding: Any) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


def _listed(data: list[Any], model: str, tokens: int, **more: str) -> Reply:
    body = {
        "object": "list",
        "data": data,
        "model": model,
        **more,
        "usage": {"total_tokens": tokens},
    }
    # Twenty times as fast as the standard library where there are many numbers.
    fields = Headers({"Content-Type": "application/json"})
    return Reply(body=msgspec.json.encode(body), headers=fields)
