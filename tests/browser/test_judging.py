"""Judging a pool as a person meets it: a real JupyterLab, a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.axe import axe_or_skip, violations
from tests.browser.lab import (
    execute,
    open_notebook,
    run_all,
    visit,
    write_notebook,
)
from tests.browser.test_explorer import PROBES

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FRESH = """
for each in nb.judgments().itertuples():
    nb.judge(each.query, each.chunk_id, None)
explorer.close()
explorer = nb.explorer(judge=pool)
"""


class Judge:
    """Someone at a notebook whose second cell shows a pool to judge."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.view = page.locator(".cx-judging")

    @property
    def passage(self) -> Any:
        return self.view.locator(".cx-passage")

    def python(self, code: str) -> str:
        """Run code in the kernel and return what it printed."""
        return execute(self.page, code)

    def button(self, name: str) -> Any:
        """Return a button of the view by its name."""
        return self.view.get_by_role("button", name=name, exact=True)

    def at(self, position: str) -> None:
        """Wait until a passage is shown, and may be judged."""
        self.view.locator(".cx-position", has_text=position).wait_for()
        self.page.locator(".cx-judging:not([data-deaf])").wait_for()

    def show(self) -> None:
        """Run the cell of the view again."""
        self.page.evaluate(
            "() => { const widget = window.jupyterapp.shell.currentWidget;"
            "widget.content.activeCellIndex = 1;"
            "return window.jupyterapp.commands.execute('notebook:run-cell') }"
        )

    def press(self, key: str, position: str) -> None:
        """Press a key and wait for the passage that it leads to."""
        self.page.keyboard.press(key)
        self.at(position)

    def grades(self) -> str:
        """Return the grades that are on disk, in the order of the pool."""
        return self.python(
            "cx.run(explorer._desk.leave())\n"
            "kept = nb.judgments().set_index(['query', 'chunk_id'])['grade']\n"
            "print(*[kept.get((q, c), '-') for q, c in "
            "zip(pool['query'], pool['chunk_id'])])"
        )


@pytest.fixture(scope="module")
def at_desk(lab: Any) -> Iterator[Judge]:
    """Give a person whose notebook ran with Run All."""
    address, notebooks = lab
    write_notebook(
        notebooks / "judging.ipynb",
        "import contexter_nb as cx\nnb = cx.connect()\n"
        "pool = nb.pool(['shorten a text to a width', 'time out a slow request'])\n"
        "pool = pool.groupby('query', sort=False).head(3)\n"
        "explorer = nb.explorer(judge=pool)",
        "explorer",
        "print(len(explorer.unjudged))",
    )
    with open_notebook(address, "judging.ipynb") as page:
        assert run_all(page) == [1, 2, 3]
        yield Judge(page)


@pytest.fixture
def judge(at_desk: Judge) -> Judge:
    """Give this person the pool of six passages anew, the keys in its view."""
    assert "ERROR" not in at_desk.python(FRESH)
    at_desk.show()
    at_desk.at("1 of 6 · question 1 of 2")
    at_desk.passage.click()
    return at_desk


def test_keys_go_through_a_pool_to_its_end(judge: Judge) -> None:
    """Digits grade, s and → skip; the end counts and goes through the skipped."""
    keys = ["3", "s", "0", "ArrowRight", "2"]
    for number, key in enumerate(keys, start=2):
        judge.press(key, f"{number} of 6")
    judge.page.keyboard.press("1")
    end = judge.view.locator(".cx-end")
    end.get_by_text("4 of 6 passages are judged").wait_for()
    assert end.evaluate("node => node === document.activeElement")
    assert judge.grades() == "3 - 0 - 2 1"
    assert end.locator(".cx-counts dd").all_inner_texts() == ["1", "1", "1", "1", "2"]
    assert "skipped" in end.locator(".cx-counts dt").last.inner_text()
    assert "nb.experiment(" in end.locator(".cx-code").inner_text()
    judge.button("Go through the 2 skipped").click()
    judge.at("2 of 6")
    assert judge.passage.evaluate("node => node === document.activeElement")
    judge.press("2", "4 of 6")
    judge.page.keyboard.press("2")
    end.get_by_text("All 6 passages are judged").wait_for()
    assert judge.button("Go through the 2 skipped").count() == 0
    assert judge.grades() == "3 2 0 2 2 1"
    assert judge.python("print(len(explorer.unjudged))") == "0"


