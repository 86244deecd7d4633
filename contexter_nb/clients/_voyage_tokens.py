"""How many tokens a text has, counted without a tokenizer and rather too high.

Voyage's tokenizers are fetched from another host on first use, which costs a network
and seconds; what a batch may hold is needed at once. So every byte has a weight, by
what it is. The weights were fitted to a tokenizer with a vocabulary of 32,000 (a small
one cuts a text into more tokens than a large one) over prose, docstrings, tables and
code, and raised until 99 of 100 texts were counted too high. That Voyage's own
tokenizers stay below it was not measured; `Calibration` learns from what is billed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# In hundredths of a token for each byte.
_LOWER, _UPPER, _SPACE, _OTHER = 28, 70, 25, 100
# A mark at the beginning or the end, and one word cut in two.
_PER_TEXT = 200
_SLICE_BYTES = 4 * 1024 * 1024


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Return about how many tokens each text has, hardly ever too few.

    A small letter counts 0.28 (a token is 3.6 letters), a capital 0.7, a space 0.25,
    any other ASCII character 1 (numbers are often cut into digits), and so does each
    byte of UTF-8 of all other letters: 3 for a Chinese one, twice or three times too
    many. Prose and code come out at 1.3 to 1.4 times the count of that tokenizer.

    Parameters
    ----------
    texts : sequence of str
        A lone surrogate counts like a question mark.

    Returns
    -------
    list of int
        One for each; 2 for an empty text.

    Examples
    --------
    >>> count_tokens(["join two tables on a key column", "1234567890", "漢字", ""])
    [11, 12, 8, 2]
    """
    counts: list[int] = []
    raw: list[bytes] = []
    size = 0
    for text in texts:
        encoded = text.encode("utf-8", "replace")
        if raw and size + len(encoded) > _SLICE_BYTES:
            counts += _counted(raw)
            raw, size = [], 0
        raw.append(encoded)
        size += len(encoded)
    return counts + _counted(raw) if raw else counts


def cut_to_tokens(text: str, max_tokens: int) -> str:
    """Return the longest beginning that has at most so many tokens by `count_tokens`.

    Parameters
    ----------
    text : str
    max_tokens : int
        From 3 on: an empty text counts 2.

    Examples
    --------
    >>> cut_to_tokens("join two tables on a key column", 6)
    'join two table'
    """
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens([text[:middle]])[0] <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def _counted(raw: list[bytes]) -> list[int]:
    """Return the counts of texts that are not too long to be looked at together."""
    import numpy

    lengths = numpy.fromiter(map(len, raw), dtype=numpy.int64, count=len(raw))
    joined = numpy.frombuffer(b"".join(raw), dtype=numpy.uint8)
    # The sum up to each byte; a text's weight is the difference of two of them.
    sums = numpy.zeros(len(joined) + 1, dtype=numpy.int64)
    numpy.cumsum(_weights()[joined], out=sums[1:])
    ends = numpy.cumsum(lengths)
    weights = sums[ends] - sums[ends - lengths]
    found: list[int] = (-(-(weights + _PER_TEXT) // 100)).tolist()
    return found


@lru_cache(maxsize=1)
def _weights() -> npt.NDArray[np.int64]:
    import numpy

    weights = numpy.full(256, _OTHER, dtype=numpy.int64)
    weights[ord("a") : ord("z") + 1] = _LOWER
    weights[ord("A") : ord("Z") + 1] = _UPPER
    weights[ord(" ")] = _SPACE
    return weights
