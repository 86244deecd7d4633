"""Questions made of the corpus itself: a first rough test where nobody has judged."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contexter_nb.core import Random
from contexter_nb.retrieval._phrasing import ASK, THING, as_question
from contexter_nb.retrieval._prose import sentences

MIN_WORDS = 4
_SENTENCES = 3
_INFLECTED = 4  # letters from which on a name is hidden in its other forms, too
# They speak of the version, of another object, or of what was said before.
_NEVER = re.compile(
    r"(?:added|changed|deprecated|new|removed) (?:in|since) |\bdeprecated\b"
    r"|\b(?:alias|synonym)\b|\bidentical to\b|\b(?:same as|equivalent (?:of|to)) "
    r"|^(?:see|refer to|please|for (?:more|details|example)|raises?|defaults?|todo)\b"
    r"|\bfollowing(?: \w+){0,2}$"
    r"|^(?:here|there) |^warning:|^not implemented|\bdocstring\b",
    re.I,
)
_LATER = re.compile(
    r"(?:it|its|they|their|these|those|that|such|here|there|however|also|hence|thus"
    r"|then|if|when|whether|while|as|in|on|by|for|with|since|because|note|otherwise|unlike"
    r"|like|similar|both|each|other|another|only|use|used|you|we|must|may|should|can"
    rf"|this (?!(?:{THING})\b))\b",
    re.I,
)
_SMALL = re.compile(
    r"""
    a|about|after|all|also|an|and|any|are|as|at|be|been|before|being|between|but|by|can
    |cannot|could|do|does|during|each|either|else|every|for|from|given|had|has|have|how
    |if|in|into|is|it|its|may|might|more|most|must|neither|no|nor|not|of|on|one|only
    |onto|or|other|over|per|same|shall|should|so|some|such|than|that|the|their|them
    |then|there|these|they|this|those|through|to|too|under|until|up|upon|via|was|were
    |what|when|where|whether|which|while|whose|will|with|within|without|would|you|your
    """,
    re.VERBOSE,
)
# After these a name may say which kind of thing the next word is.
_BEFORE_A_KIND = frozenset(
    {"a", "all", "an", "any", "each", "its", "of", "the", "this"}
)
# Of the small words, those that a question may begin with.
_OPENERS = frozenset({"all", "between", "each", "every", "how", "no", "one"})


def known_item_query(text: str, names: Sequence[str]) -> str | None:
    r"""Return one of the first sentences of a passage as a question after it.

    The first that holds none of the names is taken. Where each does, a name is left out
    of one that still says something without it.

    Parameters
    ----------
    text : str
        The passage that a document begins with; signatures, parameters and remarks on
        versions are passed over.
    names : sequence of str
        What the document is called. Neither these nor the last part of any, nor a form
        of that, is in the question: it would hold its answer.

    Returns
    -------
    str or None
        None where nothing is left that could be asked (fewer than four words).

    Examples
    --------
    >>> text = "fill(text, width=70)\n\nFill a single paragraph, return a string."
    >>> known_item_query(text, ["textwrap.fill"])
    'single paragraph, return a string'
    >>> text = "Fill a paragraph.\n\nReformat it to fit in lines of some width."
    >>> known_item_query(text, ["textwrap.fill"])
    'how do I reformat it to fit in lines of some width'
    """
    hidden = _hidden_words(names)
    phrases = [each for each in map(_last_part, names) if not each.isidentifier()]
    choices: list[tuple[int, int, str]] = []
    for at, sentence in enumerate(sentences(text, _SENTENCES)):
        if _NEVER.search(sentence) or (at and _LATER.match(sentence)):
            continue
        if any(each and each in sentence.lower() for each in phrases):
            continue
        holed = _holds(sentence, hidden)
        left = _without(sentence, hidden) if holed else sentence
        # A hole within it may take away what tells this from a dozen others.
        more = 2 * holed - _holds(sentence.partition(" ")[0], hidden)
        query = _asked(left, hidden, MIN_WORDS + more)
        # A later sentence may be about a detail; what orders something seldom is.
        if query and (not at or query.startswith(ASK)):
            choices.append((holed, at, query))
    return min(choices)[2] if choices else None


def _asked(sentence: str, hidden: frozenset[str], min_words: int) -> str:
    """Return a sentence as a question; nothing where that would say nothing."""
    query = as_question(sentence) if sentence else ""
    if _holds(query, hidden):  # "how do I get" for what is called get
        query = query.removeprefix(ASK).partition(" ")[2]
    words = query.removeprefix(ASK).split()
    told = sum(word.strip(",;:()").isalpha() for word in words)
    if told < min_words or _holds(query, hidden):
        return ""
    return query if words[0] in _OPENERS or not _is_small(words[0]) else ""


def _hidden_words(names: Sequence[str]) -> frozenset[str]:
    """Return the names, their last parts, and the usual other forms of these."""
    found: set[str] = set()
    for name in names:
        part = _last_part(name)
        found |= {part, part.strip("_")}
        if len(part) >= _INFLECTED and part.isalpha():
            stem = part.removesuffix("e")
            found |= {part + ending for ending in ("s", "es", "d", "ed", "ing")}
            found |= {stem + ending for ending in ("ed", "ing", "er", "ion", "able")}
            found |= {part + part[-1] + ending for ending in ("ed", "ing")}
    return frozenset(found - {""})


def _last_part(name: str) -> str:
    """Return what an object, or a section of a page, is called by itself."""
    part = name.lower().rpartition(" › ")[2].strip()
    return part if " " in part else part.rpartition(".")[2]


def _holds(text: str, hidden: frozenset[str]) -> bool:
    """Whether one of the names stands in a text, as in ``DataFrame.merge()``."""
    return any(part in hidden for part in re.split(r"\W+", text.lower()))


def _is_small(word: str) -> bool:
    return _SMALL.fullmatch(word.lower()) is not None


def _without(sentence: str, hidden: frozenset[str]) -> str:
    """Return a sentence without the names in it; nothing where it falls apart."""
    words = sentence.split()
    held = [_holds(word, hidden) for word in words]
    if held[0]:
        return "" if any(held[1:]) else _rest(words)
    kept: list[str] = []
    for at, word in enumerate(words):
        if not held[at]:
            kept.append(word)
        elif not _is_spare(words, held, at):
            return ""
        elif word[-1] in ",;:":
            kept[-1] += word[-1]
        elif kept[-1] in ("a", "an"):
            kept[-1] = "an" if words[at + 1][0].lower() in "aeio" else "a"
    return " ".join(kept)


def _rest(words: Sequence[str]) -> str:
    """Return what follows a name that a sentence begins with: what it is done to."""
    start = 1
    while start < len(words) and words[start].lower() in _BEFORE_A_KIND:
        start += 1
    if start == len(words) or _is_small(words[start]) or words[start][0] in "([{":
        return ""
    return " ".join(words[start:])


def _is_spare(words: Sequence[str], held: Sequence[bool], at: int) -> bool:
    """Whether a name only says which kind of thing the next word is.

    As in "from a triangular distribution", and not in "the name of the file".
    """
    before, own = words[at - 1], words[at]
    if before[-1] in ",;:":
        return False
    if at + 1 == len(words) or own[-1] in ",;:":
        return at > 2 and not (_is_small(before) or before.endswith("'s"))
    following = words[at + 1].lower()
    if _is_small(before) and before.lower() not in _BEFORE_A_KIND:
        return False
    return not (
        held[at + 1]
        or _is_small(following)
        or not following[0].isalpha()
        or following.endswith(("ed", "ing"))
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
