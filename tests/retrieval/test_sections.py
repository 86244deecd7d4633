"""Documents cut into sections: by docstring fields, headings, levels and cells."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.retrieval._sections import sections_of

MARKUPS = ("docstring", "html", "markdown", "notebook", "rst", "text")

NUMPY = """Join columns.

Long story.

Parameters
----------
on : str
    The key.

See Also
--------
merge : Other.
"""
GOOGLE = """Join columns.

Args:
    on: The key.

Returns:
    The joined table.
"""
FIELDS = """Join columns.

:param on: The key.
:returns: The joined table.
"""
RST = """Lead.

Guide
=====

Intro.

Install
-------

Use pip.

Next
====

More.
"""
OVERLINED = """=====
Guide
=====

Intro.

Install
-------

Use pip.
"""
MARKDOWN = """Lead.

# Guide
Intro.

## Install ##
```sh
# not a heading
pip install x
```

## Use
~~~
```
## nor this
~~~
It.

# Next
More.
"""
HTML = """<html><head><title>T</title><style>h1 {color: red}</style></head>
<body><nav>menu</nav><h1>Guide</h1><p>One&amp;two
three</p><script>alert("<h1>evil</h1>")</script>
<h2>Code</h2><pre># no heading
x  =  1</pre><ul><li>a<li>b</ul></body></html>"""


def cut(text: str, markup: str) -> list[tuple[tuple[str, ...], str]]:
    """Return the sections as plain tuples."""
    return [tuple(section) for section in sections_of(text, markup)]


@pytest.mark.parametrize(
    ("text", "markup", "expected"),
    [
        pytest.param(
            NUMPY,
            "docstring",
            [
                ((), "Join columns.\n\nLong story."),
                (("Parameters",), "on : str\n    The key."),
                (("See Also",), "merge : Other."),
            ],
            id="numpy",
        ),
        pytest.param(
            GOOGLE,
            "docstring",
            [
                ((), "Join columns."),
                (("Args",), "    on: The key."),
                (("Returns",), "    The joined table."),
            ],
            id="google",
        ),
        pytest.param(
            FIELDS,
            "docstring",
            [
                ((), "Join columns."),
                (
                    ("Parameters",),
                    ":param on: The key.\n:returns: The joined table.",
                ),
            ],
            id="fields",
        ),
        pytest.param(
            "Just prose: Args are none.",
            "docstring",
            [((), "Just prose: Args are none.")],
            id="prose",
        ),
        pytest.param(
            RST,
            "rst",
            [
                ((), "Lead."),
                (("Guide",), "Intro."),
                (("Guide", "Install"), "Use pip."),
                (("Next",), "More."),
            ],
            id="rst",
        ),
        pytest.param(
            OVERLINED,
            "rst",
            [(("Guide",), "Intro."), (("Guide", "Install"), "Use pip.")],
            id="rst-overlined",
        ),
        pytest.param(
            MARKDOWN,
            "markdown",
            [
                ((), "Lead."),
                (("Guide",), "Intro."),
                (("Guide", "Install"), "```sh\n# not a heading\npip install x\n```"),
                (("Guide", "Use"), "~~~\n```\n## nor this\n~~~\nIt."),
                (("Next",), "More."),
            ],
            id="markdown",
        ),
        pytest.param("# C#\nx", "markdown", [(("C#",), "x")], id="sharp"),
        pytest.param("#tag\nx", "markdown", [((), "#tag\nx")], id="no-heading"),
        pytest.param(
            "### Deep\nx\n# Top\ny",
            "markdown",
            [(("Deep",), "x"), (("Top",), "y")],
            id="skipped-levels",
        ),
        pytest.param(
            "```pip install x```\n# Next\ny",
            "markdown",
            [((), "```pip install x```"), (("Next",), "y")],
            id="code-span-is-no-fence",
        ),
        pytest.param(
            "````\n```\n# in\n````\n# Next\ny",
            "markdown",
            [((), "````\n```\n# in\n````"), (("Next",), "y")],
            id="longer-fence",
        ),
        pytest.param(
            "```\nx\n````\n# Next\ny",
            "markdown",
            [((), "```\nx\n````"), (("Next",), "y")],
            id="longer-closing-fence",
        ),
        pytest.param(
            "| a | b |\n|---|---|\n| 1 | 2 |",
            "markdown",
            [((), "| a | b |\n|---|---|\n| 1 | 2 |")],
            id="table",
        ),
        pytest.param(
            HTML,
            "html",
            [
                (("Guide",), "One&two three"),
                (("Guide", "Code"), "```\n# no heading\nx  =  1\n```\n\n- a\n- b"),
            ],
            id="html",
        ),
        pytest.param("plain\n# text", "text", [((), "plain\n# text")], id="text"),
        pytest.param("plain", "unheard of", [((), "plain")], id="unknown"),
    ],
)
def test_sections_follow_the_markup(
    text: str, markup: str, expected: list[tuple[tuple[str, ...], str]]
) -> None:
    """Each markup is cut where a reader sees a new section."""
    found = [
        (path, re.sub(r"\n[ ]+", "\n", body) if markup == "html" else body)
        for path, body in cut(text, markup)
    ]
    assert found == expected


