"""The plain sentences that a passage of documentation begins with."""

from __future__ import annotations

import re

_MAX_BLOCKS = 4
_MAX_CHARS = 600  # what is longer is data, not a sentence
_SIGNATURE = re.compile(r"[\w.]+\(.*|[\w.]+ \(.*(?:->.*|\))|class \w.*", re.DOTALL)
# Items, doctests, directives, fields; then a parameter and its type.
_LISTED = re.compile(
    r"[-*+•] |\d+[.)] |>>>|\.\. |:(?!\w+:`)\w+|@|\|"
    r"|\**\w+\**(?: ?, ?\**\w+\**)* ?: "
)
# What stands over such a line is a heading.
_RULED = re.compile(r"^[ \t]*[-=~^+]{3}[-=~^+ \t]*$", re.M)
_HEADINGS = re.compile(
    r"(?:args|arguments|attributes|examples?|keyword args|notes?|other parameters"
    r"|parameters|raises|references|returns?|see also|usage|warnings?|yields):?\s*$",
    re.I | re.M,
)
_ROLE = re.compile(r":[\w:+-]+:`~?([^`<]*)(?:<[^`]*)?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^`>]*>`_*|<https?://[^\s>]+>|\[[\w, ]+\]_")
_MARKS = re.compile(
    r"[`*#|\"“”]+|(?<!\w)_+|_+(?!\w)|(?<!\w)'|'(?!\w)"
    r"|~(?=[\w.])|(?<![\w)\]])\.(?=[A-Za-z])|(?<!\w)self\.(?=\w)"
)
_LABEL = re.compile(r"^\[\w+\]\s*")
# A sentence ends before white space or the end; "e.g." and "i.e." do not end one.
_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<!cf\.)\s+")


def sentences(text: str, limit: int) -> list[str]:
    r"""Return the first sentences of a passage's prose, without its marks.

    Signatures, parameters, lists, directives and doctests are passed over; from the
    first heading on nothing is read.

    Parameters
    ----------
    text : str
        As it is shown: reStructuredText, Markdown or plain.
    limit : int
        How many, at most; from 1 on.

    Returns
    -------
    list of str
        Each on one line, its full stop left out.

    Examples
    --------
    >>> sentences("fill(text)\n\nFill `text`. Be *brief*.\n\nwidth : int", limit=3)
    ['Fill text', 'Be brief']
    """
    found: list[str] = []
    for block in _blocks(text):
        plain = _LINK.sub(r"\1", _ROLE.sub(r"\1", " ".join(block.split())))
        for each in _END.split(_MARKS.sub("", plain).strip()):
            sentence = " ".join(_LABEL.sub("", each).split()).rstrip(" .!?:;,-")
            if 0 < len(sentence) <= _MAX_CHARS:
                found.append(sentence)
            if len(found) == limit:
                return found
    return found


def _blocks(text: str) -> list[str]:
    found: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        block = block.strip()
        if _RULED.search(block) or _HEADINGS.match(block):
            break
        if block and not _SIGNATURE.fullmatch(block) and not _LISTED.match(block):
            found.append(block)
        if len(found) == _MAX_BLOCKS:
            break
    return found
