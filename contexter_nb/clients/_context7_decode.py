"""Decoded answers of both versions become values, or a typed error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from contexter_nb.clients._context7_answers import Library, Snippet
from contexter_nb.core import APIResponse, DecodingError, type_in_words

BYTES_PER_TOKEN = 4
_TEXT_FIELDS = ("content", "documentation", "text")
_SNIPPET_FIELDS = ("codeSnippets", "infoSnippets")


def documentation_of(response: APIResponse) -> tuple[str, tuple[Snippet, ...]]:
    """Return the documentation as text and, where it came so, in pieces.

    Decoded by what came rather than by what was asked for: a service may answer text to
    who asked for JSON.

    Parameters
    ----------
    response : APIResponse

    Raises
    ------
    DecodingError
        It is no documentation.
    """
    data = response.data
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise _strange(response, "bytes that are no text") from exc
    if data is None:
        return "", ()
    if isinstance(data, str):
        return (data if data.strip() else ""), ()
    if not isinstance(data, Mapping):
        raise _strange(response, type_in_words(data))
    if any(isinstance(data.get(name), list) for name in _SNIPPET_FIELDS):
        snippets = tuple(_snippets(data))
        return "\n\n".join(map(rendered, snippets)), snippets
    for name in _TEXT_FIELDS:
        if isinstance(data.get(name), str):
            return (data[name] if data[name].strip() else ""), ()
    raise _strange(response, "JSON without snippets")


def libraries_of(response: APIResponse) -> tuple[Library, ...]:
    """Return the libraries of a search, in the service's order.

    Parameters
    ----------
    response : APIResponse

    Raises
    ------
    DecodingError
        It is no list of libraries.
    """
    rows = response.data
    if isinstance(rows, Mapping):
        rows = next(
            (rows[name] for name in ("results", "libraries") if name in rows), None
        )
    if not isinstance(rows, list):
        raise _strange(response, "no list of libraries")
    found = [library_of(row) for row in rows]
    return tuple(each for each in found if each is not None)


def library_of(row: object) -> Library | None:
    """Return one library, or None where a row is none.

    Parameters
    ----------
    row : object
        As decoded; ``-1`` stands for what the service does not know.
    """
    if not isinstance(row, Mapping):
        return None
    id_ = row.get("id")
    if not isinstance(id_, str) or not id_:
        return None
    versions = row.get("versions")
    return Library(
        id=id_,
        name=_text(row, "title") or _text(row, "name") or id_.strip("/"),
        description=_text(row, "description"),
        versions=(
            tuple(each for each in versions if isinstance(each, str))
            if isinstance(versions, list)
            else ()
        ),
        state=_text(row, "state"),
        branch=_text(row, "branch"),
        snippets=_count(row, "totalSnippets"),
        tokens=_count(row, "totalTokens"),
        stars=_count(row, "stars"),
        trust_score=_number(row, "trustScore"),
        benchmark_score=_number(row, "benchmarkScore"),
        updated_at=_instant(_text(row, "lastUpdateDate")),
    )


def rendered(snippet: Snippet) -> str:
    """Return a snippet as Markdown: title, source, text, fenced code.

    Parameters
    ----------
    snippet : Snippet
    """
    parts = [f"### {' '.join(snippet.title.split())}"] if snippet.title else []
    if snippet.url:
        parts.append(f"Source: {snippet.url}")
    return "\n\n".join([*parts, snippet.markdown])


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has: a quarter of its bytes, rounded up.

    Parameters
    ----------
    text : str
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    return math.ceil(size / BYTES_PER_TOKEN)


def _snippets(data: Mapping[str, Any]) -> Iterator[Snippet]:
    for row in _rows(data, "codeSnippets"):
        yield from _code_snippets(row)
    for row in _rows(data, "infoSnippets"):
        text = _text(row, "content")
        if text.strip():
            yield Snippet(
                kind="info",
                title=_text(row, "breadcrumb") or _text(row, "pageTitle"),
                text=text,
                url=_url(_text(row, "pageId")),
                tokens=_count(row, "contentTokens") or estimated_tokens(text),
            )


def _code_snippets(row: Mapping[str, Any]) -> Iterator[Snippet]:
    """Yield an example, one for each language that it is given in."""
    by_language: dict[str, list[str]] = {}
    for each in _rows(row, "codeList"):
        code = _text(each, "code")
        if code.strip():
            language = _text(each, "language") or _text(row, "codeLanguage")
            by_language.setdefault(language, []).append(code)
    text = _text(row, "codeDescription")
    if not by_language:
        if not text.strip():
            return
        by_language[_text(row, "codeLanguage")] = []
    codes = {name: "\n\n".join(parts) for name, parts in by_language.items()}
    counted = _count(row, "codeTokens")
    for at, (language, code) in enumerate(codes.items()):
        said = text if at == 0 else ""
        estimated = estimated_tokens(said + code)
        yield Snippet(
            kind="code",
            title=_text(row, "codeTitle") or _text(row, "pageTitle"),
            text=said,
            code=code,
            language=language,
            url=_url(_text(row, "codeId")),
            tokens=counted if counted and len(codes) == 1 else estimated,
        )


def _rows(data: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    rows = data.get(name)
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            yield row


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value >= 0 else None


def _count(row: Mapping[str, Any], name: str) -> int | None:
    number = _number(row, name)
    return None if number is None or not math.isfinite(number) else int(number)


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _url(text: str) -> str:
    return text if text.startswith(("https://", "http://")) else ""


def _strange(response: APIResponse, what: str) -> DecodingError:
    return DecodingError(
        f"{response.service} answered {what} to {response.operation!r}; check the base "
        "URL and the version.",
        service=response.service,
        operation=response.operation,
        request_id=response.request_id,
        trace=response.trace,
    )
