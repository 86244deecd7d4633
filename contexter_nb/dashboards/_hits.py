"""Hits as a view shows them, live and still: plain values made of a frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contexter_nb.notebook import marked_runs, safe_url

if TYPE_CHECKING:
    import pandas as pd

TEXT_CHARS = 4_000
ALIASES_SHOWN = 3
# What rank r counts in the fusion is 1 / (20 + r): the bars say so, too.
_RRF_K = 20
_SIGNATURE = re.compile(r"\w[\w.]*\([^\n]*\)(?: -> [^\n]*)?")
_PART_NAMES = {"dense_rank": "meaning", "text_rank": "words"}
# Controls but tab and line feed; what turns the direction of text around.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: object) -> str:
    """Return fetched text with a sign for each character that cannot be seen."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", str(text))


def web_url(url: str) -> str:
    """Return a URL that leads to a page, or nothing.

    Examples
    --------
    >>> web_url("https://pandas.pydata.org"), web_url("javascript:alert(1)")
    ('https://pandas.pydata.org', '')
    """
    good = safe_url(url)
    return good if good.lower().startswith(("http://", "https://")) else ""


def hit_values(hits: pd.DataFrame, query: str, mode: str) -> list[dict[str, Any]]:
    """Return the rows of a search as a browser takes them.

    Parameters
    ----------
    hits : pandas.DataFrame
        The columns of `search`.
    query : str
        Its words are marked.
    mode : str
        ``dense`` scores are cosines; others only compare with the first hit's.

    Returns
    -------
    list of dict
        id, rank, title and text (in runs, see `marked_runs`), url (http, https or
        nothing), library, version, kind, also, signature (of a callable), score (text),
        share (0 to 1) and parts: for each part of the search its name, rank (or None)
        and share.
    """
    records: list[dict[Any, Any]] = hits.to_dict("records")
    best = max((float(each["score"]) for each in records), default=0.0)
    columns = [name for name in hits.columns if str(name).endswith("_rank")]
    shown = [name for name in columns if hits[name].notna().any()]
    return [
        _hit(each, query, best if mode != "dense" else 1.0, shown) for each in records
    ]


def _hit(
    each: Mapping[Any, Any], query: str, best: float, shown: Sequence[str]
) -> dict[str, Any]:
    signature, text = split_signature(_cut(plain(each["text"])))
    return {
        "id": str(each["chunk_id"]),
        "rank": int(each["rank"]),
        "title": marked_runs(plain(each["title"]), query),
        "url": web_url(str(each["url"])),
        "library": plain(each["library"]),
        "version": plain(each["version"]),
        "kind": plain(each["kind"]),
        "also": _also(each["aliases"]),
        "signature": signature,
        "text": marked_runs(text, query),
        "score": f"{each['score']:.3f}",
        "share": _share(float(each["score"]), best),
        "parts": [_part(name, each[name]) for name in shown],
    }


def split_signature(text: str) -> tuple[str, str]:
    r"""Return the signature that a passage begins with, or nothing, and the rest.

    Examples
    --------
    >>> split_signature("dedent(text)\n\nRemove common white space.")
    ('dedent(text)', 'Remove common white space.')
    """
    first, gap, rest = text.partition("\n\n")
    line = " ".join(first.split())
    if gap and rest.strip() and _SIGNATURE.fullmatch(line):
        return line, rest.lstrip("\n")
    return "", text


def _part(column: str, rank: Any) -> list[Any]:
    name = _PART_NAMES.get(column, column.removesuffix("_rank").replace("_", " "))
    if not isinstance(rank, int):
        return [name, None, 0.0]
    return [name, rank, round((_RRF_K + 1) / (_RRF_K + rank), 3)]


def _share(score: float, best: float) -> float:
    return round(min(max(score / best, 0.0), 1.0), 3) if best > 0 else 0.0


def _also(aliases: object) -> str:
    names = [plain(each) for each in aliases] if isinstance(aliases, tuple) else []
    more = len(names) - ALIASES_SHOWN
    shown = ", ".join(names[:ALIASES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS else text[:TEXT_CHARS].rstrip() + " …"


def with_moves(
    hits: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return hits with ``was``: the rank among `others`, None where it was not there.

    Examples
    --------
    >>> with_moves([{"id": "a"}, {"id": "b"}], [{"id": "b", "rank": 1}])
    [{'id': 'a', 'was': None}, {'id': 'b', 'was': 1}]
    """
    ranks = {each["id"]: each["rank"] for each in others}
    return [{**each, "was": ranks.get(each["id"])} for each in hits]


def overlap(
    hits: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> int:
    """Return how many hits two lists have in common."""
    return len({each["id"] for each in hits} & {each["id"] for each in others})
