"""The panels in a real JupyterLab: shown, used, put out of sight, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.lab import (
    chromium_or_skip,
    execute,
    open_notebook,
    run_all,
    start_lab,
    write_notebook,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_HOSTILE = "<img src=x onerror='window.__struck = 1'>"
_CELLS = [
    f"""
import asyncio, logging
import contexter_nb as cx
from contexter_nb.clients import APIClient
from contexter_nb.core import APIRequest
from contexter_nb.policies import APICache
from contexter_nb.sandbox import sandbox

logging.getLogger("contexter_nb").setLevel("ERROR")
nb = cx.connect()
box = sandbox("catalog", seed=3)
client = APIClient("catalog", box.services["catalog"], cache=APICache())
hostile = APIClient({_HOSTILE!r}, box.services["catalog"])

async def ask(number):
    names = ["pandas", "numpy", "httpx"]
    await client.execute_request(APIRequest(
        endpoint=f"/v1/libraries/{{names[number % 3]}}", operation="describe",
        cache_ttl_seconds=600, cache_tags=("catalog",)))

for number in range(15):
    cx.run(ask(number))
try:
    cx.run(hostile.execute_request(APIRequest(endpoint="/v1/nothing")))
except Exception as error:
    print(type(error).__name__)
""",
    "metrics = nb.metrics_dashboard()\nmetrics",
    "caches = nb.cache_dashboard()\ncaches",
    "nb.explorer()",
]
BEATS = "print(metrics._refresher.beats, metrics._refresher.beating)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a page with both panels over traffic of the sandbox."""
    chromium_or_skip()
    folder = tmp_path_factory.mktemp("lab")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    write_notebook(notebooks / "panels.ipynb", *_CELLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTEXTER_HOME", str(folder / "home"))
        with (
            start_lab(folder / "lab", notebooks, "JupyterLab Light") as address,
            open_notebook(address, "panels.ipynb") as opened,
        ):
            opened.on("console", lambda message: None)
            assert run_all(opened) == [1, 2, 3, 4]
            opened.locator(".cx-panel .cx-verdict").nth(1).wait_for()
            yield opened


def wait_until(page: Any, code: str, wanted: str) -> None:
    """Ask the kernel until it prints what is wanted; ten seconds at most."""
    printed = ""
    for _ in range(50):
        printed = execute(page, code)
        if printed == wanted:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{code} prints {printed!r}, not {wanted!r}")


def panel_of(page: Any, title: str) -> Any:
    """Return a live panel by its title."""
    return page.locator(".cx-panel:not(.cx-static)").filter(
        has=page.locator("h3", has_text=title)
    )


def test_a_panel_shows_what_happened_and_goes_on(page: Any) -> None:
    """New calls appear by themselves, also while a cell keeps the kernel busy."""
    panel = panel_of(page, "API metrics")
    panel.get_by_text("of the latest 16").wait_for()
    page.evaluate(
        """() => {
            const widget = window.jupyterapp.shell.currentWidget;
            widget.sessionContext.session.kernel.requestExecute({code:
                'import time\\nfor n in range(4): cx.run(ask(n))\\ntime.sleep(6)'});
        }"""
    )
    panel.get_by_text("of the latest 20").wait_for(timeout=5_000)


def test_panels_keep_their_place_beside_an_explorer(page: Any) -> None:
    """The styles of one widget on a page change no other."""
    page.locator(".cx-explorer").wait_for()
    for at in range(2):
        panel = page.locator(".cx-panel").nth(at)
        assert panel.evaluate("each => getComputedStyle(each).position") != "absolute"
        assert panel.bounding_box()["height"] > 200


def test_a_selected_call_shows_its_trace(page: Any) -> None:
    """By the mouse and by the keyboard; the row is marked."""
    panel = panel_of(page, "API metrics")
    panel.locator(".cx-over button").nth(2).click()
    trace = panel.locator(".cx-trace .cx-facts")
    trace.wait_for()
    assert "Request id" in trace.inner_text()
    assert panel.locator("tr.cx-chosen").count() == 1
    panel.locator(".cx-over button").nth(3).focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelectorAll('.cx-log tbody tr')[3].className == 'cx-chosen'"
    )


def test_a_button_lies_over_its_row(page: Any) -> None:
    """What is pointed at is what is selected, to the pixel."""
    panel = panel_of(page, "API metrics")
    rows, buttons = panel.locator(".cx-log tbody tr"), panel.locator(".cx-over button")
    for at in (0, 9):
        row, button = rows.nth(at).bounding_box(), buttons.nth(at).bounding_box()
        assert row["y"] == pytest.approx(button["y"], abs=1.5)
        assert row["height"] == pytest.approx(button["height"], abs=1.5)


def test_another_window_and_failed_only(page: Any) -> None:
    """The controls answer, and the page stays where it is."""
    panel = panel_of(page, "API metrics")
    panel.get_by_role("button", name="all", exact=True).click()
    panel.get_by_text("since the kernel began").wait_for()
    height = panel.bounding_box()["height"]
    panel.get_by_role("button", name="Failed only").click()
    panel.get_by_text("1–1 of the latest 1").wait_for()
    assert panel.bounding_box()["height"] == pytest.approx(height, abs=80)


