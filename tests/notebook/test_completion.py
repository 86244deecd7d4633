"""Inside a filter, the tab key knows columns, operators and what is indexed."""

from __future__ import annotations

from typing import Any

import pytest

from contexter_nb.notebook._completion import complete
from contexter_nb.retrieval import FILTER_COLUMNS
from tests.fixtures import Kernel

LIBRARIES = ("httpx", "json", "team notes", "textwrap")


def held(column: str) -> tuple[str, ...]:
    """Return what the index holds; its table has a column of its own."""
    return {"library": LIBRARIES, "": ("severity",)}.get(column, ())


@pytest.mark.parametrize(
    ("before", "fragment", "words"),
    [
        ("nb.search('x', where={'", "", (*FILTER_COLUMNS, "severity")),
        ('nb.search("x", where={"sev', "sev", ("severity",)),
        ('nb.search("x", where={"lib', "lib", ("library",)),
        ('nb.search(\n    "x",\n    where={\n        "k', "k", ("kind",)),
        ('where={"library": "httpx", "s', "s", ("section", "source", "severity")),
        ('where={"library": ["httpx", "json"], "to', "to", ("tokens",)),
        ('where={"tokens": {"lt": 5}, "ti', "ti", ("title",)),
        ('where={"library": "', "", LIBRARIES),
        ('where={"library": ["json", "te', "te", ("team notes", "textwrap")),
        ('where={"library": {"not": "h', "h", ("httpx",)),
        ('where={"kind": "me', "me", ("method",)),
        ('where={"source": "f', "f", ("folder", "frame")),
        ('where={"tokens": {"', "", ("gt", "gte", "lt", "lte", "not", "prefix")),
        ('where={"tokens": {"gte": 3, "l', "l", ("lt", "lte")),
        ('nb.remove({"lib', "lib", ("library",)),
    ],
)
def test_what_may_come_next(before: str, fragment: str, words: tuple[str, ...]) -> None:
    """Words are of the place in the filter that the cursor is at."""
    assert complete(before, held) == (fragment, words)


@pytest.mark.parametrize(
    "before",
    [
        "",
        'nb.search("lib',
        'where={"library": "httpx"}, mode="',
        "somewhere(a={'",
        'where={"tokens": 5',
    ],
)
def test_elsewhere_it_says_nothing(before: str) -> None:
    """Outside of a filter, and outside of a text in one, others complete."""
    assert complete(before, held) is None


def test_the_kernel_completes_what_is_indexed(
    kernel: Kernel, own_small_home: Any
) -> None:
    """A real kernel answers the tab key with the names in this home, and only once."""
    ran = kernel.run_cell(
        f"import contexter_nb as cx\n"
        f"one = cx.connect(home={str(own_small_home)!r})\n"
        f"two = cx.connect(home={str(own_small_home)!r})\n"
    )
    assert ran.status == "ok", ran.error
    code = 'two.search("x", where={"library": "te'
    reply = kernel.kc.complete(code, len(code), reply=True, timeout=20)["content"]
    assert reply["matches"] == ["textwrap"]
    assert code[: reply["cursor_start"]].endswith('"')
    kernel.run_cell(
        "import pandas as pd\n"
        "two.index(pd.DataFrame({'text': ['a'], 'severity': [1]}), name='notes')\n"
    )
    code = 'two.search("x", where={"sev'
    reply = kernel.kc.complete(code, len(code), reply=True, timeout=20)["content"]
    assert reply["matches"] == ["severity"]
    kernel.run_cell("two.remove('notes'), one.close(), two.close()")
