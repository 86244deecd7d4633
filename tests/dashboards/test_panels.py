"""Panels without a browser: built, clicked, paused, frozen and closed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.bridge import run
from contexter_nb.core import HomeError, InvalidArgumentError, SessionClosedError
from contexter_nb.dashboards._refresher import Reading
from contexter_nb.policies import Entry
from tests.dashboards.records import HOSTILE, call, failure

VIEW = "application/vnd.jupyter.widget-view+json"


def settle(panel: Any) -> None:
    """Wait until what was asked of the loop thread before has been drawn."""
    run(panel.refresh(Reading()))


@pytest.fixture
def metrics(nb: Any) -> Any:
    """Give a metrics panel after 24 calls, every fourth of which failed."""
    for at in range(24):
        nb._verbs.monitor.record(failure(at) if at % 4 == 3 else call(at))
    panel = nb.metrics_dashboard()
    yield panel
    panel.close()


def test_a_click_on_a_row_shows_its_trace(metrics: Any) -> None:
    """The same row again puts it away."""
    metrics._rows[0].click()
    settle(metrics)
    assert metrics.selected.request_id == "id-23"
    assert "503 ServerError" in metrics._trace.value
    metrics._rows[0].click()
    settle(metrics)
    assert metrics.selected is None
    assert "Select a call" in metrics._trace.value


def test_a_call_is_selected_by_its_id(metrics: Any) -> None:
    """As nb.requests() has it; one that is not kept is refused in a sentence."""
    metrics.select("id-3")
    settle(metrics)
    assert metrics.selected.request_id == "id-3"
    metrics.select(None)
    settle(metrics)
    assert metrics.selected is None
    with pytest.raises(InvalidArgumentError, match="No call 'none' is kept"):
        metrics.select("none")


def test_controls_choose_what_is_shown(nb: Any, metrics: Any) -> None:
    """Service, failed only and pages of the log."""
    nb._verbs.monitor.record(call(99, service="qdrant", operation="search"))
    settle(metrics)
    offered = [value for _, value in metrics._service.options]
    assert offered[0] == ""
    assert {"qdrant", "voyage"} <= set(offered)
    metrics._older.click()
    settle(metrics)
    assert "11–20 of the latest 25" in metrics._note.value
    metrics._service.value = "qdrant"
    settle(metrics)
    assert "voyage" not in metrics._operations.value
    assert "1–1 of the latest 1" in metrics._note.value
    assert [each.disabled for each in metrics._rows] == [False] + [True] * 9
    metrics._service.value = ""
    metrics._failed.value = True
    settle(metrics)
    assert "of the latest 6" in metrics._note.value


def test_another_window_is_another_reading(metrics: Any) -> None:
    """The words follow the window."""
    metrics._window.value = "all"
    settle(metrics)
    assert "since the kernel began" in repr(metrics)


def test_only_what_changed_is_sent(nb: Any, metrics: Any) -> None:
    """A beat without news changes no widget; one call changes only what shows it."""
    changed: list[str] = []
    shown = {
        "verdict": metrics._verdict,
        "totals": metrics._totals,
        "charts": metrics._charts,
        "operations": metrics._operations,
        "limits": metrics._limits,
        "alerts": metrics._alerts,
        "log": metrics._log,
        "trace": metrics._trace,
        "status": metrics._status,
    }
    settle(metrics)
    for name, widget in shown.items():
        widget.observe(lambda event, name=name: changed.append(name), "value")
    settle(metrics)
    # Only what is a rate of time may have moved on.
    assert set(changed) <= {"totals", "operations", "charts"}
    changed.clear()
    nb._verbs.monitor.record(call(77))
    settle(metrics)
    assert {"totals", "operations", "log"} <= set(changed)
    assert not {"verdict", "alerts", "limits", "trace", "status"} & set(changed)


def test_a_callback_works_on_any_thread(metrics: Any) -> None:
    """JupyterLab delivers events on threads of its own."""
    thread = threading.Thread(target=metrics._rows[2].click)
    thread.start()
    thread.join()
    settle(metrics)
    assert metrics.selected.request_id == "id-21"


def test_a_callback_that_fails_says_so_in_the_panel(metrics: Any) -> None:
    """It would be hidden otherwise; the next choice puts it away."""
    metrics._older.on_click(metrics._guarded(lambda event: 1 / 0))
    metrics._older.click()
    settle(metrics)
    assert "ZeroDivisionError" in metrics.problem
    assert "ZeroDivisionError" in metrics._status.value
    metrics._window.value = "1 h"
    settle(metrics)
    assert metrics.problem == ""


def test_a_reading_that_fails_says_so_and_goes_on(nb: Any, metrics: Any) -> None:
    """The last numbers stay; with the next beat that works the message goes."""
    before = metrics._operations.value

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise HomeError(f"{HOSTILE} is full")

    monitor, nb._verbs.monitor = nb._verbs.monitor, Broken()
    settle(metrics)
    assert "is full" in metrics._status.value
    assert "<script" not in metrics._status.value
    assert metrics._operations.value == before
    nb._verbs.monitor = monitor
    settle(metrics)
    assert metrics.problem == ""


def test_pausing_is_shown_and_undone(metrics: Any) -> None:
    """By the button and by the method alike."""
    metrics._pause_button.click()
    settle(metrics)
    assert metrics.paused
    assert "paused" in metrics._status.value
    assert metrics._pause_button.description == "Resume"
    metrics.resume()
    settle(metrics)
    assert not metrics.paused
    assert "live" in metrics._status.value


def test_a_closed_session_is_shown_as_such(nb: Any, metrics: Any) -> None:
    """Its last numbers stay; it is looked at no more, and no new panel opens."""
    nb.close()
    settle(metrics)
    assert "session closed" in metrics._status.value
    assert "voyage" in metrics._operations.value
    assert not metrics.is_watched(nb._feed.clock.now())
    # What was read can still be looked at; nothing is read anew.
    assert metrics._window.disabled
    metrics._older.click()
    settle(metrics)
    metrics._rows[0].click()
    settle(metrics)
    assert "11–20 of the latest 24" in metrics._note.value
    assert metrics.selected.request_id == "id-13"
    for make in (nb.metrics_dashboard, nb.cache_dashboard):
        with pytest.raises(SessionClosedError):
            make()


@pytest.mark.parametrize("kind", ["metrics_dashboard", "cache_dashboard"])
def test_every_front_end_gets_something(nb: Any, kind: str) -> None:
    """A widget, HTML that needs no kernel, and text for a terminal."""
    panel = getattr(nb, kind)()
    bundle = panel._repr_mimebundle_()
    assert set(bundle) == {VIEW, "text/html", "text/plain"}
    assert "<script" not in bundle["text/html"]
    assert bundle["text/plain"] == repr(panel)
    assert "\n" in bundle["text/plain"]
    panel.close()
    assert VIEW not in panel._repr_mimebundle_()


@pytest.mark.parametrize("kind", ["metrics_dashboard", "cache_dashboard"])
def test_a_file_opens_offline(nb: Any, kind: str, tmp_path: Path) -> None:
    """It holds all it needs, names nothing elsewhere, and no script."""
    nb._verbs.monitor.record(failure(1, service=HOSTILE))
    panel = getattr(nb, kind)()
    path = panel.to_html(tmp_path / "panel.html")
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    panel.close()


def test_closing_forgets_every_widget(nb: Any) -> None:
    """What the kernel keeps of widgets is as before."""
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    for kind in ("metrics_dashboard", "cache_dashboard"):
        panel = getattr(nb, kind)()
        assert len(_instances) > before
        panel.freeze()
        panel.close()
        assert panel.closed
    assert len(_instances) == before


def test_a_closed_panel_says_how_to_have_it_again(nb: Any) -> None:
    """In its place stands one line, with the call that opens it."""

    class Handle:
        def update(self, bundle: dict[str, str], raw: bool) -> None:
            told.append(bundle["text/plain"])

    told: list[str] = []
    for kind in ("metrics_dashboard", "cache_dashboard"):
        panel = getattr(nb, kind)()
        panel._handles.append(Handle())
        panel.close()
        assert told[-1].endswith(f": closed; nb.{kind}() opens it again.")


def test_without_ipywidgets_the_sentence_has_the_command(nb: Any) -> None:
    """Nothing of the library's insides is seen."""
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "from contexter_nb.dashboards._panel import load_widgets\n"
        "from contexter_nb.core import InvalidArgumentError\n"
        "try: load_widgets()\n"
        "except InvalidArgumentError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == (
        'Dashboards need ipywidgets; install it with pip install "contexter_nb[lab]".'
    )
    assert issubclass(InvalidArgumentError, ValueError)


