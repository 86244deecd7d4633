"""What the retrieval room answers, as the records of a frame."""

from __future__ import annotations

from collections.abc import Sequence

from contexter_nb.clients import Library
from contexter_nb.retrieval import (
    FIELDS,
    Chunk,
    Explanation,
    Hit,
    IndexedLibrary,
    IndexReport,
    Installed,
    PartRank,
    Problem,
)


def installed_record(
    found: Installed, indexed: IndexedLibrary | None
) -> dict[str, object]:
    """Return what is installed here as a row of `libraries`."""
    return {
        "library": found.library,
        "version": found.version,
        "source": found.source,
        "indexed_version": indexed.version if indexed is not None else None,
        "versions": (found.version,) if found.version else (),
        "modules": found.modules,
        "size_bytes": found.size_bytes,
        "import_names": found.import_names,
        "summary": found.summary,
    }


def context7_record(
    found: Library, indexed: IndexedLibrary | None
) -> dict[str, object]:
    """Return what Context7 knows as a row of `libraries`."""
    facts = [found.name, found.description]
    if not found.is_ready:
        facts.append(f"({found.state})")
    return {
        "library": found.id,
        "version": "",
        "source": "context7",
        "indexed_version": indexed.version if indexed is not None else None,
        "versions": found.versions,
        "modules": None,
        "size_bytes": None,
        "import_names": (),
        "summary": ": ".join(each for each in facts[:2] if each)
        + "".join(f" {each}" for each in facts[2:]),
    }


def context7_problem_record(query: str, error: str) -> dict[str, object]:
    """Return why Context7 could not be asked as a row of `libraries`."""
    return {
        "library": query,
        "version": "",
        "source": "context7",
        "versions": (),
        "import_names": (),
        "summary": "",
        "error": error,
    }


def chunk_record(chunk: Chunk) -> dict[str, object]:
    """Return a passage as a row of `docs`."""
    return {
        "library": chunk.library,
        "version": chunk.version,
        "source": chunk.source,
        "title": chunk.title,
        "aliases": chunk.aliases,
        "kind": chunk.kind,
        "section": chunk.section,
        "text": chunk.text,
        "tokens": chunk.token_count,
        "url": chunk.url,
        "chunk_id": chunk.chunk_id,
        "fields": dict(chunk.fields),
    }


def problem_record(problem: Problem, source: str) -> dict[str, object]:
    """Return a problem as a row of `docs`."""
    return {
        "library": problem.library,
        "version": problem.version,
        "source": source,
        "title": problem.title,
        "aliases": (),
        "kind": "",
        "section": "",
        "text": "",
        "tokens": 0,
        "url": "",
        "chunk_id": "",
        "fields": {},
        "error": problem.error,
    }


def report_records(report: IndexReport) -> list[dict[str, object]]:
    """Return a report as rows of `index`: the library, then its problems."""
    numbers = {
        "documents": report.documents,
        "chunks": report.chunks,
        "new": report.new,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": report.failed,
        "embedded": report.embedded,
        "tokens": report.tokens,
        "usd": report.usd,
        "seconds": round(report.seconds, 3),
    }
    none = dict.fromkeys(numbers, 0)
    who = {"library": report.library, "version": report.version}
    return [
        {**who, **numbers, "error": report.stopped},
        *(
            {**who, **none, "document": each.title, "error": each.error}
            for each in report.problems
        ),
    ]


def hit_records(hits: Sequence[Hit]) -> list[dict[str, object]]:
    """Return hits as rows of `search`."""
    return [
        {
            "rank": rank,
            "score": hit.score,
            "library": hit.payload["library"],
            "version": hit.payload["version"],
            "title": hit.payload["title"],
            "aliases": (*hit.payload["aliases"], *hit.folded),
            "kind": hit.payload["kind"],
            "text": hit.payload["text"],
            "dense_rank": hit.ranks.get("dense"),
            "text_rank": hit.ranks.get("text"),
            "url": hit.payload["url"],
            "chunk_id": hit.chunk_id,
            "fields": hit.payload.get(FIELDS, {}),
        }
        for rank, hit in enumerate(hits, start=1)
    ]


def note(part: PartRank, answer: Explanation) -> str:
    """Return why a passage stands where it does in one part."""
    if answer.filtered_out:
        return "the filter excludes it"
    found = part.found
    words = {
        "dense": f"of {found:,} documents by meaning",
        "text": f"of {found:,} documents with one of the words",
        "terms": f"of {found:,} candidates, each query term with the nearest term",
        "hybrid": f"of {found:,} fused candidates",
    }[part.part]
    if part.part == "text":
        parts = [f"has {', '.join(answer.matched) or 'no word of the query'}"]
        if answer.synonyms:
            parts.append(f"for it {', '.join(answer.synonyms)}")
        if answer.missing:
            parts.append(f"lacks {', '.join(answer.missing)}")
        return "; ".join([*parts, words])
    if part.rank is None:
        return f"not among the {found:,} candidates of dense and text"
    return words


def state(indexed: IndexedLibrary, installed: str | None) -> str:
    """Return whether what is indexed is what is installed."""
    if indexed.source == "context7":
        return "in part"
    if not indexed.fingerprint:
        return "incomplete"
    if indexed.source in ("folder", "frame"):
        return "current"
    if installed is None:
        return "not installed"
    return "current" if installed == indexed.version else "outdated"


def removed_record(library: IndexedLibrary, left: int) -> dict[str, object]:
    """Return what a library lost as a row of `remove`."""
    return {
        "library": library.library,
        "version": library.version,
        "removed": library.chunks - left,
        "chunks": left,
    }


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "library", "libraries"), counted(2_000, "passage")
    ('1 library', '2,000 passages')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