def test_back_changes_and_takes_back(judge: Judge) -> None:
    """U and ← show the passage before with its grade; Backspace takes it away."""
    judge.press("1", "2 of 6")
    judge.press("2", "3 of 6")
    judge.press("u", "2 of 6")
    pressed = judge.view.locator(".cx-choice[aria-pressed=true]")
    assert "helps" in pressed.inner_text()
    judge.press("ArrowLeft", "1 of 6")
    assert "touches on it" in pressed.inner_text()
    judge.press("3", "3 of 6")
    judge.press("u", "1 of 6")
    judge.page.keyboard.press("Backspace")
    pressed.wait_for(state="detached")
    assert judge.grades() == "- 2 - - - -"
    assert judge.button("Take the grade back").count() == 0


def test_the_mouse_alone_will_do(judge: Judge) -> None:
    """Buttons grade, skip, go back and take back; what was done last is said."""
    judge.view.locator(".cx-choice").nth(2).click()
    judge.at("2 of 6")
    judge.view.locator(".cx-status", has_text="2, helps").wait_for()
    judge.button("Skip →").click()
    judge.at("3 of 6")
    judge.button("← Back").click()
    judge.at("2 of 6")
    judge.button("← Back").click()
    judge.at("1 of 6")
    judge.button("Take the grade back").click()
    judge.view.locator(".cx-choice[aria-pressed=true]").wait_for(state="detached")
    assert judge.passage.evaluate("node => node === document.activeElement")
    assert judge.grades() == "- - - - - -"


def test_nothing_tells_which_setting_found_a_passage(judge: Judge) -> None:
    """Neither what is shown nor what was sent names a rank, score or mode."""
    judge.press("0", "2 of 6")
    sent = judge.python("print(explorer.widget.passage, explorer.widget.progress)")
    for told in (judge.view.inner_text().lower(), sent.lower()):
        for word in ("rank", "score", "hybrid", "dense", "variant"):
            assert word not in told


def test_a_new_question_is_marked(judge: Judge) -> None:
    """Its first passage says so, once."""
    fresh = judge.view.locator(".cx-fresh:visible")
    for position in ("2 of 6", "3 of 6"):
        judge.press("0", position)
        assert fresh.count() == 0
    judge.press("0", "4 of 6 · question 2 of 2")
    assert fresh.inner_text() == "new question"
    assert (
        "time out a slow request"
        in judge.view.locator(".cx-asked:visible").inner_text()
    )
    judge.press("0", "5 of 6")
    assert fresh.count() == 0


def test_a_key_held_down_judges_one(judge: Judge) -> None:
    """Repeats of the keyboard are not grades of what nobody has read."""
    judge.page.keyboard.down("1")
    judge.at("2 of 6")
    for _ in range(5):
        judge.page.keyboard.down("1")
    judge.page.keyboard.up("1")
    judge.press("u", "1 of 6")
    assert judge.grades() == "1 - - - - -"


def test_keys_are_jupyters_again_outside(judge: Judge) -> None:
    """A digit typed into a cell is text, and grades nothing."""
    before = judge.view.locator(".cx-position").inner_text()
    judge.page.locator(".jp-CodeCell .cm-content").last.click()
    judge.page.keyboard.type("12")
    assert judge.view.locator(".cx-position").inner_text() == before
    judge.page.keyboard.press("Backspace")
    judge.page.keyboard.press("Backspace")
    judge.passage.click()
    cells = judge.page.locator(".jp-CodeCell").count()
    judge.press("s", "2 of 6")
    for key in "bdd":  # in Jupyter a new cell, and the end of this one
        judge.page.keyboard.press(key)
    judge.press("s", "3 of 6")
    assert judge.page.locator(".jp-CodeCell").count() == cells


def test_a_failed_write_brings_the_passage_back(judge: Judge) -> None:
    """It is told, the passage is shown again, and the grade counts when it is kept."""
    judge.press("1", "2 of 6")
    judge.python("path = nb._verbs.home / 'judgments.sqlite'\nnb._verbs._judgments")
    judge.python(
        "nb._verbs._judgments.close()\nkept = path.with_name('kept')\n"
        "path.rename(kept)\n"
        "[each.unlink(True) for each in path.parent.glob('judgments.sqlite-*')]\n"
        "path.mkdir()"
    )
    judge.page.keyboard.press("3")
    banner = judge.view.locator(".cx-banner", has_text="was not kept")
    banner.wait_for()
    judge.at("2 of 6")
    assert judge.view.locator(".cx-choice[aria-pressed=true]").count() == 0
    judge.python("path.rmdir()\nkept.rename(path)")
    judge.press("3", "3 of 6")
    banner.wait_for(state="hidden")
    assert judge.grades() == "1 3 - - - -"