@pytest.fixture
def caches(nb: Any) -> Any:
    """Give a cache panel; six answers are kept, four of them of voyage."""

    async def fill() -> None:
        for at in range(6):
            service = "voyage" if at < 4 else "qdrant"
            entry = Entry(b"value", 600, tags=(f"tag{at % 2}",))
            await nb._verbs.answers.set(f"{service}/ask/{at}", entry)
        for _ in range(3):
            await nb._verbs.answers.get("voyage/ask/0")
        await nb._verbs.answers.get("voyage/ask/none")

    run(fill())
    panel = nb.cache_dashboard()
    yield panel
    panel.close()


def test_tiers_and_entries_are_shown(caches: Any) -> None:
    """Hits with denominators; the hottest entry first."""
    assert "3/4" in caches._tiers.value
    assert caches._entries.value.index("voyage/ask/0") > 0
    assert "3 of 4 lookups needed no request" in caches._verdict.value


def test_clearing_asks_first_and_tells_what_went(nb: Any, caches: Any) -> None:
    """Prefix, question with the number, yes, and the number that went."""
    caches._which.value = "voyage/"
    caches._clear_button.click()
    settle(caches)
    assert "Drop 4 entries that begin with" in caches._question.value
    assert caches._drop_button.layout.visibility == "visible"
    caches._drop_button.click()
    settle(caches)
    settle(caches)
    assert "Dropped 4 entries" in caches._question.value
    assert caches._drop_button.layout.visibility == "hidden"
    assert run(nb._verbs.answers.matching()) == 2