def test_a_table_of_marks_is_no_heading() -> None:
    """A line of marks much longer than the text above it is a table's."""
    text = "a\n==========\n1\n=========="
    assert cut(text, "rst") == [((), text)]


def test_html_is_read_where_end_tags_are_left_out() -> None:
    """HTML may leave out the end of its head; the body is read all the same."""
    page = "<html><head><title>t</title><body><p>hello"
    assert "hello" in str(cut(page, "html"))


@pytest.mark.parametrize("tag", ["script", "style", "template", "nav", "footer"])
def test_html_leaves_out_what_is_no_text(tag: str) -> None:
    """Scripts, styles, navigation and the like are not documentation."""
    assert cut(f"<p>a</p><{tag}>secret</{tag}><p>b</p>", "html") == [((), "a\n\nb")]


def notebook_of(*cells: tuple[str, object]) -> str:
    """Return a notebook of cells of a type with a source."""
    return json.dumps({"cells": [{"cell_type": k, "source": s} for k, s in cells]})


def test_a_notebook_is_its_prose_and_its_code() -> None:
    """Markdown cells give the headings, code cells are code and never headings."""
    text = notebook_of(
        ("markdown", ["# Tour\n", "Look."]),
        ("code", "# a comment\nx = 1"),
        ("markdown", "## End\nDone."),
    )
    assert cut(text, "notebook") == [
        (("Tour",), "Look.\n\n```python\n# a comment\nx = 1\n```"),
        (("Tour", "End"), "Done."),
    ]


def test_a_notebook_keeps_code_whole_that_holds_a_fence() -> None:
    """A fence inside a code cell does not end the cell."""
    text = notebook_of(("code", 'text = """\n```\n"""\n# a comment\nx = 1'))
    assert [path for path, _ in cut(text, "notebook")] == [()]


@pytest.mark.parametrize("markup", MARKUPS)
@pytest.mark.parametrize("blank", ["", " ", "\n\n \n"])
def test_blank_text_has_no_section(markup: str, blank: str) -> None:
    """Nothing is cut from nothing."""
    text = notebook_of(("markdown", blank)) if markup == "notebook" else blank
    assert sections_of(text, markup) == []


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("# Alone", "markdown"),
        ("# First\n# Second\nbody", "markdown"),
        ("Alone\n=====\n", "rst"),
        ("First\n=====\n\nSecond\n======\n\nbody", "rst"),
        ("Lead.\n\nNotes\n-----\n", "docstring"),
        ("<h1>Alone</h1>", "html"),
    ],
)
def test_a_heading_with_nothing_under_it_is_kept(text: str, markup: str) -> None:
    """A heading is found by its own words, whether or not a text follows it."""
    kept = words(str(cut(text, markup)))
    assert words(re.sub("<[^>]*>", "", text)) <= kept


def words(text: str) -> set[str]:
    """Return the words in a text."""
    return set(re.findall(r"\w+", text))


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# Head",
                "## Sub",
                "Title\n=====",
                "Under\n-----",
                "```",
                "~~~~",
                "```python",
                "Args:",
                "Returns:",
                ":param x: it",
                "",
                "    indented",
                "* item",
                "=====",
            ]
        ),
        st.text("abcXYZ 12#=-`.:*\t", max_size=20),
    ),
    max_size=12,
)


@pytest.mark.parametrize("markup", ["docstring", "markdown", "rst", "text"])
@settings(deadline=None)
@given(lines=LINES)
def test_sections_lose_no_word(markup: str, lines: list[str]) -> None:
    """Every word of the input is in a section's path or body; none is empty."""
    text = "\n".join(lines)
    found = sections_of(text, markup)
    assert all(section.body.strip() for section in found)
    kept = words("\n".join(" ".join(each.path) + "\n" + each.body for each in found))
    assert words(text) <= kept


@pytest.mark.parametrize("markup", [each for each in MARKUPS if each != "notebook"])
@settings(deadline=None)
@given(text=st.text(max_size=100))
def test_sections_take_any_text(markup: str, text: str) -> None:
    """No text at all makes the cutting fail."""
    assert all(section.body.strip() for section in sections_of(text, markup))


@pytest.mark.parametrize(
    "line",
    ["# a" + " " * 9_000 + "b", "# " + "# " * 9_000 + "b", "a" + "=" * 150_000],
    ids=["spaces", "sharps", "marks"],
)
def test_a_hostile_line_is_cut_in_time_that_grows_with_it(line: str) -> None:
    """No heading pattern backtracks, which would take minutes."""
    started = time.perf_counter()
    for markup in ("markdown", "rst", "docstring"):
        sections_of(f"{line}\nx", markup)
    assert time.perf_counter() - started < 20
