"""A session at a glance: pure functions from its state to text and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from contexter_nb.notebook._html import FAINT, INK, LINE, escape

_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a session's card shows.

    Attributes
    ----------
    libraries : tuple of (str, str, int)
        Name, version and passages of each indexed library.
    problem : str
        Why the index cannot be read, or nothing.
    place : str
        The server that the index is on; nothing where it lies in the home.
    redis : str
        The Redis that is shared, by host and port; nothing where none is.
    """

    home: str
    embedder: str = ""
    place: str = ""
    redis: str = ""
    libraries: tuple[tuple[str, str, int], ...] = ()
    usd: float = 0.0
    closed: bool = False
    problem: str = ""


def as_text(state: State) -> str:
    """Return the card for a terminal."""
    if state.closed:
        return f"<contexter_nb session, closed, home {state.home}>"
    lines = [f"contexter_nb session, home {state.home}"]
    lines += [f"  {label}: {value}" for label, value in _facts(state)]
    return "\n".join(lines)


def as_html(state: State) -> str:
    """Return the card for a notebook; reads well where styles are dropped."""
    facts = [("home", state.home), *_facts(state)]
    if state.closed:
        facts = [("home", state.home), ("state", "closed")]
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:600;color:{FAINT};'
        f'padding:2px 12px 2px 0;vertical-align:top">{escape(label)}</th>'
        f'<td style="text-align:left;padding:2px 0">{escape(value)}</td></tr>'
        for label, value in facts
    )
    return (
        f'<div style="border:1px solid {LINE};border-radius:6px;padding:10px 14px;'
        f'max-width:52em;color:{INK}"><strong>contexter_nb session</strong>'
        f'<table style="margin:6px 0 0 0;border:none">{rows}</table></div>'
    )


def _facts(state: State) -> list[tuple[str, str]]:
    if state.problem:
        return [("problem", state.problem)]
    facts = [("embedder", state.embedder)]
    if state.place:
        facts.append(("index", state.place))
    if state.libraries:
        count = sum(chunks for _, _, chunks in state.libraries)
        shown = [f"{name} {version}".strip() for name, version, _ in state.libraries]
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        names = ", ".join(shown[:_SHOWN])
        facts.append(("indexed", f"{count:,} passages of {names}{more}"))
    elif state.place:
        facts.append(("indexed", "not asked yet; nb.contents() lists it"))
    else:
        facts.append(("indexed", 'nothing yet; begin with nb.index("pandas")'))
    if state.redis:
        facts.append(
            ("redis", f"shares answers, vectors and rate limits, at {state.redis}")
        )
    facts.append(("cost so far", f"{state.usd:,.4f} USD"))
    return facts
