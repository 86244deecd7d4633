"""What a person does in a notebook, done to real kernels."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.fixtures import Kernel

SLEEP = """
log = []
async def sleep_long():
    try:
        print("begun", flush=True)
        await asyncio.sleep(30)
    finally:
        log.append("cleaned")
"""
LONG = 30

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture(params=["kernel", "nested_kernel"])
def either_kernel(request: pytest.FixtureRequest) -> Any:
    """Give the kernel of each bridge in turn."""
    return request.getfixturevalue(request.param)


def test_run_all_loses_no_cell(either_kernel: Kernel) -> None:
    """Three cells queued at once all run, though the first calls synchronously."""
    ran = either_kernel.queue_cells(
        [
            "print(run(asyncio.sleep(0.2, result='first')))",
            "print(run(asyncio.sleep(0, result='second')))",
            "await asyncio.sleep(0); print('third')",
        ]
    )
    assert ran == [("ok", "first\n", ""), ("ok", "second\n", ""), ("ok", "third\n", "")]


def test_a_sync_call_and_an_await_share_a_cell(either_kernel: Kernel) -> None:
    """Both kinds work in one cell, on either side of each other."""
    ran = either_kernel.run_cell(
        "a = await asyncio.sleep(0, result=1)\n"
        "b = run(asyncio.sleep(0, result=2))\n"
        "c = await asyncio.sleep(0, result=3)\n"
        "print(a, b, c)"
    )
    assert ran == ("ok", "1 2 3\n", "")


@posix
def test_an_interrupt_cancels_a_sync_call(either_kernel: Kernel) -> None:
    """The cell ends at once, the coroutine has cleaned up and the next cell works."""
    assert_interruptible(either_kernel, "run(sleep_long())")


@posix
def test_an_interrupt_cancels_a_sync_call_next_to_an_await(
    either_kernel: Kernel,
) -> None:
    """An awaiting cell, whose loop the call stops, can be interrupted as well."""
    assert_interruptible(either_kernel, "await asyncio.sleep(0); run(sleep_long())")


@posix
def test_an_interrupt_cancels_an_awaited_call(either_kernel: Kernel) -> None:
    """An await through the bridge can be interrupted, which a plain one cannot."""
    name = "default_bridge()"
    assert_interruptible(either_kernel, f"await {name}.arun(sleep_long())")


@posix
def test_an_interrupt_cancels_an_awaited_nested_call(nested_kernel: Kernel) -> None:
    """The nested bridge's arun has the heartbeat, too."""
    assert_interruptible(nested_kernel, "await nested.arun(sleep_long())")


def assert_interruptible(kernel: Kernel, call: str) -> None:
    """Interrupt `call` while it sleeps, and look at what is left of it.

    A front end prints one line, and no frame of a library.
    """
    assert kernel.run_cell(SLEEP).status == "ok"
    sent = kernel.send(call)
    kernel.wait_for_output(sent, "begun")
    begin = time.monotonic()
    kernel.interrupt()
    ran = kernel.collect(sent)
    assert ran.status == "error"
    assert ran.error.split(":")[0] in ("KeyboardInterrupt", "CancelledError")
    assert time.monotonic() - begin < LONG / 3
    (line,) = kernel.traceback_of(sent)
    assert line.endswith("the call was stopped before its end; run it again to go on.")
    assert kernel.run_cell("print(log)") == ("ok", "['cleaned']\n", "")
    assert kernel.run_cell("print(run(asyncio.sleep(0, result=7)))").stdout == "7\n"


def test_a_thread_can_call(either_kernel: Kernel) -> None:
    """A plain thread of the kernel calls as a cell does."""
    ran = either_kernel.run_cell(
        "found = []\n"
        "def work(): found.append(run(asyncio.sleep(0, result=5)))\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "print(found)"
    )
    assert ran == ("ok", "[5]\n", "")


def test_a_subshell_shares_the_client_of_the_cells(kernel: Kernel) -> None:
    """A widget callback's thread uses what a cell has opened, on the same loop."""
    opened = kernel.run_cell(
        "async def where(): return threading.get_ident()\n"
        "async def make(): return asyncio.Event()\n"
        "async def use(event):\n"
        "    asyncio.get_running_loop().call_later(0.01, event.set)\n"
        "    await event.wait()\n"
        "    return event.is_set()\n"
        "event, cell_thread = run(make()), threading.get_ident()\n"
        "loop_thread = run(where())"
    )
    assert opened.status == "ok"
    subshell = kernel.open_subshell()
    ran = kernel.collect(
        kernel.send(
            "print(run(use(event)), run(where()) == loop_thread,"
            " threading.get_ident() == cell_thread)",
            subshell,
        )
    )
    assert ran == ("ok", "True True False\n", "")


def test_a_subshell_answers_while_a_cell_is_busy(kernel: Kernel) -> None:
    """Two blocked threads wait on the one loop, and each gets its own result."""
    kernel.run_cell(
        "gate = run(asyncio.sleep(0, result=asyncio.Event()))\n"
        "async def open_gate(): gate.set()\n"
        "async def wait():\n"
        "    print('waiting', flush=True)\n"
        "    await gate.wait()\n"
    )
    busy = kernel.send("run(wait()); print('passed')")
    kernel.wait_for_output(busy, "waiting")
    opener = kernel.send("run(open_gate())", kernel.open_subshell())
    assert kernel.collect(opener).status == "ok"
    assert kernel.collect(busy) == ("ok", "waiting\npassed\n", "")


def test_prints_of_a_coroutine_land_in_its_cell(either_kernel: Kernel) -> None:
    """Each of two queued cells shows what its own coroutine printed."""
    code = "async def say(text):\n    await asyncio.sleep(0.01)\n    print(text)\n"
    assert either_kernel.run_cell(code).status == "ok"
    ran = either_kernel.queue_cells(["run(say('one'))", "run(say('two'))"])
    assert [cell.stdout for cell in ran] == ["one\n", "two\n"]


def test_a_late_print_lands_in_the_cell_that_submitted(kernel: Kernel) -> None:
    """Output that comes after the cell has ended still belongs to it."""
    late = kernel.send(
        "gate = run(asyncio.sleep(0, result=asyncio.Event()))\n"
        "async def say_late():\n"
        "    await gate.wait()\n"
        "    print('late', flush=True)\n"
        "async def open_gate(): gate.set()\n"
        "future = default_bridge().submit(say_late())"
    )
    assert kernel.collect(late).stdout == ""
    later = kernel.run_cell("run(open_gate()); future.result(10); print('later')")
    assert later == ("ok", "later\n", "")
    kernel.wait_for_output(late, "late")


def test_a_refused_call_is_one_sentence_in_the_cell(kernel: Kernel) -> None:
    """A sync call inside a coroutine of the bridge tells what to do instead."""
    ran = kernel.run_cell(
        "async def wrong(): return run(asyncio.sleep(0))\nrun(wrong())"
    )
    assert ran.status == "error"
    assert ran.error.startswith("BridgeError: A synchronous call was made inside")
