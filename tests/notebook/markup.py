"""HTML read as a browser's parser reads it: every tag, every link, every word."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

TAGS = {"a", "div", "mark", "p", "pre", "span", "strong", "table", "td", "th", "tr"}
ATTRIBUTES = {"href", "rel", "role", "scope", "style", "target"}
SCHEMES = {"http", "https", "mailto"}


@dataclass
class Page:
    """What a piece of HTML holds.

    Attributes
    ----------
    tags : list of str
        Every start tag in order.
    text : str
        What a reader sees.
    marked : list of str
        The texts inside ``<mark>``.
    """

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    text: str = ""
    marked: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"a tag <{tag}> came in"
        for name, value in attrs:
            assert name in ATTRIBUTES, f"an attribute {name} came in at <{tag}>"
            if name == "href":
                assert urlsplit(value or "").scheme in SCHEMES, value
                self.page.links.append(value or "")
        assert "style" not in dict(attrs) or "url(" not in str(dict(attrs)["style"])
        self.page.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(f"<{tag}/> closes itself")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.page.text += data
        if "mark" in self.open:
            self.page.marked.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment came in: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration came in: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction came in: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration came in: {data}")


def read(html: str) -> Page:
    """Return what a piece of HTML holds; raise where it is not harmless and balanced.

    Only tags and attributes that show text are let through, only links to pages and
    mail, and every tag must be closed in its turn.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader.page
