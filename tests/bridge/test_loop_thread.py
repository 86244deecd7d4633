"""The bridge that runs a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.bridge import LoopThread, default_bridge, get_bridge, run
from contexter_nb.core import BridgeError, InvalidArgumentError

ROOT = Path(__file__).resolve().parents[2]
LONG = 30.0


@pytest.fixture
def bridge() -> Iterator[LoopThread]:
    """Give a bridge that is closed after the test."""
    with LoopThread() as opened:
        yield opened


async def double(number: int) -> int:
    """Return twice the number, after one turn of the loop."""
    await asyncio.sleep(0)
    return 2 * number


async def make(kind: Any, *args: Any) -> Any:
    """Make an object on the loop that will use it."""
    return kind(*args)


class Sleeper:
    """A coroutine that tells from outside what becomes of it."""

    def __init__(self, clean_up_seconds: float = 0.0) -> None:
        self.begun = threading.Event()
        self.cleaned = threading.Event()
        self._clean_up_seconds = clean_up_seconds

    async def sleep(self) -> str:
        """Sleep for long, and clean up slowly."""
        try:
            self.begun.set()
            await asyncio.sleep(LONG)
        finally:
            await asyncio.sleep(self._clean_up_seconds)
            self.cleaned.set()
        return "slept"


def test_run_returns_the_result(bridge: LoopThread) -> None:
    """What the coroutine returns is what run returns."""
    assert bridge.run(double(21)) == 42


def test_run_takes_any_awaitable(bridge: LoopThread) -> None:
    """An object with __await__ is as good as a coroutine."""

    class Ready:
        def __await__(self) -> Any:
            return double(4).__await__()

    assert bridge.run(Ready()) == 8


def test_an_exception_keeps_its_type_and_its_traceback(bridge: LoopThread) -> None:
    """The caller sees the same exception, with the coroutine's own frames."""

    async def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing") as caught:
        bridge.run(fail())
    names = [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert names[-1] == "fail"
    assert not [name for name in names if "get_result" in name]


def test_an_exit_inside_the_coroutine_reaches_the_caller(bridge: LoopThread) -> None:
    """SystemExit goes to the caller, and the loop serves on."""

    async def leave() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit):
        bridge.run(leave())
    assert bridge.run(double(1)) == 2


def test_a_timeout_cancels_and_waits_for_the_clean_up(bridge: LoopThread) -> None:
    """After TimeoutError the coroutine has finished its finally block."""
    sleeper = Sleeper(clean_up_seconds=0.05)
    with pytest.raises(TimeoutError, match=r"^No result within 0.05 s, so .* timeout="):
        bridge.run(sleeper.sleep(), timeout=0.05)
    assert sleeper.cleaned.is_set()


def test_a_timeout_gives_the_result_that_came_all_the_same(bridge: LoopThread) -> None:
    """What was paid for is handed over where cancelling came too late."""

    async def insist() -> str:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return "paid for"
        return "slept"

    assert bridge.run(insist(), timeout=0.05) == "paid for"


def test_a_timeout_tells_what_the_clean_up_raised(bridge: LoopThread) -> None:
    """A failing clean-up is the cause of the TimeoutError, not its replacement."""

    async def fail_late() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            raise OSError("socket already gone")

    with pytest.raises(TimeoutError) as caught:
        bridge.run(fail_late(), timeout=0.05)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_timeout_inside_passes_through(bridge: LoopThread) -> None:
    """The coroutine's own TimeoutError is not taken for that of the bridge."""

    async def time_out() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(LONG)

    with pytest.raises(TimeoutError) as caught:
        bridge.run(time_out(), timeout=LONG)
    assert "cancelled" not in str(caught.value)


def test_the_grace_bounds_the_wait_for_a_clean_up() -> None:
    """A clean-up longer than the grace is not waited for."""
    sleeper = Sleeper(clean_up_seconds=0.6)
    with LoopThread(grace_seconds=0.1) as bridge:
        with pytest.raises(TimeoutError):
            bridge.run(sleeper.sleep(), timeout=0.05)
        assert not sleeper.cleaned.is_set()
        assert sleeper.cleaned.wait(10)


def test_run_on_the_own_thread_is_refused(bridge: LoopThread) -> None:
    """A call that would wait for itself raises, and its coroutine is closed."""

    async def nested() -> int:
        return bridge.run(double(1))

    with pytest.raises(BridgeError, match="wait for itself"):
        bridge.run(nested())


def test_run_crosses_into_another_bridge(bridge: LoopThread) -> None:
    """Two bridges have two threads, and one may call the other."""
    with LoopThread() as other:

        async def thread_name() -> int:
            return threading.get_ident()

        async def hop() -> int:
            return other.run(thread_name())

        assert bridge.run(hop()) == other.run(thread_name())
        assert bridge.run(thread_name()) != other.run(thread_name())


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (double, r"double is the coroutine function itself; call it"),
        (print, r"print is the function itself; call it"),
        ([1], r"a finished value of type list"),
        (concurrent.futures.Future(), r"call its \.result\(\)"),
    ],
)
def test_what_is_no_coroutine_is_explained(value: Any, sentence: str) -> None:
    """The message names the mistake and says what to do."""
    with pytest.raises(InvalidArgumentError, match=sentence):
        run(value)


