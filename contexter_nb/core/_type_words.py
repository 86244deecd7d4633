"""The type of a value as a message says it."""

from __future__ import annotations


def type_in_words(value: object) -> str:
    """Return the name of a value's type with its article; None is None.

    Parameters
    ----------
    value : object
        Only its type is told: it may hold a secret.

    Examples
    --------
    >>> type_in_words(7), type_in_words([]), type_in_words(None)
    ('an int', 'a list', 'None')
    """
    if value is None:
        return "None"
    name = type(value).__name__
    # By sound: "an ndarray"; "a UUID", though a vowel is written.
    spoken_vowel = name[:1] in "aeioAEIO" or name.startswith("ndarray")
    return f"{'an' if spoken_vowel else 'a'} {name}"
