"""Text as it may be stored: valid, bounded, and split into the words of names."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_DOCUMENT_CHARS = 200_000
_REMEMBERED_CHARS = 20_000

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_.\W]+")


def repair(text: str) -> tuple[str, list[str]]:
    r"""Return `text` fit to be stored and shown, and a note on each repair.

    Parameters
    ----------
    text : str
        Anything, also with lone surrogates.

    Returns
    -------
    tuple of (str, list of str)
        At most 200,000 characters, line ends ``\n``, control characters gone, lone
        surrogates replaced; and the notes, empty for a good text (line ends give none).

    Examples
    --------
    >>> repair("a\x00b")
    ('ab', ['1 control character removed'])
    """
    notes = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, count = _SURROGATE.subn("\ufffd", text)
    if count:
        notes.append(f"{count:,} lone surrogate{'s'[: count > 1]} replaced")
    text, count = _CONTROL.subn("", text)
    if count:
        notes.append(f"{count:,} control character{'s'[: count > 1]} removed")
    if len(text) > MAX_DOCUMENT_CHARS:
        notes.append(
            f"{len(text):,} characters are too many; "
            f"only the first {MAX_DOCUMENT_CHARS:,} are kept"
        )
        text = text[:MAX_DOCUMENT_CHARS]
    return text, notes


def count_tokens(text: str) -> int:
    """Return the number of words and marks in `text`: the chunking's unit.

    Examples
    --------
    >>> count_tokens("df.merge(right)")
    6
    """
    return _count(text) if len(text) > _REMEMBERED_CHARS else _remembered(text)


def _count(text: str) -> int:
    return _TOKEN.subn("", text)[1]


# A passage is measured again at each step of the cutting; long texts are not kept.
_remembered = lru_cache(maxsize=512)(_count)


def token_starts(text: str) -> list[int]:
    """Return where each token of `count_tokens` starts."""
    return [match.start() for match in _TOKEN.finditer(text)]


def name_words(name: str) -> str:
    """Return the words a dotted name is made of.

    Examples
    --------
    >>> name_words("pandas.DataFrame.drop_duplicates")
    'pandas Data Frame drop duplicates'
    """
    return " ".join(word for word in _HUMP.split(name) if word)
