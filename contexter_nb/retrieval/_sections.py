"""Cut a document into its sections: docstring parts, headings, notebook cells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import NamedTuple

HeadingPath = tuple[str, ...]


class Section(NamedTuple):
    """A heading path and the text under it."""

    path: HeadingPath
    body: str


_UNDERLINED = re.compile(
    r"^(?P<title>[^\s].*)\n(?P<line>[-=~^\"'+*#`:.]{3,})[ \t]*$", re.M
)
_GOOGLE = re.compile(
    r"^(?P<title>Args|Arguments|Attributes|Example|Examples|Keyword Args|"
    r"Keyword Arguments|Note|Notes|Parameters|Raises|References|Return|Returns|"
    r"See Also|Todo|Usage|Warning|Warnings|Warns|Yields):[ \t]*$",
    re.M,
)
_FIELD = re.compile(r"^:(?:param|type|returns?|rtype|raises|arg|keyword)\b", re.M)
_ATX = re.compile(r"^(?P<marks>#{1,6})[ \t]+(?P<title>\S.*)$")
# Opens a code block; a run of back ticks with another behind it is inline code.
FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}(?=[^`]*$)|~{3,})")


def sections_of(text: str, markup: str) -> list[Section]:
    r"""Return the non-empty sections of `text` in order.

    Parameters
    ----------
    text : str
        A docstring (dedented), or the content of a file.
    markup : str
        ``docstring markdown rst html text`` or ``notebook``; anything else is text.

    Returns
    -------
    list of Section
        Empty only where `text` is blank.

    Examples
    --------
    >>> sections_of("# A\nfirst\n## B\nsecond", "markdown")
    [Section(path=('A',), body='first'), Section(path=('A', 'B'), body='second')]
    """
    cut = _CUTTERS.get(markup, _plain)
    cuts = cut(text)
    found: list[Section] = []
    for at, (path, body) in enumerate(cuts):
        body = body.strip("\n").rstrip()
        if not body.strip() and path:
            after = cuts[at + 1].path if at + 1 < len(cuts) else ()
            # A heading with nothing under it is its own text.
            body = "" if after[: len(path)] == path and after != path else path[-1]
        if body.strip():
            found.append(Section(path, body))
    return found


def _plain(text: str) -> list[Section]:
    return [Section((), text)]


def _at_matches(text: str, pattern: re.Pattern[str]) -> list[Section]:
    matches = [
        match
        for match in pattern.finditer(text)
        if "line" not in match.groupdict() or _underlines(match)
    ]
    if not matches:
        return _plain(text)
    found = [Section((), text[: matches[0].start()])]
    ends = [match.start() for match in matches[1:]] + [len(text)]
    for match, end in zip(matches, ends, strict=True):
        found.append(Section((match["title"].strip(),), text[match.end() : end]))
    return found


def _underlines(match: re.Match[str]) -> bool:
    """Whether a line of marks is a heading's, and not a table's or a text's."""
    line, title = match["line"], match["title"]
    return len(set(line)) == 1 and abs(len(line) - len(title.rstrip())) <= 3


def _docstring(text: str) -> list[Section]:
    for pattern in (_UNDERLINED, _GOOGLE):
        found = _at_matches(text, pattern)
        if len(found) > 1:
            return found
    field = _FIELD.search(text)
    if field:
        start = field.start()
        return [Section((), text[:start]), Section(("Parameters",), text[start:])]
    return _plain(text)


def _rst(text: str) -> list[Section]:
    levels: list[str] = []
    path: list[str] = []
    found = [Section((), "")]
    position = 0
    for match in _UNDERLINED.finditer(text):
        if not _underlines(match):
            continue
        before = text[position : match.start()]
        overline = f"\n{before}".rstrip(" \t\n").rpartition("\n")[2]
        if len(overline) >= 3 and set(overline) == {match["line"][0]}:
            before = before[: before.rindex(overline)]
        found[-1] = Section(found[-1].path, before)
        mark = match["line"][0]
        if mark not in levels:
            levels.append(mark)
        path = [*path[: levels.index(mark)], match["title"].strip()]
        found.append(Section(tuple(path), ""))
        position = match.end()
    found[-1] = Section(found[-1].path, text[position:])
    return found


def closes_fence(line: str, fence: str) -> bool:
    """Whether a line ends the code block that `fence` opened."""
    mark = line.strip()
    return mark.startswith(fence) and not mark.strip(fence[0])


def _title(text: str) -> str:
    """Return a heading without its closing marks, which stand apart from it."""
    text = text.rstrip()
    bare = text.rstrip("#")
    return bare.rstrip() if bare.endswith((" ", "\t")) else text


def _markdown(text: str) -> list[Section]:
    path: list[str] = []
    lines: list[str] = []
    found: list[Section] = []
    fence = ""
    for line in text.split("\n"):
        opened = FENCE.match(line)
        if opened and (not fence or closes_fence(line, fence)):
            fence = "" if fence else opened["fence"]
        heading = None if fence or opened else _ATX.match(line)
        if heading is None:
            lines.append(line)
            continue
        found.append(Section(tuple(path), "\n".join(lines)))
        lines = []
        path = [*path[: len(heading["marks"]) - 1], _title(heading["title"])]
    found.append(Section(tuple(path), "\n".join(lines)))
    return found


class _MarkdownOf(HTMLParser):
    """Turns a page into Markdown: headings, paragraphs, lists, code."""

    _IGNORED = frozenset({"script", "style", "head", "nav", "footer", "template"})
    _BLOCKS = frozenset(
        {"p", "div", "section", "article", "ul", "ol", "table", "tr", "dl", "dt", "dd"}
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.ignored = 0
        self.preformatted = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "body":
            self.ignored = 0  # the end of the head may be left out
        elif tag in self._IGNORED:
            self.ignored += 1
        elif tag == "pre":
            self.preformatted = True
            self.parts.append("\n\n```\n")
        elif re.fullmatch("h[1-6]", tag):
            self.parts.append("\n\n" + "#" * int(tag[1]) + " ")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag == "br":
            self.parts.append("\n")
        elif tag in self._BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._IGNORED:
            self.ignored = max(0, self.ignored - 1)
        elif tag == "pre":
            self.preformatted = False
            self.parts.append("\n```\n\n")
        elif tag in self._BLOCKS or re.fullmatch("h[1-6]", tag):
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self.ignored:
            self.parts.append(data if self.preformatted else re.sub(r"\s+", " ", data))


def _html(text: str) -> list[Section]:
    parser = _MarkdownOf()
    parser.feed(text)
    parser.close()
    return _markdown(re.sub(r"\n{3,}", "\n\n", "".join(parser.parts)))


def _notebook(text: str) -> list[Section]:
    parts = []
    for cell in json.loads(text).get("cells", []):
        source = cell.get("source", "")
        body = source if isinstance(source, str) else "".join(source)
        if cell.get("cell_type") == "code":
            longest = max(map(len, re.findall("`{3,}", body)), default=2)
            fence = "`" * (longest + 1)
            body = f"{fence}python\n{body}\n{fence}"
        parts.append(body)
    return _markdown("\n\n".join(parts))


_CUTTERS: dict[str, Callable[[str], list[Section]]] = {
    "docstring": _docstring,
    "html": _html,
    "markdown": _markdown,
    "notebook": _notebook,
    "rst": _rst,
}
