"""HTML from text, escaped; colours that follow the notebook's theme."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

INK = "var(--jp-ui-font-color1, var(--vscode-foreground, inherit))"
FAINT = "var(--jp-ui-font-color2, var(--vscode-descriptionForeground, #6b7280))"
LINE = "var(--jp-border-color2, var(--vscode-panel-border, #8884))"
ACCENT = "var(--jp-brand-color1, var(--vscode-textLink-foreground, #1976d2))"
SHADE = "var(--jp-layout-color2, var(--vscode-textCodeBlock-background, #8881))"
MARKED = "background:#f5c51855;color:inherit;border-radius:2px"
_WORD = re.compile(r"\w+")
_SAFE_SCHEMES = ("http", "https", "mailto")


def escape(text: object) -> str:
    """Return text that shows as it is and does nothing, in content and attributes."""
    return html.escape(str(text), quote=True)


def safe_url(url: str) -> str:
    """Return a URL that may be a link, or nothing: no script, no data.

    Parameters
    ----------
    url : str
        Anything that was fetched.

    Examples
    --------
    >>> safe_url("javascript:alert(1)")
    ''
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    return url.strip() if parts.scheme.lower() in _SAFE_SCHEMES else ""


def link(url: str, label: str) -> str:
    """Return a link, or the label alone where the URL may not be one."""
    good = safe_url(url)
    if not good:
        return escape(label)
    return (
        f'<a href="{escape(good)}" target="_blank" rel="noopener noreferrer" '
        f'style="color:{ACCENT}">{escape(label)}</a>'
    )


def stems(words: Iterable[str]) -> set[str]:
    """Return the beginnings by which words of a query are found again."""
    return {_stem(word) for word in words if len(word) > 2}


def _stem(word: str) -> str:
    word = word.lower()
    for ending in ("ing", "ies", "ed", "es", "e", "s", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def marked_runs(text: str, query: str) -> list[str]:
    """Return a text cut where a word of a query begins and ends.

    Parameters
    ----------
    text : str
        What is shown.
    query : str
        Its words count by their stems, in any case.

    Returns
    -------
    list of str
        Put together they are the text; every second one, from the second on, is a word
        of the query.

    Examples
    --------
    >>> marked_runs("Joins two tables.", "join tables")
    ['', 'Joins', ' two ', 'tables', '.']
    """
    return _runs(text, stems(re.findall(r"\w+", query)))


def _runs(text: str, wanted: set[str]) -> list[str]:
    runs = []
    end = 0
    for match in _WORD.finditer(text):
        if _stem(match[0]) in wanted:
            runs += [text[end : match.start()], match[0]]
            end = match.end()
    return [*runs, text[end:]]


def marked(text: str, wanted: set[str]) -> str:
    """Return escaped text in which the words with these stems are marked."""
    return "".join(
        f'<mark style="{MARKED}">{escape(run)}</mark>' if at % 2 else escape(run)
        for at, run in enumerate(_runs(text, wanted))
    )
