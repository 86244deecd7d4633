"""What a view searches for and how: a value, from the browser, and as code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FACETS = ("library", "kind", "source")
MODES = ("hybrid", "dense", "text")
MODE_NAMES = {"hybrid": "hybrid", "dense": "by meaning", "text": "by words"}
LIMITS = (5, 10, 20, 50)
MAX_LIMIT = 1_000
MAX_QUERY_CHARS = 10_000
# The slider shares 1.4 between meaning and words in steps of 0.1; its fourth step is
# how searches weigh where nothing else is said.
STEPS = 14
USUAL_STEP = 4
_WIDTH = 88
_CHUNK_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A question and how it is answered.

    Attributes
    ----------
    similar_to : str
        A passage whose like is sought, instead of an answer to `query`.
    picks : mapping of str to tuple of str
        What is ticked among the filters, by column; a column with nothing is left out.
    fixed : mapping
        A part of the filter that the view shows and does not change.
    weights : mapping of str to float or None
        Weights of ``dense`` and ``text``; None for the usual ones.
    """

    query: str = ""
    similar_to: str = ""
    mode: str = "hybrid"
    limit: int = 10
    picks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    rerank: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing is asked."""
        return not self.query.strip() and not self.similar_to

    @property
    def where(self) -> dict[str, Any] | None:
        """Return the filter as `search` takes it."""
        picked = {
            column: values[0] if len(values) == 1 else list(values)
            for column, values in self.picks.items()
        }
        return {**self.fixed, **picked} or None

    @property
    def step(self) -> int:
        """Return where the slider stands: 0 for words only, 14 for meaning only."""
        if self.weights is None:
            return USUAL_STEP
        dense, text = self.weights.get("dense", 0.4), self.weights.get("text", 1.0)
        return round(STEPS * dense / ((dense + text) or 1))


def weights_at(step: int) -> dict[str, float] | None:
    """Return the weights of a step of the slider, None for the usual ones.

    Examples
    --------
    >>> weights_at(7), weights_at(USUAL_STEP)
    ({'dense': 0.7, 'text': 0.7}, None)
    """
    if step == USUAL_STEP:
        return None
    return {"dense": step / 10, "text": (STEPS - step) / 10}


def arguments(setting: Setting) -> tuple[str, dict[str, Any]]:
    """Return the verb that answers a setting, and its arguments without defaults."""
    given: dict[str, Any] = {}
    if setting.limit != 10:
        given["limit"] = setting.limit
    if setting.where:
        given["where"] = setting.where
    if setting.similar_to:
        return "similar", {"chunk_id": setting.similar_to, **given}
    if setting.mode != "hybrid":
        given["mode"] = setting.mode
    elif setting.weights is not None:
        given["weights"] = dict(setting.weights)
    if setting.rerank:
        given["rerank"] = True
    return "search", {"query": setting.query.strip(), **given}


def code(setting: Setting, session: str = "nb") -> str:
    """Return the cell that gives the hits of a setting.

    Examples
    --------
    >>> print(code(Setting(query="join tables", picks={"library": ("pandas",)})))
    nb.search("join tables", where={"library": "pandas"})
    """
    verb, given = arguments(setting)
    first, *rest = given.items()
    parts = [literal(first[1]), *(f"{key}={literal(value)}" for key, value in rest)]
    line = f"{session}.{verb}({', '.join(parts)})"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    inside = "".join(f"    {part},\n" for part in parts)
    return f"{session}.{verb}(\n{inside})"


def literal(value: Any) -> str:
    """Return a value as Python that black would not change.

    Examples
    --------
    >>> literal({"kind": ("class", "méthode")})
    '{"kind": ["class", "méthode"]}'
    """
    if isinstance(value, str):
        return f'"{"".join(map(_in_quotes, value))}"'
    if isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = (f"{literal(key)}: {literal(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"[{', '.join(literal(each) for each in value)}]"
    return repr(value)


def _in_quotes(sign: str) -> str:
    """Return a sign as a string in double quotes has it; what cannot be seen by code.

    Examples
    --------
    >>> _in_quotes("ö"), _in_quotes("'"), len(_in_quotes('"'))
    ('ö', "'", 2)
    """
    if sign in ('"', "\\"):
        return f"\\{sign}"
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")


def label(setting: Setting, found: int | None = None) -> str:
    """Return how a setting searches, in a few words, without its question.

    Parameters
    ----------
    found : int, optional
        How many hits it was answered with, to be said, too.

    Examples
    --------
    >>> label(Setting(query="x", mode="text", picks={"kind": ("class", "function")}))
    'by words · class, function'
    >>> label(Setting(query="x"), 1)
    'hybrid · 1 hit'
    """
    parts = ["alike" if setting.similar_to else MODE_NAMES[setting.mode]]
    if setting.mode == "hybrid" and setting.weights is not None:
        weights = setting.weights
        parts.append(
            f"meaning {weights.get('dense', 0.4):g} words {weights.get('text', 1):g}"
        )
    if setting.rerank:
        parts.append("reranked")
    parts += [", ".join(values) for values in setting.picks.values()]
    if setting.fixed:
        parts.append(fixed_label(setting))
    if found is not None:
        parts.append(f"{found:,} hit{'' if found == 1 else 's'}")
    return " · ".join(parts)


def fixed_label(setting: Setting) -> str:
    """Return the part of the filter that a view cannot change, as it was written."""
    return literal(dict(setting.fixed)) if setting.fixed else ""


def to_wire(setting: Setting) -> dict[str, Any]:
    """Return a setting as the browser shows it."""
    return {
        "query": setting.query,
        "similar_to": setting.similar_to,
        "mode": setting.mode,
        "limit": setting.limit,
        "picks": {column: list(each) for column, each in setting.picks.items()},
        "fixed": fixed_label(setting),
        "step": setting.step,
        "rerank": setting.rerank,
    }


def from_wire(sent: Mapping[str, Any], now: Setting) -> Setting:
    """Return the setting that a browser asks for; what it says wrongly stays as it is.

    Parameters
    ----------
    sent : mapping
        As `to_wire` makes it; any part may be missing or of a wrong type.
    now : Setting
        What the view shows.
    """
    mode, limit, step = sent.get("mode"), sent.get("limit"), sent.get("step")
    picks, query = sent.get("picks"), sent.get("query")
    alike = sent.get("similar_to")
    known = _is_count(limit, 1, MAX_LIMIT)
    moved = _is_count(step, 0, STEPS) and step != now.step
    return replace(
        now,
        query=query[:MAX_QUERY_CHARS] if isinstance(query, str) else now.query,
        similar_to=alike
        if isinstance(alike, str) and _CHUNK_ID.fullmatch(alike)
        else "",
        mode=mode if mode in MODES else now.mode,
        limit=limit if known and isinstance(limit, int) else now.limit,
        picks=_picks(picks) if isinstance(picks, Mapping) else now.picks,
        weights=weights_at(int(str(step))) if moved else now.weights,
        rerank=bool(sent.get("rerank", now.rerank)),
    )


def _picks(sent: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {
        column: tuple(sorted(each for each in sent[column] if isinstance(each, str)))
        for column in FACETS
        if isinstance(sent.get(column), list)
    }
    return {column: values for column, values in found.items() if values}


def _is_count(value: object, least: int, most: int) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and least <= value <= most
    )


def split_where(where: Mapping[str, Any] | None) -> tuple[dict[str, Any], ...]:
    """Return of a filter what can be ticked, and the rest.

    Examples
    --------
    >>> split_where({"library": "pandas", "title": {"prefix": "pandas."}})
    ({'library': ('pandas',)}, {'title': {'prefix': 'pandas.'}})
    """
    picks: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    for column, wanted in (where or {}).items():
        values = [wanted] if isinstance(wanted, str) else wanted
        plain = (
            column in FACETS
            and isinstance(values, (list, tuple, set, frozenset))
            and bool(values)
            and all(isinstance(each, str) for each in values)
        )
        if plain:
            picks[column] = tuple(sorted(values))
        else:
            fixed[column] = wanted
    return picks, fixed