def test_two_views_stay_in_step(judge: Judge) -> None:
    """What is graded in one moves the other, which then hears no key for a moment."""
    judge.python("from IPython.display import display")
    judge.page.evaluate(
        "() => { const content = window.jupyterapp.shell.currentWidget.content;"
        "content.model.cells.get(2).sharedModel.setSource('explorer');"
        "content.activeCellIndex = 2;"
        "return window.jupyterapp.commands.execute('notebook:run-cell') }"
    )
    views = judge.page.locator(".cx-judging")
    views.nth(1).wait_for()
    views.nth(1).locator(".cx-passage").click()
    judge.page.keyboard.press("2")
    for at in range(2):
        views.nth(at).locator(".cx-position", has_text="2 of 6").wait_for()
    views.nth(0).locator(".cx-passage").click()
    judge.page.locator(".cx-judging[data-deaf]").wait_for(state="detached")
    judge.page.keyboard.press("u")
    for at in range(2):
        views.nth(at).locator(".cx-position", has_text="1 of 6").wait_for()
        pressed = views.nth(at).locator(".cx-choice[aria-pressed=true]")
        assert "helps" in pressed.inner_text()
    judge.page.evaluate(
        "() => { const content = window.jupyterapp.shell.currentWidget.content;"
        "content.model.cells.get(2).sharedModel.setSource('1');"
        "content.activeCellIndex = 2;"
        "return window.jupyterapp.commands.execute('notebook:run-cell') }"
    )
    judge.page.wait_for_function("document.querySelectorAll('.cx-judging').length==1")


def test_a_busy_kernel_still_takes_grades(judge: Judge) -> None:
    """While a cell blocks the main thread the next passage comes, and all is kept."""
    # The first message of a view makes JupyterLab begin a subshell for its comm.
    judge.press("s", "2 of 6")
    judge.press("u", "1 of 6")
    judge.page.evaluate(
        "() => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext"
        ".session.kernel; window.busy = kernel.requestExecute("
        "{code: 'import time; time.sleep(6)'});"
        "window.ended = false; window.busy.done.then(() => { window.ended = true; }) }"
    )
    judge.press("1", "2 of 6")
    judge.press("2", "3 of 6")
    assert judge.page.evaluate("window.ended") is False
    judge.page.evaluate("window.busy.done.then(() => null)")
    assert judge.grades() == "1 2 - - - -"


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1400, 1030])
def test_it_is_accessible(judge: Judge, theme: str, width: int) -> None:
    """axe-core finds nothing against WCAG 2.1 AA: a passage, the keys, the end."""
    axe_or_skip()
    judge.page.set_viewport_size({"width": width, "height": 1100})
    judge.page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme',"
        "{theme})",
        theme,
    )
    light = str(theme.endswith("Light")).lower()
    judge.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
    assert violations(judge.page, ".cx-judging") == []
    # JupyterLab hides itself for a frame to change its theme; a browser that draws in
    # between takes the focus away from what is hidden.
    judge.passage.click()
    for number in range(2, 5):
        judge.press("2", f"{number} of 6")
    judge.press("u", "3 of 6")
    judge.page.keyboard.press("?")
    judge.view.locator(".cx-help").wait_for()
    assert violations(judge.page, ".cx-judging") == []
    judge.page.keyboard.press("Escape")
    judge.view.locator(".cx-help").wait_for(state="hidden")
    for position in ("4 of 6", "5 of 6", "6 of 6"):
        judge.press("s", position)
    judge.page.keyboard.press("s")
    judge.view.locator(".cx-end").wait_for()
    assert violations(judge.page, ".cx-judging") == []
    judge.page.set_viewport_size({"width": 1400, "height": 1100})


