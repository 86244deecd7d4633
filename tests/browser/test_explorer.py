"""The explorer as a person meets it: a real JupyterLab, a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import axe_or_skip, violations
from tests.browser.lab import (
    EXECUTE,
    execute,
    open_notebook,
    run_all,
    visit,
    write_notebook,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUESTION = "shorten a text to a width"
PROBES = [
    "<script>window.__struck = 1</script>",
    "<img src=x onerror='window.__struck = 1'>",
    "<svg onload='window.__struck = 1'>",
    "\"><b onmouseover='window.__struck = 1'>",
]
OUTPUTS = (
    "JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.cells.get(1)"
    ".outputs.toJSON())"
)


class Person:
    """Someone at a notebook whose second cell shows an explorer."""

    def __init__(self, page: Any) -> None:
        self.page = page

    @property
    def query(self) -> Any:
        return self.page.locator(".cx-query")

    @property
    def cards(self) -> Any:
        return self.page.locator(".cx-hits:not(.cx-others) > .cx-card")

    def python(self, code: str) -> str:
        """Run code in the kernel and return what it printed."""
        return execute(self.page, code)

    def button(self, name: str) -> Any:
        """Return a button of the explorer by its name."""
        explorer = self.page.locator(".cx-explorer")
        return explorer.get_by_role("button", name=name, exact=True)

    def ask(self, question: str, expected: str) -> None:
        """Type a question and wait for a hit."""
        self.query.fill("")
        self.query.press_sequentially(question)
        self.page.locator(".cx-title", has_text=expected).first.wait_for()
        self.settled()

    def settled(self) -> None:
        """Wait until nothing is loading."""
        self.page.locator(".cx-explorer:not([data-loading])").wait_for()
        self.page.locator(".cx-explorer[data-phase=done]").wait_for()

    def run_cell(self, index: int) -> None:
        """Run one cell again and wait for its explorer."""
        self.page.evaluate(
            "(index) => { const widget = window.jupyterapp.shell.currentWidget;"
            "widget.content.activeCellIndex = index;"
            "return window.jupyterapp.commands.execute('notebook:run-cell') }",
            index,
        )


@pytest.fixture(scope="module")
def at_desk(lab: Any) -> Iterator[Person]:
    """Give a person whose notebook ran with Run All, and who asked nothing yet."""
    address, notebooks = lab
    write_notebook(
        notebooks / "explorer.ipynb",
        "import contexter_nb as cx\nnb = cx.connect()",
        f"explorer = nb.explorer({QUESTION!r}, limit=5)\nexplorer",
        "print(len(explorer.results))",
    )
    with open_notebook(address, "explorer.ipynb") as page:
        assert run_all(page) == [1, 2, 3]
        yield Person(page)


@pytest.fixture
def person(at_desk: Person) -> Person:
    """Give this person a fresh explorer."""
    if at_desk.python("print(len(explorer._desk.state.history.entries))") != "1" or (
        at_desk.page.locator(".cx-explorer").count() != 1
    ):
        at_desk.run_cell(1)
    at_desk.cards.first.wait_for()
    at_desk.settled()
    return at_desk


def test_typing_filters_and_back(person: Person) -> None:
    """Hits follow the typing, a tick filters them, back leads to the first question."""
    person.ask("dump an object to a file", "json.dump")
    told = person.python("print(explorer.results.attrs['query'])")
    assert told == "dump an object to a file"
    assert person.python("print(len(explorer._desk.state.history.entries))") == "2"
    person.page.locator(".cx-row", has_text="httpx").locator("input").check()
    person.page.locator(".cx-heads", has_text="httpx").wait_for()
    assert person.python("print(set(explorer.results['library']))") == "{'httpx'}"
    person.button("Back").click()
    person.page.locator(".cx-title", has_text="json.dump").first.wait_for()
    person.button("Back").click()
    person.page.locator(".cx-title", has_text="textwrap.shorten").first.wait_for()
    assert person.query.input_value() == QUESTION
    assert person.button("Back").is_disabled()


def test_keys_move_open_and_judge(person: Person) -> None:
    """Arrows go from hit to hit, Enter opens, 0 to 3 and + and − judge, / asks."""
    person.query.press("ArrowDown")
    person.page.keyboard.press("ArrowDown")
    second = person.cards.nth(1)
    assert second.evaluate("node => node === document.activeElement")
    person.page.keyboard.press("Enter")
    assert "cx-open" in second.get_attribute("class")
    cells = person.page.locator(".jp-CodeCell").count()
    for key in "bdd":  # in Jupyter a new cell, and the end of this one
        person.page.keyboard.press(key)
    assert person.page.locator(".jp-CodeCell").count() == cells
    person.page.keyboard.press("+")
    second.locator(".cx-g1[aria-pressed=true]").wait_for()
    assert person.python("print(explorer.selection['rank'].tolist())") == "[2]"
    graded = "print(explorer.judgments['grade'].tolist()[-1])"
    assert person.python(graded) == "1"
    for key, grade in (("-", 0), ("3", 3), ("2", 2)):
        person.page.keyboard.press(key)
        second.locator(f".cx-g{grade}[aria-pressed=true]").wait_for()
        assert second.locator("[aria-pressed=true]").count() == 1
    told = person.cards.nth(1).get_by_role("button", name="2, helps")
    assert told.get_attribute("aria-pressed") == "true"
    assert person.python(graded) == "2"
    rows = int(person.python("print(len(explorer.judgments))"))
    person.page.keyboard.press("2")
    second.locator("[aria-pressed=true]").wait_for(state="detached")
    assert person.python("print(len(explorer.judgments))") == str(rows - 1)
    person.page.keyboard.press("/")
    assert person.query.evaluate("node => node === document.activeElement")


def test_two_settings_are_compared_and_coded(person: Person) -> None:
    """Compare keeps one list beside the other, with moves, and Code gives both."""
    person.button("Compare").click()
    person.page.locator(".cx-modes label", has_text="Words").click()
    person.page.locator(".cx-heads", has_text="by words").wait_for()
    others = person.page.locator(".cx-others > .cx-card")
    assert others.count() == person.cards.count() == 5
    assert person.cards.first.locator(".cx-move").inner_text()
    person.button("Code").click()
    code = person.page.locator(".cx-code").inner_text()
    assert 'mode="text"' in code
    assert person.python(f"{code}\nprint(hits.equals(explorer.results))") == "True"
    person.page.keyboard.press("Escape")
    assert person.page.locator(".cx-code").is_hidden()
    person.button("Stop comparing").click()
    person.page.locator(".cx-others").wait_for(state="hidden")


def test_the_map_selects(person: Person) -> None:
    """A click on a hit of the map selects its card."""
    dot = person.page.locator(".cx-dots g").last
    hit = dot.get_attribute("data-id")
    dot.locator("circle").dispatch_event("click")
    card = person.page.locator(f".cx-card[data-key='{hit}']")
    person.page.locator(".cx-card[aria-current]").wait_for()
    assert "cx-selected" in card.get_attribute("class")
    assert person.python("print(explorer.selection['chunk_id'].iloc[0])") == hit


def test_a_busy_kernel_still_answers(person: Person) -> None:
    """While a cell blocks the main thread, typing finds, where comms have subshells."""
    # The first message of a view makes JupyterLab begin one.
    person.ask("parse a json document", "json.load")
    person.page.evaluate(
        "() => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext"
        ".session.kernel; window.busy = kernel.requestExecute("
        "{code: 'import time; time.sleep(10); done = True'});"
        "window.ended = false; window.busy.done.then(() => { window.ended = true; }) }"
    )
    person.ask("dump an object to a file", "json.dump")
    assert person.page.evaluate("window.ended") is False
    person.page.evaluate("window.busy.done.then(() => null)")


def test_a_view_that_goes_says_so(person: Person) -> None:
    """When its cell runs again the old explorer has no view any more."""
    person.python("old = explorer")
    assert person.python("print(len(old._desk._views))") == "1"
    person.run_cell(1)
    person.page.wait_for_function("document.querySelectorAll('.cx-explorer').length==1")
    person.cards.first.wait_for()
    person.page.wait_for_function(
        f"async () => (await ({EXECUTE})('print(len(old._desk._views))')).trim()==='0'"
    )


def test_slow_and_failing_services_show(person: Person) -> None:
    """A slow search can be cancelled, a failed one says why, and the view goes on."""
    person.python(
        "import asyncio\n"
        "kept = nb._verbs._embed_query\n"
        "async def slow(query):\n"
        "    if 'fail' in query: raise OSError('the wire <b>broke</b>')\n"
        "    if 'slow' in query: await asyncio.sleep(60)\n"
        "    return await kept(query)\n"
        "nb._verbs._embed_query = slow"
    )
    person.query.fill("slow search")
    person.page.locator(".cx-status", has_text="Searching for").wait_for()
    person.button("Cancel").click()
    person.page.locator(".cx-status", has_text="Cancelled").wait_for()
    assert person.cards.count() == 5
    person.query.fill("fail search")
    banner = person.page.locator(".cx-banner", has_text="the wire <b>broke</b>")
    banner.wait_for()
    person.ask("dump an object to a file", "json.dump")
    banner.wait_for(state="hidden")
    person.python("nb._verbs._embed_query = kept")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_it_is_accessible(person: Person, theme: str) -> None:
    """axe-core finds nothing against WCAG 2.1 AA: plain, comparing, with panels."""
    axe_or_skip()
    person.page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme',"
        "{theme})",
        theme,
    )
    light = str(theme.endswith("Light")).lower()
    person.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
    assert violations(person.page, ".cx-explorer") == []
    person.cards.first.locator(".cx-g3").click()
    person.button("Compare").click()
    person.page.locator(".cx-modes label", has_text="Meaning").click()
    person.page.locator(".cx-heads", has_text="by meaning").wait_for()
    person.button("Keys").click()
    assert violations(person.page, ".cx-explorer") == []


def test_freezing_leaves_a_picture(person: Person) -> None:
    """The button replaces the widget in its place; what is saved needs no kernel."""
    assert "widget-view" in person.page.evaluate(OUTPUTS)
    person.button("Freeze").click()
    still = person.page.locator(".cx-still")
    still.wait_for()
    assert person.page.locator(".cx-explorer").count() == 0
    assert "textwrap.shorten" in still.inner_text()
    saved = person.page.evaluate(OUTPUTS)
    assert "widget-view" not in saved
    assert "<script" not in saved


def test_a_narrow_view_leaves_question_and_names_whole(person: Person) -> None:
    """Buttons do not take the room of what is read."""
    usual = person.page.viewport_size
    try:
        person.page.set_viewport_size({"width": 700, "height": 1100})
        person.page.locator(".cx-explorer").evaluate("node => node.scrollIntoView()")
        query = person.query
        assert query.evaluate("node => node.scrollWidth <= node.clientWidth")
        shorten = person.cards.filter(has_text="textwrap.shorten").first
        shorten.hover()
        title = shorten.locator(".cx-title")
        assert title.evaluate("node => node.scrollWidth <= node.clientWidth")
        name, grade = (
            each.bounding_box() for each in (title, shorten.locator(".cx-g0"))
        )
        assert grade["y"] >= name["y"] + name["height"] or (
            grade["x"] >= name["x"] + name["width"]
        )
        shorten.locator(".cx-g2").click()
        shorten.locator(".cx-g2[aria-pressed=true]").wait_for()
        shorten.locator(".cx-g2").click()
        shorten.locator("[aria-pressed=true]").wait_for(state="detached")
    finally:
        person.page.set_viewport_size(usual)


def test_nothing_moves_while_typing(person: Person) -> None:
    """The view's height and place are the same in every frame of a search."""
    person.page.evaluate(
        "() => { window.seen = new Set(); const look = () => {"
        "const box = document.querySelector('.cx-explorer').getBoundingClientRect();"
        "window.seen.add(`${box.top} ${box.height}`);"
        "window.frame = requestAnimationFrame(look) }; look() }"
    )
    person.ask("dump an object to a file", "json.dump")
    person.page.evaluate("cancelAnimationFrame(window.frame)")
    assert person.page.evaluate("window.seen.size") == 1


