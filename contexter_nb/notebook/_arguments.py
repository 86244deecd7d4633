"""Arguments of the verbs, checked before anything is done: one sentence for each."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contexter_nb.core import (
    Clock,
    InvalidArgumentError,
    UnknownLibraryError,
    did_you_mean,
    type_in_words,
)
from contexter_nb.notebook._tables import is_frame, rows_source
from contexter_nb.retrieval import (
    LEAST_BUDGET_TOKENS,
    MARKUP_BY_ENDING,
    MAX_LIMIT,
    MODES,
    MOST_BUDGET_TOKENS,
    Catalog,
    Condition,
    EmbeddedIndex,
    FolderSource,
    Source,
    library_source,
    repair,
)

if TYPE_CHECKING:
    pass

MAX_QUERY_CHARS = 10_000
MAX_EF = 10_000
_NAMED_COLUMNS = ("kind", "library", "section", "source", "title", "version")
_LISTED_VALUES = 12
_LISTED_CHARS = 200
_SOURCES = ("installed", "stdlib", "folder", "frame", "context7")
# As `contexter_nb.clients` takes it: "/owner/name", "/owner/name/tag" or "@tag".
_CONTEXT7_ID = re.compile(r"/[^/\s]+/[^/\s]+(?:/[^/\s]+)?")


def check_query(query: object) -> str:
    """Return a query's text, or raise where there is nothing to search for."""
    if not isinstance(query, str):
        raise InvalidArgumentError(
            f"query is {type(query).__name__}; give a question as text."
        )
    if not query.strip():
        raise InvalidArgumentError(
            'query is empty; ask something, as nb.search("join two tables").'
        )
    if len(query) > MAX_QUERY_CHARS:
        raise InvalidArgumentError(
            f"query has {len(query):,} characters; ask in at most {MAX_QUERY_CHARS:,}."
        )
    return query.encode("utf-8", "replace").decode("utf-8").strip()


def check_limit(limit: object, name: str = "limit") -> int:
    """Return how many rows are wanted; `name` is what the verb calls it."""
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)):
        raise InvalidArgumentError(
            f"{name} is {limit!r}; give a whole number from 1 to {MAX_LIMIT:,}."
        )
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidArgumentError(
            f"{name} is {limit:,}; give a number from 1 to {MAX_LIMIT:,}."
        )
    return int(limit)


def check_ef(ef: object) -> int:
    """Return how many candidates an approximate index keeps in view."""
    breadth = check_count("ef", ef)
    if breadth > MAX_EF:
        raise InvalidArgumentError(f"ef is {breadth:,}; give at most {MAX_EF:,}.")
    return breadth


def check_breadth(ef: object, index: object) -> dict[str, int]:
    """Return the breadth of an approximate search as an index takes it."""
    if ef is None:
        return {}
    breadth = check_ef(ef)
    if not isinstance(index, EmbeddedIndex):
        raise InvalidArgumentError(
            "ef can be set for an embedded index only; leave it out, the server has "
            "its own."
        )
    return {"ef": breadth}


def check_count(name: str, value: object) -> int:
    """Return a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidArgumentError(
            f"{name} is {value!r}; give a whole number from 1 on."
        )
    return int(value)


def check_chunk_tokens(chunk_tokens: object) -> int:
    """Return how many tokens a passage may have."""
    whole = isinstance(chunk_tokens, (int, np.integer))
    if (
        isinstance(chunk_tokens, bool)
        or not whole
        or not LEAST_BUDGET_TOKENS <= int(chunk_tokens) <= MOST_BUDGET_TOKENS  # type: ignore[call-overload]  # whole
    ):
        raise InvalidArgumentError(
            f"chunk_tokens is {chunk_tokens!r}; give a whole number from "
            f"{LEAST_BUDGET_TOKENS} to {MOST_BUDGET_TOKENS:,}."
        )
    return int(chunk_tokens)  # type: ignore[call-overload, no-any-return]  # whole


def check_seconds(name: str, value: object, at_most: float) -> float:
    """Return a time above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InvalidArgumentError(f"{name} is {value!r}; give seconds.")
    if not 0 < value <= at_most:
        raise InvalidArgumentError(
            f"{name} is {value}; give seconds above 0, at most {at_most:,g}."
        )
    return float(value)