def test_an_async_generator_is_explained(bridge: LoopThread) -> None:
    """Many values cannot be one result, and the message says how to get them."""

    async def count() -> Any:
        yield 1

    with pytest.raises(InvalidArgumentError, match="many values"):
        bridge.run(count())  # type: ignore[arg-type]


def test_a_future_of_another_loop_is_explained(bridge: LoopThread) -> None:
    """An asyncio future cannot cross, which the message says."""

    async def make() -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    future = bridge.run(make())
    with pytest.raises(InvalidArgumentError, match="belongs to the event loop"):
        bridge.run(future)


def test_contextvars_of_the_caller_reach_the_coroutine(bridge: LoopThread) -> None:
    """What the caller set is seen inside, and what is set inside stays there."""
    colour = contextvars.ContextVar("colour", default="none")
    colour.set("red")

    async def look() -> str:
        seen = colour.get()
        colour.set("blue")
        return seen

    assert bridge.run(look()) == "red"
    assert colour.get() == "red"


def test_two_threads_wait_at_once(bridge: LoopThread) -> None:
    """Two blocked threads meet on the one loop."""
    meeting = bridge.run(make(asyncio.Barrier, 2))

    async def meet() -> int:
        await meeting.wait()
        return threading.get_ident()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: bridge.run(meet(), LONG), range(2))
    assert first == second


def test_submit_gives_a_future_that_is_done_when_cleaned_up(bridge: LoopThread) -> None:
    """Cancelling, once or twice, lets the coroutine clean up before it is done."""
    sleeper = Sleeper(clean_up_seconds=0.05)
    future = bridge.submit(sleeper.sleep())
    assert sleeper.begun.wait(10)
    assert future.running()
    assert future.cancel()
    assert future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(10)
    assert sleeper.cleaned.is_set()
    assert future.cancelled()
    assert not future.cancel()


def test_submit_works_on_the_own_thread(bridge: LoopThread) -> None:
    """Submitting does not block, so a coroutine may do it."""

    async def fan_out() -> int:
        return await asyncio.wrap_future(bridge.submit(double(3)))

    assert bridge.run(fan_out()) == 6


def test_a_call_cancelled_before_it_starts_leaves_no_warning() -> None:
    """A coroutine that never ran is closed."""
    with LoopThread() as bridge:
        gate = threading.Event()

        async def hold() -> None:
            gate.wait(10)

        held = bridge.submit(hold())
        late = bridge.submit(double(1))
        late.cancel()
        gate.set()
        held.result(10)
        with pytest.raises(concurrent.futures.CancelledError):
            late.result(10)


def test_arun_hops_from_another_loop(bridge: LoopThread) -> None:
    """Awaited in a second loop, the coroutine still runs on the bridge's thread."""

    async def thread() -> int:
        return threading.get_ident()

    async def main() -> int:
        return await bridge.arun(thread())

    assert asyncio.run(main()) == bridge.run(thread()) != threading.get_ident()


def test_arun_on_the_own_loop_awaits_directly(bridge: LoopThread) -> None:
    """Inside the bridge, arun is a plain await in the same task."""

    async def task() -> object:
        return asyncio.current_task()

    async def main() -> bool:
        return await bridge.arun(task()) is asyncio.current_task()

    assert bridge.run(main())


def test_arun_raises_what_the_coroutine_raised(bridge: LoopThread) -> None:
    """The exception crosses the hop unchanged."""

    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        asyncio.run(bridge.arun(fail()))


