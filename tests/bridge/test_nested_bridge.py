"""The nested bridge patches asyncio, so each fact is proved in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
import asyncio, threading, _thread
from contexter_nb.bridge import *
from contexter_nb.core import *
bridge = get_bridge("nested")
async def double(number):
    await asyncio.sleep(0)
    return 2 * number
async def sleep_long(begun=threading.Event()):
    try:
        begun.set()
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0.01)
        print("cleaned")
"""


def check(script: str, head: str = HEAD) -> list[str]:
    """Run a script of asserts with warnings as errors; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c"]
        + [head + textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_run_works_next_to_a_running_loop_and_without_one() -> None:
    """It drives the running loop, and where none runs one of the thread's own."""
    check("""
    assert bridge.run(double(1)) == 2
    async def main():
        loop = asyncio.get_running_loop()
        async def here(): return asyncio.get_running_loop() is loop
        assert bridge.run(here())
        assert await bridge.arun(double(2)) == 4
        return bridge.run(double(3))
    assert asyncio.run(main()) == 6
    """)


def test_each_thread_without_a_loop_has_its_own() -> None:
    """Calls of one thread share a loop, and two threads have two."""
    check("""
    async def loop(): return asyncio.get_running_loop()
    assert bridge.run(loop()) is bridge.run(loop())
    found = []
    thread = threading.Thread(target=lambda: found.append(bridge.run(loop())))
    thread.start(); thread.join()
    assert found[0] is not bridge.run(loop())
    bridge.close()
    assert found[0].is_closed()
    """)


def test_an_exception_passes_through() -> None:
    """The caller sees what the coroutine raised."""
    check("""
    async def fail(): raise LookupError("gone")
    for call in (bridge.run, lambda coro: asyncio.run(bridge.arun(coro))):
        try: call(fail())
        except LookupError: pass
        else: raise AssertionError
    """)


def test_a_timeout_cancels_and_waits_for_the_clean_up() -> None:
    """After TimeoutError nothing of the coroutine is pending."""
    printed = check("""
    try: bridge.run(sleep_long(), timeout=0.05)
    except TimeoutError as error: print(str(error).partition(",")[0].replace(" ", "_"))
    """)
    assert printed == ["cleaned", "No_result_within_0.05_s"]


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_an_interrupt_cancels_the_coroutine(where: str) -> None:
    """Ctrl-C, which plain nesting answers by leaving the task, cleans up here."""
    printed = check(f"""
    begun = threading.Event()
    def press():
        begun.wait()
        _thread.interrupt_main()
    threading.Thread(target=press, daemon=True).start()
    def call():
        try: bridge.run(sleep_long(begun))
        except KeyboardInterrupt: print("interrupted")
        assert bridge.run(double(1)) == 2
    async def main(): call()
    call() if "{where}" == "outside" else bridge.run(main())
    """)
    assert printed == ["cleaned", "interrupted"]


def test_arun_carries_cancellation() -> None:
    """Cancelling arun cancels and awaits what it runs."""
    printed = check("""
    async def main():
        begun = asyncio.Event()
        task = asyncio.create_task(bridge.arun(sleep_long(begun)))
        await begun.wait()
        task.cancel()
        try: await task
        except asyncio.CancelledError: print("cancelled")
    asyncio.run(main())
    """)
    assert printed == ["cleaned", "cancelled"]


def test_closers_run_at_close() -> None:
    """Both bridges close the same way, the latest closer first."""
    printed = check("""
    async def say(text): print(text)
    bridge.add_closer(lambda: say("first"))
    bridge.add_closer(lambda: say("last"))
    bridge.close(); bridge.close()
    try: bridge.run(double(1))
    except BridgeError: print("refused")
    assert get_bridge("nested") is not bridge
    """)
    assert printed == ["last", "first", "refused"]


def test_a_foreign_loop_is_refused_before_anything_is_patched() -> None:
    """A loop of uvloop's kind gets a sentence, and asyncio stays as it was."""
    printed = check("""
    class Foreign(asyncio.AbstractEventLoop): pass
    task = asyncio.Task
    asyncio._set_running_loop(Foreign())
    try: bridge.run(double(1))
    except BridgeError as error: print(*str(error).split()[-2:])
    finally: asyncio._set_running_loop(None)
    assert asyncio.Task is task
    """)
    assert printed == ["use", 'bridge="thread".']


def test_what_is_no_coroutine_is_explained() -> None:
    """The nested bridge gives the advice of the default one."""
    printed = check("""
    try: bridge.run(double)
    except InvalidArgumentError as error: print(str(error).split()[0])
    """)
    assert printed == ["double"]


def test_the_loop_thread_works_beside_it() -> None:
    """Patched asyncio does not change what the default bridge does."""
    printed = check("""
    assert bridge.run(double(1)) == 2
    thread = LoopThread()
    assert thread.run(double(2)) == 4
    try: thread.run(sleep_long(), timeout=0.05)
    except TimeoutError: print("timeout")
    async def main(): return bridge.run(double(3)) + await thread.arun(double(4))
    assert asyncio.run(main()) == 14
    thread.close()
    """)
    assert printed == ["cleaned", "timeout"]


def test_sync_works_over_it() -> None:
    """The proxy keeps a block open between two nested calls."""
    printed = check("""
    import contextlib
    class Client:
        @contextlib.asynccontextmanager
        async def block(self):
            async with asyncio.timeout(30):
                yield 1
            print("left")
        async def count(self):
            yield 1
            yield 2
    client = sync(Client(), bridge)
    async def main():
        with client.block() as value:
            assert value == 1
        assert list(client.count()) == [1, 2]
    with client.block(): pass
    asyncio.run(main())
    """)
    assert printed == ["left", "left"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """The loops of the parent are left to the parent."""
    printed = check("""
    import os, sys, warnings
    warnings.filterwarnings("ignore", "This process", DeprecationWarning)
    assert bridge.run(double(1)) == 2
    child = os.fork()
    if child == 0:
        print(bridge.run(double(2)), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(bridge.run(double(3)))
    """)
    assert printed == ["4", "6"]