def test_of_a_closed_session_nothing_is_cleared(nb: Any, caches: Any) -> None:
    """The last numbers stay, and the controls are off."""
    caches._which.value = "voyage/"
    caches._clear_button.click()
    settle(caches)
    nb.close()
    settle(caches)
    assert "session closed" in caches._status.value
    assert caches._clear_button.disabled
    assert caches._drop_button.disabled


def test_a_no_drops_nothing(nb: Any, caches: Any) -> None:
    """Neither does choosing something else while the question stands."""
    caches._scope.value = "tag"
    caches._which.value = "tag1"
    caches._clear_button.click()
    settle(caches)
    assert "Drop 3 entries with the tag" in caches._question.value
    caches._keep_button.click()
    settle(caches)
    assert "Nothing was dropped." in caches._question.value
    caches._clear_button.click()
    settle(caches)
    caches._which.value = "tag0"
    caches._drop_button.click()
    settle(caches)
    assert run(nb._verbs.answers.matching()) == 6


def test_clearing_without_a_prefix_is_refused(nb: Any, caches: Any) -> None:
    """Everything is a choice of its own, not an empty field."""
    caches._clear_button.click()
    settle(caches)
    assert "Give the prefix" in caches._question.value
    caches._scope.value = "everything"
    caches._clear_button.click()
    settle(caches)
    assert "Drop 6 entries of every kind" in caches._question.value


def test_a_clearing_that_fails_says_so(
    nb: Any, caches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entries are still there, and so is the panel."""

    async def full(*given: Any, **named: Any) -> int:
        raise HomeError("The cache file could not be cleared (locked).")

    monkeypatch.setattr(nb._verbs.answers, "clear", full)
    caches._which.value = "voyage/"
    caches._clear_button.click()
    settle(caches)
    caches._drop_button.click()
    settle(caches)
    settle(caches)
    assert "could not be cleared" in caches._status.value


def test_a_frozen_panel_replaces_itself_where_it_was_shown(nb: Any) -> None:
    """The handle of each display is told once: HTML and text, and no widget."""
    told: list[dict[str, Any]] = []

    class Handle:
        def update(self, bundle: dict[str, Any], raw: bool = False) -> None:
            told.append(bundle)

    panel = nb.metrics_dashboard()
    panel._handles.append(Handle())
    panel.freeze()
    panel.freeze()
    assert len(told) == 1
    assert set(told[0]) == {"text/html", "text/plain"}
    assert json.dumps(told[0])