def test_arun_carries_cancellation_and_waits_for_the_clean_up(
    bridge: LoopThread,
) -> None:
    """When a cancelled arun raises, the other side has cleaned up."""
    sleeper = Sleeper(clean_up_seconds=0.05)

    async def main() -> bool:
        task = asyncio.create_task(bridge.arun(sleeper.sleep()))
        await asyncio.to_thread(sleeper.begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sleeper.cleaned.is_set()

    assert asyncio.run(main())


def test_a_second_cancel_ends_the_wait_for_the_clean_up(bridge: LoopThread) -> None:
    """Who cancels twice does not wait."""
    sleeper = Sleeper(clean_up_seconds=0.5)

    async def main() -> bool:
        task = asyncio.create_task(bridge.arun(sleeper.sleep()))
        await asyncio.to_thread(sleeper.begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sleeper.cleaned.is_set()

    assert not asyncio.run(main())
    assert sleeper.cleaned.wait(10)


def test_arun_keeps_the_waiting_loop_awake(bridge: LoopThread) -> None:
    """A cancel that does not wake the loop, as a signal handler's, is noticed soon."""
    sleeper = Sleeper()

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None

        def cancel_from_outside() -> None:
            sleeper.begun.wait(10)
            task.cancel()  # deliberately not call_soon_threadsafe

        outside = threading.Thread(target=cancel_from_outside)
        outside.start()
        try:
            await bridge.arun(sleeper.sleep())
        finally:
            outside.join()

    begin = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert time.monotonic() - begin < LONG / 3


def test_closers_run_at_close_the_latest_first() -> None:
    """Each closer is awaited once on the loop; one taken off is not."""
    bridge = LoopThread()
    ran: list[tuple[str, bool]] = []

    def closer(name: str) -> Any:
        async def close() -> None:
            name_of_thread = threading.current_thread().name
            ran.append((name, name_of_thread.startswith("contexter")))

        return close

    bridge.add_closer(closer("first"))
    take_off = bridge.add_closer(closer("taken off"))
    bridge.add_closer(closer("last"))
    take_off()
    bridge.run(double(1))
    bridge.close()
    bridge.close()
    assert ran == [("last", True), ("first", True)]


def test_a_failing_closer_does_not_stop_the_others() -> None:
    """All closers run, the loop ends, and then the failure is told."""
    bridge = LoopThread()
    ran: list[str] = []

    async def good() -> None:
        ran.append("good")

    async def bad() -> None:
        raise OSError("disk full")

    bridge.add_closer(good)
    bridge.add_closer(bad)
    with pytest.raises(BridgeError, match="OSError: disk full"):
        bridge.close()
    assert ran == ["good"]
    assert bridge.closed


def test_close_cancels_what_runs_and_tells_who_waits() -> None:
    """A caller blocked in another thread is freed with a sentence."""
    bridge = LoopThread()
    sleeper = Sleeper()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bridge.run, sleeper.sleep())
        assert sleeper.begun.wait(10)
        bridge.close()
        with pytest.raises(
            BridgeError, match="closed before this call had ended; open a new one"
        ):
            waiting.result(10)
    assert sleeper.cleaned.is_set()


def test_close_ends_async_generators_and_worker_threads() -> None:
    """A half-read generator is closed, and no thread of the bridge is left."""
    before = set(threading.enumerate())
    bridge = LoopThread()
    closed = threading.Event()

    async def count() -> Any:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    numbers = count()

    async def begin() -> int:
        await asyncio.to_thread(int)
        return await anext(numbers)  # type: ignore[no-any-return]

    assert bridge.run(begin()) == 1
    bridge.close()
    assert closed.is_set()
    assert set(threading.enumerate()) <= before


def test_a_closed_bridge_refuses(bridge: LoopThread) -> None:
    """Nothing starts on a closed bridge, and no coroutine is left unawaited."""
    bridge.close()
    way_out = r"^This bridge is closed; open a new one, .*LoopThread.* or call .*run"
    for call in (bridge.run, bridge.submit):
        with pytest.raises(BridgeError, match=way_out):
            call(double(1))
    with pytest.raises(BridgeError, match="closed"):
        asyncio.run(bridge.arun(double(1)))
    with pytest.raises(BridgeError, match="closed"):
        bridge.add_closer(lambda: double(1))


def test_close_on_the_own_thread_is_refused(bridge: LoopThread) -> None:
    """A coroutine cannot end the loop under its own feet."""

    async def close() -> None:
        bridge.close()

    with pytest.raises(BridgeError, match="own thread"):
        bridge.run(close())


def test_the_default_bridge_is_one_and_comes_back_after_close() -> None:
    """Everyone shares the default; once closed, the next call opens another."""
    first = default_bridge()
    assert get_bridge("thread") is first
    assert first.run(double(2)) == 4
    first.close()
    assert default_bridge() is not first
    assert run(double(3)) == 6


def test_an_unknown_bridge_is_named_with_the_close_one() -> None:
    """A misspelt name gets the right one offered."""
    with pytest.raises(InvalidArgumentError, match="Did you mean 'thread'"):
        get_bridge("tread")  # type: ignore[arg-type]


def test_the_repr_says_the_state(bridge: LoopThread) -> None:
    """Idle, open and closed can be told apart."""
    assert repr(bridge) == "<LoopThread idle>"
    bridge.run(double(1))
    assert repr(bridge) == "<LoopThread open>"
    bridge.close()
    assert repr(bridge) == "<LoopThread closed>"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """Both sides of a fork go on calling, and only the parent runs its closers."""
    script = """
import asyncio, os, warnings
from contexter_nb.bridge import default_bridge, run
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
async def say(text):
    await asyncio.sleep(0.01)
    print(text, flush=True)
run(say("before"))
default_bridge().add_closer(lambda: say("closer"))
child = os.fork()
if child == 0:
    run(say("child"))
else:
    assert os.waitpid(child, 0)[1] == 0
    run(say("parent"))
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["before", "child", "parent", "closer"]