def test_a_control_answers_while_a_cell_is_busy(page: Any) -> None:
    """JupyterLab delivers the event on a thread beside the cell's."""
    panel = panel_of(page, "API metrics")
    page.evaluate(
        """() => {
            const widget = window.jupyterapp.shell.currentWidget;
            widget.sessionContext.session.kernel.requestExecute({code:
                'import time; time.sleep(5)'});
        }"""
    )
    panel.get_by_role("button", name="Failed only").click()
    panel.get_by_text("1–10 of the latest 20").wait_for(timeout=3_000)


def test_a_hostile_name_is_shown_and_does_nothing(page: Any) -> None:
    """A service whose name is markup is text in every table."""
    panel = panel_of(page, "API metrics")
    assert "<img src=x" in panel.inner_text()
    assert page.evaluate("window.__struck") is None


def test_clearing_asks_and_tells(page: Any) -> None:
    """Prefix, question, yes: the entries are gone, and their number is said."""
    panel = panel_of(page, "Caches")
    panel.get_by_label("From").select_option("catalog")
    field = panel.locator(".widget-text input")
    field.fill("catalog/")
    field.press("Enter")
    panel.get_by_role("button", name="Clear…").click()
    panel.get_by_text("Drop 3 entries that begin with").wait_for()
    panel.get_by_role("button", name="Keep them").click()
    panel.get_by_text("Nothing was dropped.").wait_for()
    panel.get_by_role("button", name="Clear…").click()
    panel.get_by_role("button", name="Drop them").click()
    panel.get_by_text("Dropped 3 entries that begin with").wait_for()
    assert execute(page, "print(client.cache.stats()[0].entries)") == "0"


def test_a_beat_of_the_page_reaches_the_kernel(page: Any) -> None:
    """The kernel can tell a page that is there from one that went."""
    code = "print(metrics._beat.value > 0 and metrics._beat_at > 0)"
    for _ in range(15):
        if execute(page, code) == "True":
            return
        page.wait_for_timeout(1_000)
    raise AssertionError("no beat within 15 s")


def test_freezing_leaves_a_picture(page: Any) -> None:
    """The widget is replaced where it stood by HTML that needs no kernel."""
    execute(page, "caches.freeze()")
    page.locator(".cx-static h3", has_text="Caches").wait_for()
    assert panel_of(page, "Caches").count() == 0
    outputs = page.evaluate(
        """() => {
            const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
            return cells.get(2).outputs.toJSON().map(each => Object.keys(each.data));
        }"""
    )
    assert [sorted(each) for each in outputs] == [["text/html", "text/plain"]]


def test_out_of_sight_nothing_is_refreshed(page: Any) -> None:
    """With the last view the task ends; shown again, it begins anew."""
    wait_until(page, "print(metrics.widget._view_count)", "1")
    wait_until(page, "print(metrics._refresher.beating)", "True")
    page.evaluate(
        "window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
    )
    wait_until(page, "print(metrics.widget._view_count)", "0")
    wait_until(page, "print(metrics._refresher.beating)", "False")
    execute(page, "display(metrics)")
    beats = execute(page, BEATS)
    page.wait_for_timeout(1_500)
    assert execute(page, BEATS) == beats
    page.evaluate(
        """() => {
            const content = window.jupyterapp.shell.currentWidget.content;
            content.activeCellIndex = 1;
            content.model.cells.get(1).sharedModel.setSource('metrics');
            window.jupyterapp.commands.execute('notebook:run-cell');
        }"""
    )
    panel_of(page, "API metrics").wait_for()
    wait_until(page, "print(metrics._refresher.beating)", "True")


def test_a_page_loaded_anew_shows_the_panel_until_it_is_closed(page: Any) -> None:
    """A page that went is still counted as a view, but it does not beat."""
    execute(page, "metrics._beat.interval = 500")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    wait_until(page, "print(metrics.widget._view_count)", "1")
    page.goto(page.url.replace("?reset", ""))
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext"
        "?.session?.kernel?.status=='idle'",
        timeout=60_000,
    )
    panel_of(page, "API metrics").wait_for()
    wait_until(page, "print(metrics.widget._view_count)", "2")
    beat = execute(page, "print(metrics._beat.value)")
    page.wait_for_timeout(2_500)
    assert int(execute(page, "print(metrics._beat.value)")) > int(beat)
    page.evaluate(
        "window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
    )
    wait_until(page, "print(metrics.widget._view_count)", "1")
    wait_until(page, "print(metrics._beat.playing)", "False")
    wait_until(page, "print(metrics._beat.playing)", "True")
    beat = execute(page, "print(metrics._beat.value)")
    page.wait_for_timeout(2_500)
    assert execute(page, "print(metrics._beat.value)") == beat