def test_a_long_question_can_be_read_by_keys(judge: Judge) -> None:
    """It scrolls in its place, and can be stood on for that; a short one cannot."""
    axe_or_skip()
    asked = judge.view.locator("p.cx-asked")
    assert asked.get_attribute("tabindex") is None
    judge.python(
        "explorer.close()\n"
        "explorer = nb.explorer(judge=pool.assign(query='how a file is dumped, ' * 40))"
    )
    judge.show()
    asked = judge.view.locator("p.cx-asked[tabindex='0']", has_text="dumped")
    asked.focus()
    judge.page.keyboard.press("ArrowDown")
    judge.page.wait_for_function(
        "document.querySelector('.cx-judging p.cx-asked').scrollTop > 0"
    )
    assert judge.passage.evaluate("node => node.scrollTop") == 0
    assert violations(judge.page, ".cx-judging") == []


def test_it_fits_600_pixels(judge: Judge) -> None:
    """Nothing of a narrow view lies beyond its edge."""
    judge.page.set_viewport_size({"width": 1030, "height": 1100})
    judge.page.wait_for_function(
        "document.querySelector('.cx-judging').clientWidth <= 600"
    )
    outside = judge.view.evaluate(
        "view => { const edge = view.getBoundingClientRect();"
        "return [...view.querySelectorAll('button, .cx-passage, .cx-asked, .cx-choice"
        " span, .cx-position')].filter(each => each.getClientRects().length).filter("
        "each => { const box = each.getBoundingClientRect();"
        "return box.left < edge.left || box.right > edge.right; })"
        ".map(each => each.textContent) }"
    )
    assert outside == []
    judge.page.set_viewport_size({"width": 1400, "height": 1100})


def test_freezing_leaves_a_picture(judge: Judge) -> None:
    """The button replaces the widget; what is saved needs no kernel."""
    judge.press("2", "2 of 6")
    judge.button("Freeze").click()
    still = judge.page.locator(".cx-still")
    still.wait_for()
    assert judge.page.locator(".cx-judging").count() == 0
    assert "2 of 6 · question 1 of 2 · 1 judged" in still.inner_text()
    saved = judge.page.evaluate(
        "JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.cells"
        ".get(1).outputs.toJSON())"
    )
    assert "widget-view" not in saved
    assert "<script" not in saved


def test_a_kernel_that_is_gone_is_told(lab: Any, at_desk: Judge) -> None:
    """A key after a restart says what to do; nothing waits for ever."""
    address, notebooks = lab
    write_notebook(
        notebooks / "gone.ipynb",
        "import contexter_nb as cx\nnb = cx.connect()\n"
        "explorer = nb.explorer(judge=nb.pool('shorten a text to a width'))\nexplorer",
    )
    page = visit(at_desk.page.context.browser, address, "gone.ipynb")
    assert run_all(page) == [1]
    someone = Judge(page)
    someone.passage.click()
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".restart()"
    )
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        "=='idle'"
    )
    page.keyboard.press("2")
    someone.view.locator(".cx-banner", has_text="run the cell again").wait_for()


def test_hostile_passages_execute_nothing(
    lab: Any, at_desk: Judge, tmp_path: Path
) -> None:
    """Markup in title, text, kind and question is text: in the view and the picture."""
    address, notebooks = lab
    write_notebook(
        notebooks / "hostile.ipynb",
        "import contexter_nb as cx, pandas as pd\n"
        f"nb = cx.connect(home={str(tmp_path)!r})\nprobes = {PROBES!r}\n"
        "table = pd.DataFrame({'title': probes, 'text': [p + ' text' for p in probes],"
        " 'url': ['javascript:window.__struck=1'] * 4, 'kind': probes})\n"
        "report = nb.index(table, name=probes[1])\n"
        "pool = nb.pool([p + ' text' for p in probes[:2]])",
        "explorer = nb.explorer(judge=pool)\nexplorer",
    )
    page = visit(at_desk.page.context.browser, address, "hostile.ipynb")
    assert run_all(page) == [1, 2]
    someone = Judge(page)
    size = int(someone.python("print(len(pool))"))
    someone.passage.click()
    for number in range(1, size + 1):
        someone.at(f"{number} of {size}")
        assert "<" in someone.passage.inner_text()
        assert "<" in someone.view.locator(".cx-asked:visible").inner_text()
        someone.passage.hover()
        page.keyboard.press(str(number % 4))
    someone.view.locator(".cx-end").wait_for()
    assert "<script>" in someone.view.locator(".cx-code").inner_text()
    assert page.locator("a[href^=javascript]").count() == 0
    someone.button("Freeze").click()
    page.locator(".cx-still").wait_for()
    assert page.evaluate("window.__struck") is None
