"""A sentence of a documentation as what a person would ask who does not know it."""

from __future__ import annotations

import re

MAX_WORDS = 24
ASK = "how do I "
_VERB = re.compile(
    r"""
    accept|acquire|adapt|add|adjust|aggregate|align|allocate|allow|alter|analyze
    |annotate|append|apply|approximate|arrange|assert|assign|attach|await|backfill
    |begin|bind|blend|block|broadcast|build|cache|calculate|call|cancel|capture|cast
    |change|check|choose|clear|clip|close|collapse|collect|color|colour|combine|compare
    |compile|compress|compute|concatenate|configure|confirm|connect|construct|control
    |convert|copy|count|create|cut|decode|decompose|decorate|decrease|deduce|define
    |delegate|delete|deliver|derive|describe|deserialize|destroy|detect|determine
    |disable|discard|display|divide|draw|drop|dump|duplicate|enable|encapsulate|encode
    |enforce|ensure|enter|enumerate|escape|estimate|evaluate|exchange|execute|expand
    |export|expose|extend|extract|fetch|fill|filter|find|fit|flatten|flip|flush|force
    |format|forward|freeze|gather|generate|get|give|group|handle|hash|hide|hold
    |identify|implement|import|increase|indicate|infer|initialize|insert|inspect
    |integrate|interpolate|interpret|invert|issue|iterate|join|keep|label|launch|leave
    |limit|list|load|locate|lock|log|look|make|manage|map|mark|mask|match|measure|merge
    |modify|monitor|move|multiply|normalize|obtain|open|order|organize|override|pack
    |pad|parse|partition|pass|perform|permute|pick|pickle|place|plot|pop|populate
    |prepare|prepend|print|process|produce|provide|prune|push|put|query|quit|raise
    |randomize|read|rearrange|receive|recompute|record|reduce|refer|reformat|refresh
    |register|reindex|release|reload|remove|rename|render|reorder|repeat|replace|report
    |represent|request|require|resample|reset|reshape|resize|resolve|restore|restrict
    |retrieve|retry|return|reverse|roll|rotate|round|run|sample|save|scale|scan
    |schedule|search|select|send|separate|serialize|serve|set|shift|show|shuffle|shut
    |simplify|simulate|skip|slice|solve|sort|specify|split|spread|squeeze|stack|start
    |stop|store|stream|strip|style|submit|subtract|sum|support|suppress|swap|switch
    |take|tell|terminate|test|tile|toggle|trace|transfer|transform|translate|transpose
    |traverse|trim|truncate|try|turn|unpack|update|upload|use|validate|verify|view
    |visit|wait|walk|warn|wrap|write|yield|zip
    """,
    re.VERBOSE,
)
_ARTICLE = re.compile(r"^(?:this is )?(?:an?|the|this|these|its)\s+", re.I)
THING = (
    "attribute|class|decorator|exception|function|generator|instance|method|module"
    "|object|operation|property|routine|test|tool|warning"
)
_AFTER_NOUNS = frozenset({"are", "for", "is", "of", "was"})  # "index of" is no order
# "This method is used to" says nothing that "how do I" does not.
_THIS = re.compile(
    rf"^(?:this|the) (?:{THING})s? "
    r"(?:(?:is|are|can be|may be|should be) (?:\w+ly |often )?"
    r"(?:used|useful|meant|intended) (?:to|for)|is for|will|can|may"
    r"|allows? (?:you )?to|lets you|helps(?: to)?)?\s*",
    re.I,
)
_TRUTH = re.compile(
    r"^(?:whether|(?:returns?|get|compute|true|boolean)\b"
    r"(?: (?:an?|the))?(?: bool(?:ean)?s?| true| value| indicator| flag)*"
    r"(?: indicating| that indicates| which indicates| representing| of| for)?"
    r" (?:whether(?: or not)?|if|when))\s+",
    re.I,
)
_OTHERWISE = re.compile(
    r"[,;]? (?:and |or |else )*(?:false|none|else|0)(?: (?:otherwise|if|when)\b.*)?$"
    r"|[,;]? (?:and )?otherwise\b.*$",
    re.I,
)
# Not where it is what a word before it speaks of: "the truth value of (a > b)".
_ASIDE = re.compile(
    r"(?<! of)(?<! to)(?<! in)(?<! at)(?<! by)(?<! as)(?<! is)(?<! for)(?<! from)"
    r"(?<! the)\s+\([^()]*\)(?=[\s,;:]|$)",
    re.I,
)
_LEFT_OVER = re.compile(r"[\s,;:(]+(?:if any|or|and|as|e\.g|i\.e|such as)$", re.I)
_BREAK = re.compile(r"\s*[,;:(]\s+|\s+(?:--?|–|—)\s+|\s+(?=which |where |unless )")


def as_question(sentence: str) -> str:
    """Return a sentence as a question, or as the words somebody would look for.

    An order becomes a question (``Return``: how do I get), a statement about a truth
    asks how to tell it, anything else stays what it says.

    Parameters
    ----------
    sentence : str
        On one line, without its full stop.

    Examples
    --------
    >>> as_question("Returns True if the path is reserved, False otherwise")
    'how do I tell whether the path is reserved'
    >>> as_question("This method reshapes an array (in place)")
    'how do I reshape an array'
    >>> as_question("The imaginary part of the array")
    'imaginary part of the array'
    """
    plain = _THIS.sub("", _ASIDE.sub("", sentence))
    truth = _TRUTH.match(plain)
    if truth:
        asked = _OTHERWISE.sub("", plain[truth.end() :])
        return _shortened(f"{ASK}tell whether {asked}")
    plain = _OTHERWISE.sub("", plain)
    first, _, rest = plain.partition(" ")
    verb = _base(first.lower())
    if verb and rest and rest.partition(" ")[0] not in _AFTER_NOUNS:
        verb = "get" if verb == "return" else verb
        return _shortened(f"{ASK}{verb} {rest}")
    return _shortened(_lowered(_ARTICLE.sub("", plain)))


def _base(word: str) -> str | None:
    """Return the verb of an order or of what something does; None for other words."""
    if _VERB.fullmatch(word):
        return word
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        base = word.removesuffix(ending) + instead
        if word.endswith(ending) and _VERB.fullmatch(base):
            return base
    return None


def _lowered(text: str) -> str:
    """Return a phrase whose first word is small, unless that is a name of something."""
    first = text.partition(" ")[0]
    usual = first[:1].isupper() and first[1:].replace("-", "").islower()
    return text[:1].lower() + text[1:] if usual or len(first) == 1 else text


def _shortened(text: str) -> str:
    """Return at most `MAX_WORDS` words, cut where a clause ends; else nothing."""
    if text.count("(") > text.count(")"):
        text = text.rpartition("(")[0]
    text = _LEFT_OVER.sub("", text.strip(" .,;:-"))
    while len(text.split()) > MAX_WORDS:
        cuts = [each.start() for each in _BREAK.finditer(text)]
        if not cuts:
            return ""
        text = text[: cuts[-1]].rstrip(" .,;:-")
    return text
