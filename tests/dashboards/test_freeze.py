"""Pictures of a view: escaped, without script, and loading nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from contexter_nb import connect

PROBES = (
    "<script>window.struck = 1</script>",
    "<img src=x onerror='window.struck = 1'>",
    "</style></title><svg onload=alert(1)>",
    "\"><a href='javascript:alert(1)'>x</a>",
)
TAGS = {
    *("a", "body", "code", "div", "head", "html", "img", "li", "main", "mark"),
    *("meta", "ol", "p", "pre", "small", "span", "strong", "style", "title"),
}
DRAWING = "data:image/svg+xml;base64,"


class Reader(HTMLParser):
    """Collects tags, attributes and text, as a browser's parser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    handle_startendtag = handle_starttag

    def sources(self) -> list[str]:
        """Return what images are made of."""
        return [str(value) for name, value in self.attributes if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def reader(own_small_home: Path) -> Iterator[Any]:
    """Give one session on a small index to all tests here, one of which judges."""
    with connect(home=own_small_home) as opened:
        yield opened


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give an explorer on passages of which every field is markup."""
    import pandas as pd

    table = pd.DataFrame(
        {
            "title": PROBES,
            "text": [f"{probe} passage" for probe in PROBES],
            "url": ["javascript:alert(1)"] * len(PROBES),
            "kind": PROBES,
        }
    )
    with connect(home=tmp_path_factory.mktemp("hostile")) as nb:
        nb.index(table, name=PROBES[1])
        yield nb.explorer(f"{PROBES[0]} passage")


def pictures(explorer: Any) -> list[str]:
    """Return every HTML that an explorer makes."""
    bundle, _ = explorer._repr_mimebundle_()
    return [bundle["text/html"], explorer.to_html()]


def test_hostile_passages_are_text(hostile: Any) -> None:
    """No tag, no handler and no link of a passage comes through, and all is read."""
    for html in pictures(hostile):
        seen = Reader(html)
        assert seen.tags <= TAGS
        names = {name for name, _ in seen.attributes}
        assert not {name for name in names if name.startswith("on")}
        assert not [value for name, value in seen.attributes if name == "href"]
        assert all(each.startswith(DRAWING) for each in seen.sources())
        assert PROBES[0] in seen.text


def test_a_page_loads_nothing(hostile: Any, tmp_path: Path) -> None:
    """The file has no address but those of links, and forbids itself to load."""
    path = tmp_path / "view.html"
    page = hostile.to_html(path)
    assert path.read_text(encoding="utf-8") == page
    told = re.sub(r"&lt;.*?&gt;", "", page).replace(f'src="{DRAWING}', "")
    assert not re.search(r"url\(|@import|src=", told)
    assert "default-src &#x27;none&#x27;" in page


def test_a_picture_has_its_map_where_inline_drawings_are_dropped(reader: Any) -> None:
    """An untrusted notebook drops SVG: the map comes as an image, with words for it."""
    for html in pictures(reader.explorer("shorten a text", limit=3)):
        seen = Reader(html)
        (source,) = seen.sources()
        drawing = base64.b64decode(source.removeprefix(DRAWING)).decode()
        assert ElementTree.fromstring(drawing).tag.endswith("svg")
        assert (
            "alt",
            "Map of the collection with the hits and the question",
        ) in seen.attributes


def test_a_picture_without_styles_reads_in_order(reader: Any) -> None:
    """Where styles and drawings are dropped, the hits are a numbered list of names."""
    html, _ = pictures(reader.explorer("shorten a text", limit=3))
    bare = re.sub(r"<style.*?</style>|<img[^>]*>", "", html, flags=re.DOTALL)
    bare = re.sub(r' (style|class)="[^"]*"', "", bare)
    assert bare.count("<li>") == 3
    assert "<ol>" in bare
    text = Reader(bare).text
    assert text.index("shorten a text") < text.index("textwrap.shorten")
    assert "<mark>" in bare


def test_a_picture_shows_grades_and_problems(reader: Any) -> None:
    """What was judged, compared and failed is in the picture."""
    from contexter_nb.bridge import default_bridge

    explorer = reader.explorer("shorten a text", limit=3)
    desk = explorer._desk
    first = explorer.results["chunk_id"].iloc[0]
    default_bridge().run(desk.take({"do": "judge", "id": first, "grade": 2}))
    default_bridge().run(desk.take({"do": "pin"}))
    setting = {**explorer.widget.setting, "mode": "text"}
    default_bridge().run(desk.take({"do": "search", "setting": setting}))
    default_bridge().run(desk.take({"do": "nonsense"}))
    text = Reader(explorer.to_html()).text
    assert "judged 2, helps" in text
    assert "pinned: hybrid" in text
    assert "Problem: The view asks for 'nonsense'" in text


def test_a_picture_names_the_diamond_only_where_it_is_drawn(reader: Any) -> None:
    """A search by words has no place for its question, and its picture claims none."""
    by_words = pictures(reader.explorer("shorten a text", mode="text"))[0]
    assert "diamond" not in by_words
    assert "and the question" not in by_words
    assert "diamond" in pictures(reader.explorer("shorten a text"))[0]


def test_a_picture_has_a_budget(reader: Any) -> None:
    """Fifty hits stay below what a notebook can bear."""
    html, _ = pictures(reader.explorer("a text", limit=50))
    assert len(html) < 150_000