def check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return a value that must be one of some words."""
    if value not in choices:
        listed = ", ".join(repr(each) for each in choices)
        raise InvalidArgumentError(
            f"{name} is {value!r}; use one of {listed}."
            f"{did_you_mean(str(value), choices)}"
        )
    return str(value)


def check_mode(mode: object) -> str:
    """Return how to search."""
    return check_choice("mode", mode, MODES)


def check_weights(weights: object) -> None:
    """Refuse weights of a search that are no mapping of part to number."""
    if weights is not None and not isinstance(weights, Mapping):
        raise InvalidArgumentError(
            f"weights is {type(weights).__name__}; give a mapping of part to number."
        )
    for part, weight in (weights or {}).items():
        check_choice("a part in weights", part, ("dense", "text", "terms"))
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise InvalidArgumentError(f"weights[{part!r}] is {weight!r}, no number.")
        if not 0 <= weight <= 100:
            raise InvalidArgumentError(
                f"weights[{part!r}] is {weight}; give a number from 0 to 100."
            )


def check_texts(name: str, texts: object) -> list[str]:
    """Return one or several texts as a list."""
    if isinstance(texts, str):
        if not texts.strip():
            raise InvalidArgumentError(f"{name} is empty; give a text.")
        return [texts.encode("utf-8", "replace").decode("utf-8")]
    if not isinstance(texts, Iterable):
        raise InvalidArgumentError(
            f"{name} is {type(texts).__name__}; give a text or several."
        )
    found = list(texts)
    for at, text in enumerate(found):
        if not isinstance(text, str):
            raise InvalidArgumentError(
                f"{name}[{at}] is {type(text).__name__}; every one must be text."
            )
        if not text.strip():
            raise InvalidArgumentError(f"{name}[{at}] is empty; leave empty texts out.")
    return [text.encode("utf-8", "replace").decode("utf-8") for text in found]


def check_libraries(conditions: Sequence[Condition], catalog: Catalog | None) -> None:
    """Refuse a filter on a library that is not indexed: it would find nothing."""
    known = catalog.libraries if catalog else {}
    for condition in conditions:
        if condition.column != "library" or condition.negated or not known:
            continue
        for name in condition.any_of:
            if name not in known:
                suggestion = did_you_mean(str(name), known)
                way_out = f"nb.index({name!r}) does it"
                raise InvalidArgumentError(
                    f"where names the library {name!r}, which is not indexed; "
                    + (
                        f"see nb.contents().{suggestion}"
                        if suggestion
                        else way_out + "."
                    )
                )


def is_checkable(condition: Condition) -> bool:
    """Tell whether a condition can name what no passage has, and find nothing by it."""
    names = bool(condition.any_of or condition.prefix)
    return names and not condition.negated and condition.column in _NAMED_COLUMNS


def check_values(
    condition: Condition, there: Collection[str], known: Collection[str]
) -> None:
    """Refuse a filter on a value that no passage has, as a misspelt one.

    Parameters
    ----------
    condition : Condition
        As `is_checkable` takes it.
    there : collection of str
        The values in the collection that meet it, whatever the other conditions.
    known : collection of str
        Values in the collection, to suggest from.

    Raises
    ------
    InvalidArgumentError
        One of the values is not there, or nothing begins with the prefix.
    """
    column, prefix = condition.column, condition.prefix
    if prefix:
        if there:
            return
        near = {each[: len(prefix)] for each in known if len(each) >= len(prefix)}
        said = f"where has the prefix {prefix!r:.80}, with which no {column} begins"
    else:
        missing = [str(each) for each in condition.any_of if each not in there]
        if not missing:
            return
        prefix, near = missing[0], set(known)
        said = f"where names the {column} {prefix!r:.80}, which no passage has"
    listed = ", ".join(repr(each) for each in sorted(known) if each)
    if listed and len(known) <= _LISTED_VALUES and len(listed) <= _LISTED_CHARS:
        said += f"; there are {listed}" if len(known) > 1 else f"; all have {listed}"
    raise InvalidArgumentError(f"{said}.{did_you_mean(prefix, sorted(near))}")


def context7_id(what: object, source: str | None, *, is_set: bool) -> str | None:
    """Return the id of a library of Context7, where that is meant; None otherwise.

    A folder that is mistyped looks like an id, and must not be told to a service.

    Parameters
    ----------
    what : object
        One thing to be indexed. What looks like an id and could be a path here is one.
    source : str or None
        ``context7`` where nothing else can be meant.
    is_set : bool
        Whether the session is to ask Context7 unasked.

    Raises
    ------
    InvalidArgumentError
        `source` is ``context7``, and this is no id.
    """
    if isinstance(what, str) and _CONTEXT7_ID.fullmatch(what):
        if source == "context7":
            return what
        if source is None and is_set and not os.path.exists(f"/{what.split('/')[1]}"):
            return what
    elif source == "context7":
        shown = repr(what)[:80] if isinstance(what, str) else type_in_words(what)
        raise InvalidArgumentError(
            f"{shown} is no library of Context7; give its id, as '/pandas-dev/pandas', "
            'which nb.libraries("pandas", source="context7") shows.'
        )
    return None


def _check_name(name: object) -> None:
    if name is not None and not isinstance(name, str):
        raise InvalidArgumentError(f"name is {type(name).__name__}; give a text.")
    if name is not None and not name.strip():
        raise InvalidArgumentError("name is empty; give a text, or leave it out.")


def sources_of(
    what: object, name: str | None, source: str | None, clock: Clock
) -> list[Source]:
    """Return the sources a person means by `what`.

    Parameters
    ----------
    what : str, path, DataFrame or a list of these
        An installed library, a standard library module, a file or a folder, a table.
    name : str or None
        What a folder or a table is to be called; a library has its own name.
    source : str or None
        ``installed stdlib folder frame``, where a name alone is ambiguous.

    Raises
    ------
    InvalidArgumentError
        `what` is of another type, empty, or a table without a text column.
    UnknownLibraryError
        Nothing has this name.
    """
    if source is not None:
        check_choice("source", source, _SOURCES)
    _check_name(name)
    if isinstance(what, (list, tuple, set, frozenset)):
        if not what:
            raise InvalidArgumentError(
                'There is nothing in the list; name a library, as nb.index("pandas").'
            )
        found = [
            each for item in what for each in sources_of(item, name, source, clock)
        ]
        return distinct_sources(found)
    if isinstance(what, os.PathLike):
        return [_folder(Path(what), name)]
    if is_frame(what):
        return [rows_source(what, name)]
    if not isinstance(what, str):
        raise InvalidArgumentError(
            f"{type(what).__name__} cannot be indexed; give a library's name, a path, "
            "a DataFrame, or a list of these."
        )
    if not what.strip():
        raise InvalidArgumentError(
            'The name is empty; name a library, as nb.index("pandas").'
        )
    if source == "folder" or (source is None and _looks_like_path(what)):
        return [_folder(Path(what), name)]
    return [_by_name(what.strip(), name, source, clock)]


def distinct_sources(found: Sequence[Source]) -> list[Source]:
    """Return sources once each; refuse two that are different under one name."""
    kept: dict[str, Source] = {}
    for each in found:
        if kept.setdefault(each.library, each) != each:
            raise InvalidArgumentError(
                f"Two sources are called {each.library!r}; index them one by one "
                "with name=...."
            )
    return list(kept.values())


def _by_name(what: str, name: str | None, source: str | None, clock: Clock) -> Source:
    """Return a library, or a file or folder of the working directory."""
    try:
        found = library_source(what, clock)
    except UnknownLibraryError:
        if source is None and os.path.exists(what):
            return _folder(Path(what), name)
        raise
    if source not in (None, found.source):
        raise UnknownLibraryError(
            f"{what!r} is {found.source}, not {source}; leave source out."
        )
    return found


def _looks_like_path(what: str) -> bool:
    if any(mark in what for mark in ("/", os.sep)) or what.startswith(("~", ".")):
        return True
    return os.path.splitext(what)[1].lower() in MARKUP_BY_ENDING


def _folder(path: Path, name: str | None) -> FolderSource:
    path = path.expanduser()
    if not os.path.exists(path):
        near = path.parent.iterdir() if path.parent.is_dir() else ()
        hint = ""
        if _CONTEXT7_ID.fullmatch(path.as_posix()):
            hint = ' A library of Context7 is asked for with source="context7".'
        raise InvalidArgumentError(
            f"There is no file or folder {path}."
            f"{did_you_mean(path.name, [each.name for each in near])}{hint}"
        )
    if path.is_file() and path.suffix.lower() not in MARKUP_BY_ENDING:
        raise InvalidArgumentError(
            f"{path.name} has an ending that is not known; files may end in "
            f"{' '.join(sorted(MARKUP_BY_ENDING))}."
        )
    # A name of a file need not be a text, and one of a library is stored.
    library, _ = repair(name or path.resolve().name)
    return FolderSource(path=path, library=library)
