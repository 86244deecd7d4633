"""Questions made of the corpus itself: a first rough test where nobody has judged."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contexter_nb.core import Random

MIN_WORDS = 4
_MAX_WORDS = 30
_HIDDEN = "it"
# A sentence ends before white space or the end; "e.g." and "i.e." do not end one.
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s|$)(?<!e\.g\.)(?<!i\.e\.)", re.DOTALL)
_SIGNATURE = re.compile(r"[\w.]+ ?\(|:?param\b|class \w|>>>")
_ROLE = re.compile(r":[\w:]+:`~?([^`<]*)(?:<[^`]*)?`")
_MARKS = re.compile(r"[`*_#|]+")


def known_item_query(text: str, names: Sequence[str]) -> str | None:
    r"""Return the first sentence of a passage as a question after it.

    Parameters
    ----------
    text : str
        The passage that a document begins with; a signature in front is passed over.
    names : sequence of str
        What the document is called. Each, and the last part of each, is hidden:
        otherwise the question would hold its answer.

    Returns
    -------
    str or None
        None where nothing is left that could be asked (fewer than four words).

    Examples
    --------
    >>> text = "fill(text, width=70)\n\nFill a single paragraph, return a string."
    >>> known_item_query(text, ["textwrap.fill"])
    'it a single paragraph, return a string'
    """
    body = next(
        (
            " ".join(block.split())
            for block in re.split(r"\n\s*\n", text)
            if block.strip() and not _SIGNATURE.match(block.strip())
        ),
        "",
    )
    body = _ROLE.sub(r"\1", body)
    found = _SENTENCE.match(body)
    sentence = found.group(1) if found else body
    hidden = _MARKS.sub("", _hide(sentence, names)).rstrip(" .!?:")
    words = hidden.split()
    asked = [word for word in words if word != _HIDDEN and word.isalpha()]
    if len(asked) < MIN_WORDS:
        return None
    return " ".join(words[:_MAX_WORDS])


def _hide(sentence: str, names: Sequence[str]) -> str:
    parts = {name for name in names if name}
    parts |= {name.rpartition(".")[2] for name in parts}
    longest_first = sorted(parts, key=len, reverse=True)
    pattern = "|".join(re.escape(each) for each in longest_first)
    if not pattern:
        return sentence
    return re.sub(
        rf"(?<!\w)(?:{pattern})(?:\(\))?(?!\w)", _HIDDEN, sentence, flags=re.I
    )


def shuffled(items: Sequence[str], chance: Random) -> list[str]:
    """Return items in an order that depends on them and `chance` alone.

    Parameters
    ----------
    items : sequence of str
        In any order: they are sorted first.
    chance : Random
        Seeded, so that the order is the same each time.
    """
    ordered = sorted(items)
    chance.shuffle(ordered)
    return ordered