def test_hostile_passages_execute_nothing(
    lab: Any, at_desk: Person, tmp_path: Path
) -> None:
    """Markup in every field is text: in cards, filters, map, code and the picture."""
    address, notebooks = lab
    write_notebook(
        notebooks / "hostile.ipynb",
        "import contexter_nb as cx, pandas as pd\n"
        f"nb = cx.connect(home={str(tmp_path)!r})\nprobes = {PROBES!r}\n"
        "table = pd.DataFrame({'title': probes, 'text': [p + ' text' for p in probes],"
        " 'url': ['javascript:window.__struck=1'] * 4, 'kind': probes})\n"
        "report = nb.index(table, name=probes[1])",
        "explorer = nb.explorer(probes[0] + ' text')\nexplorer",
    )
    page = visit(at_desk.page.context.browser, address, "hostile.ipynb")
    assert run_all(page) == [1, 2]
    someone = Person(page)
    someone.cards.first.wait_for()
    someone.button("Code").click()
    someone.page.keyboard.press("Escape")
    for at in range(someone.cards.count()):
        someone.cards.nth(at).hover()
    for dot in page.locator(".cx-dots circle").all():
        dot.hover(force=True)
    someone.query.fill(PROBES[1])
    someone.settled()
    someone.button("Compare").click()
    page.locator(".cx-others > .cx-card").first.wait_for()
    assert "<script>" in page.locator(".cx-results").inner_text()
    assert page.locator("a[href^=javascript]").count() == 0
    someone.button("Freeze").click()
    page.locator(".cx-still").wait_for()
    for each in page.locator(".cx-still li").all():
        each.hover()
    assert page.evaluate("window.__struck") is None
