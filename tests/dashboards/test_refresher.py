"""The refresher: one task for all panels, none when nobody looks; in virtual time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.core import ClientClosedError
from contexter_nb.dashboards import MetricsDashboard
from contexter_nb.dashboards._panel import PAGE_GONE_SECONDS
from contexter_nb.dashboards._refresher import Reading, Refresher, refresher_of
from contexter_nb.notebook import Feed
from tests.dashboards.records import call, failure
from tests.loops import VirtualClock, run


class Counter:
    """Something that is watched until it says otherwise, and counts its beats."""

    def __init__(self) -> None:
        self.watched = True
        self.readings: list[Reading] = []

    def is_watched(self, now: float) -> bool:
        return self.watched

    async def refresh(self, reading: Reading) -> None:
        self.readings.append(reading)


def started() -> tuple[Refresher, list[asyncio.Task[None]]]:
    """Return a refresher on the running loop, and the tasks it begins."""
    tasks: list[asyncio.Task[None]] = []

    def start(work: Coroutine[Any, Any, None]) -> Future[None]:
        tasks.append(asyncio.ensure_future(work))
        return Future()

    return Refresher(VirtualClock(), start), tasks


def test_ten_panels_share_one_task_and_one_reading_a_beat() -> None:
    """What one of them has read, the other nine take."""

    async def main() -> None:
        refresher, tasks = started()
        panels = [Counter() for _ in range(10)]
        for each in panels:
            refresher.watch(each)
            refresher.watch(each)
        await asyncio.sleep(9.5)
        assert len(tasks) == 1
        assert refresher.beats == 10
        assert [len(each.readings) for each in panels] == [10] * 10
        assert len({id(each.readings[-1]) for each in panels}) == 1
        for each in panels:
            each.watched = False
        await asyncio.gather(*tasks)

    run(main())


def test_a_reading_reads_once() -> None:
    """The same question twice in a beat is asked once; another one is another."""
    asked: list[object] = []

    def read(what: object) -> object:
        asked.append(what)
        return what

    async def read_later(what: object) -> object:
        return read(what)

    async def main() -> None:
        reading = Reading()
        assert [reading.once(read, each) for each in (1, 1, 2)] == [1, 1, 2]
        assert await reading.once_awaited(read_later, 3) == 3
        assert await reading.once_awaited(read_later, 3) == 3

    run(main())
    assert asked == [1, 2, 3]


def test_the_task_ends_with_the_last_look_and_begins_with_the_next() -> None:
    """A kernel whose panels are out of sight does nothing at all."""

    async def main() -> None:
        refresher, tasks = started()
        panel = Counter()
        refresher.watch(panel)
        await asyncio.sleep(2.5)
        panel.watched = False
        await asyncio.sleep(3_600)
        assert (refresher.beating, len(panel.readings)) == (False, 3)
        panel.watched = True
        refresher.watch(panel)
        await asyncio.sleep(0.5)
        assert (refresher.beating, len(panel.readings)) == (True, 4)
        panel.watched = False
        await asyncio.gather(*tasks)

    run(main())


def test_a_refresher_whose_loop_was_closed_begins_anew() -> None:
    """A cancelled task leaves nothing behind that would say it still runs."""

    async def main() -> None:
        refresher, tasks = started()
        panel = Counter()
        refresher.watch(panel)
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not refresher.beating
        refresher.watch(panel)
        await asyncio.sleep(0.5)
        assert len(panel.readings) == 2
        panel.watched = False
        await asyncio.gather(*tasks[1:])

    run(main())


def test_what_cannot_be_begun_is_not_held_to_run() -> None:
    """The error goes to whoever asked; the next one may try again."""

    def start(work: Coroutine[Any, Any, None]) -> Future[None]:
        work.close()
        raise ClientClosedError("closed")

    refresher = Refresher(VirtualClock(), start)
    with pytest.raises(ClientClosedError):
        refresher.watch(Counter())
    assert not refresher.beating


class LoopFeed(Feed):
    """A session's feed on the running virtual loop."""

    clock = VirtualClock()  # type: ignore[assignment]

    @staticmethod
    def submit(work: Any) -> Any:
        return asyncio.ensure_future(work)

    @staticmethod
    def run(work: Any, timeout_seconds: float | None = None) -> Any:
        with pytest.raises(StopIteration):  # it waits for nothing
            work.send(None)


def test_a_panel_is_refreshed_while_it_is_shown(nb: Any) -> None:
    """Ten of them once a second, none without a view, none after its page went."""
    monitor = nb._verbs.monitor
    monitor.record(call())

    async def main() -> None:
        feed = LoopFeed(nb._verbs)
        refresher = refresher_of(feed)
        panels = [MetricsDashboard(feed) for _ in range(10)]
        await asyncio.sleep(60)
        assert refresher.beats == 0
        for each in panels:
            each.widget._view_count = 1
        await asyncio.sleep(9.5)
        assert refresher.beats == 10
        for each in panels[1:]:
            each.widget._view_count = 0
        await asyncio.sleep(10)
        assert refresher.beats == 20
        panels[0].widget._view_count = 0
        await asyncio.sleep(600)
        assert (refresher.beats, refresher.beating) == (20, False)
        # Shown again, and then the page goes without a word.
        panels[0].widget._view_count = 1
        await asyncio.sleep(3_600)
        assert refresher.beats == pytest.approx(20 + PAGE_GONE_SECONDS, abs=1)
        # The page is opened anew: the view that went is not counted any more.
        panels[0].widget._view_count = 2
        assert panels[0].widget._view_count == 1
        panels[0].widget._view_count = 0
        await asyncio.sleep(5)
        assert not refresher.beating
        for each in panels:
            each.close()

    run(main())


def test_a_page_that_beats_keeps_its_panel_alive(nb: Any) -> None:
    """An hour of looking at it is an hour of refreshing."""

    async def main() -> None:
        feed = LoopFeed(nb._verbs)
        panel = MetricsDashboard(feed)
        panel.widget._view_count = 1
        for beat in range(60):
            await asyncio.sleep(60)
            panel._beat.value = beat + 1
        assert refresher_of(feed).beats >= 3_595
        panel.pause()
        before = refresher_of(feed).beats
        await asyncio.sleep(60)
        assert refresher_of(feed).beats == before
        panel.resume()
        await asyncio.sleep(9.5)
        assert refresher_of(feed).beats >= before + 9
        panel.close()
        await asyncio.sleep(2)
        assert not refresher_of(feed).beating

    run(main())


@pytest.mark.slow
def test_an_hour_of_refreshing_takes_no_memory(nb: Any) -> None:
    """After the first ten minutes, an hour under traffic adds no objects."""
    monitor = nb._verbs.monitor = type(nb._verbs.monitor)(
        clock=VirtualClock(), telemetry=False, max_requests=50
    )
    held: list[int] = []

    async def main() -> None:
        panel = MetricsDashboard(LoopFeed(nb._verbs))
        panel.widget._view_count = 1
        for minute in range(130):
            monitor.record((call, failure)[minute % 2](minute))
            await asyncio.sleep(60)
            panel._beat.value = minute + 1
            if minute >= 70 and minute % 10 == 9:
                gc.collect()
                held.append(len(gc.get_objects()))
        panel.close()

    run(main())
    assert max(held) - min(held) < 500, held


def test_the_static_face_knows_no_widgets(tmp_path: Path) -> None:
    """A script that never shows a panel does not load ipywidgets."""
    from tests.house.test_imports import loaded_by

    loaded = loaded_by("import contexter_nb.dashboards")
    assert "ipywidgets" not in loaded
