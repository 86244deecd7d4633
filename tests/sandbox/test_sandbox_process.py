"""A sandbox in a process of its own has the same face, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import contexter_nb.sandbox as room
from contexter_nb.core import ClientClosedError, InvalidArgumentError
from contexter_nb.sandbox import Knobs, LibraryCatalog, Sandbox, sandbox
from tests.loops import FakeClock

PANDAS = "/v1/libraries/pandas"
KEY = "demo-key-0123456789"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Give a sandbox in a process, with the catalog."""
    with sandbox("catalog", process=True) as opened:
        yield opened


def pid_of(box: Sandbox) -> int:
    """Return the id of its process."""
    pid: int = box._running._process.pid  # type: ignore[attr-defined]
    return pid


def is_there(pid: int) -> bool:
    """Tell whether a process is there, be it as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def soon(fact: Callable[[], bool]) -> bool:
    """Tell whether something comes true within ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if fact():
            return True
        threading.Event().wait(0.02)
    return False


def serves(url: str) -> bool:
    """Tell whether somebody answers there."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def run_script(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in another interpreter."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def script(box: Sandbox) -> list[Any]:
    """Do what can be done with a sandbox, and return all that was seen."""
    seen: list[Any] = [dict(box.knobs), box.closed, list(box.services)]
    url = box.services["catalog"] + PANDAS
    headers = {"X-Api-Key": KEY}
    seen.append(httpx.get(url, headers=headers).status_code)
    box.set("catalog", outage=True)
    seen.append(httpx.get(url, headers=headers).status_code)
    box.schedule([(0.0, Knobs(error_rate=1.0, error_status=418))])
    seen.append(httpx.get(url, headers=headers).status_code)
    seen.append(dict(box.knobs))
    for wrong in (
        lambda: box.set("catalogue", outage=True),
        lambda: box.set(latency=1),
        lambda: box.set(error_rate=2),
        lambda: box.schedule([(1.0, 7)]),  # type: ignore[list-item]
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            wrong()
        seen.append(str(caught.value))
    seen.append([(each.service, each.path, each.status) for each in box.log()])
    seen.append(repr(box).replace(box.url, "URL"))
    seen.append(box._repr_html_().replace(box.url, "URL"))
    seen.append(box.environment())
    box.close()
    box.close()
    box.set(outage=False)
    seen += [box.closed, repr(box), len(box.log()), len(box.knobs)]
    return seen


def test_thread_and_process_have_one_face() -> None:
    """The same script sees the same in both."""
    runs = [
        script(sandbox("catalog", api_key=KEY, latency_seconds=0.01, process=process))
        for process in (False, True)
    ]
    assert runs[0] == runs[1]
    assert runs[0][3:6] == [200, 503, 418]
    assert KEY not in repr(runs)


def test_every_entry_of_the_log_comes_over(box: Sandbox) -> None:
    """In order, once, with its time, however often it is looked at."""
    for number in range(30):
        httpx.get(f"{box.services['catalog']}/v1/libraries?page={number + 1}")
        if number % 7 == 0:
            assert len(box.log()) == number + 1
    log = box.log()
    assert [each.path for each in log] == [
        f"/v1/libraries?page={number + 1}" for number in range(30)
    ]
    times = [each.at for each in log]
    assert times == sorted(times) and times[0].tzinfo is not None


def test_the_key_is_neither_in_the_command_nor_in_the_environment() -> None:
    """Other users of the machine can read the former."""
    with sandbox("catalog", api_key=KEY, process=True) as box:
        folder = Path("/proc", str(pid_of(box)))
        if folder.exists():
            for name in ("cmdline", "environ"):
                assert KEY.encode() not in (folder / name).read_bytes()
        url = box.services["catalog"] + PANDAS
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"X-Api-Key": KEY}).status_code == 200
        assert KEY not in repr(box) + repr(box.log()) + repr(vars(box._running))


def test_closing_leaves_no_process(box: Sandbox) -> None:
    """Not even a zombie, and the port is free."""
    pid, port = pid_of(box), int(box.url.rpartition(":")[2])
    box.close()
    assert not is_there(pid)
    assert not serves(box.url)
    with sandbox("catalog", process=True, port=port) as again:
        assert again.url == box.url


def test_a_sandbox_that_nobody_holds_goes() -> None:
    """Its process, too, when it is garbage."""
    box = sandbox("catalog", process=True)
    pid = pid_of(box)
    del box
    gc.collect()
    assert soon(lambda: not is_there(pid))


def test_the_process_dies_with_its_parent() -> None:
    """Also where that is killed with SIGKILL and cleans nothing up."""
    done = run_script(
        "import os, signal\n"
        "from contexter_nb.sandbox import sandbox\n"
        "box = sandbox('catalog', process=True)\n"
        "print(box.url, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert done.returncode == -signal.SIGKILL
    url = done.stdout.strip()
    assert url.startswith("http://127.0.0.1:")
    assert soon(lambda: not serves(url))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_process_dies_though_a_sibling_holds_its_pipe() -> None:
    """A fork of the parent that lives on has the pipe open, but is no parent."""
    done = run_script(
        "import os, signal, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from contexter_nb.sandbox import sandbox\n"
        "box = sandbox('catalog', process=True)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(1), os.close(2)\n"
        "    signal.alarm(30)\n"
        "    signal.pause()\n"
        "print(box.url, child, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    url, child = done.stdout.split()
    try:
        assert is_there(int(child))
        assert soon(lambda: not serves(url))
    finally:
        os.kill(int(child), signal.SIGKILL)


@pytest.mark.parametrize("end", ["", "box.close()", "del box", "box = 7"])
def test_the_interpreter_ends_with_a_process_open(end: str) -> None:
    """Nothing is printed, nothing is waited for, nothing is left."""
    done = run_script(
        "import httpx\n"
        "from contexter_nb.sandbox import sandbox\n"
        "box = sandbox('catalog', process=True)\n"
        "print(httpx.get(box.url).status_code, box.url)\n" + end
    )
    assert (done.returncode, done.stderr) == (0, "")
    status, url = done.stdout.split()
    assert status == "200" and not serves(url)


def test_a_process_that_is_killed_is_told_of(box: Sandbox) -> None:
    """It counts as closed, keeps what was seen, and says what to do."""
    httpx.get(box.services["catalog"] + PANDAS)
    assert len(box.log()) == 1
    os.kill(pid_of(box), signal.SIGKILL)
    assert soon(lambda: box.closed)
    assert len(box.log()) == 1 and "closed" in repr(box)
    with pytest.raises(ClientClosedError, match="ended unasked; start another"):
        box.set(outage=True)
    box.close()
    assert not is_there(pid_of(box))


def test_an_interrupt_is_not_for_the_sandbox(box: Sandbox) -> None:
    """Ctrl-C goes to the kernel's group of processes; the sandbox is in another."""
    assert os.getpgid(pid_of(box)) != os.getpgid(0)
    os.kill(pid_of(box), signal.SIGINT)
    box.set(outage=True)
    assert httpx.get(box.services["catalog"] + PANDAS).status_code == 503


def test_an_interrupted_call_spoils_no_later_one(box: Sandbox) -> None:
    """An answer that nobody read, and a message cut off, are passed over."""
    running: Any = box._running
    running._write({"do": "show", "total": 0, "id": -1})
    box.set(error_rate=0.5)
    os.write(running._process.stdin.fileno(), b'\n{"do": "turn", "na')
    box.set(outage=True)
    assert box.knobs["catalog"] == Knobs(error_rate=0.5, outage=True)


def test_it_can_be_led_from_many_threads(box: Sandbox) -> None:
    """Twenty at once turn, look and ask; each sees whole answers."""
    failed: list[BaseException] = []
    url = box.services["catalog"] + PANDAS

    def work(number: int) -> None:
        try:
            for _ in range(5):
                box.set(seed=number)
                assert httpx.get(url).status_code == 200
                assert box.knobs["catalog"].seed in range(20)
                assert all(each.status == 200 for each in box.log())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert len(box.log()) == 100


def test_it_outlives_the_thread_that_started_it() -> None:
    """A sandbox made in a widget's callback stays."""
    made: list[Sandbox] = []
    thread = threading.Thread(
        target=lambda: made.append(sandbox("catalog", process=True))
    )
    thread.start()
    thread.join()
    with made[0] as box:
        assert serves(box.url) and not box.closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_process_alone(box: Sandbox) -> None:
    """There it counts as closed; closing it does nothing to the parent's."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            seen = box.closed and len(box.log()) == 0
            box.set(outage=True)
            box.close()
            code = 0 if seen else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert serves(box.services["catalog"] + PANDAS) and not box.closed


def test_what_cannot_go_to_a_process_is_refused(box: Sandbox) -> None:
    """One sentence each, and no process is left."""
    taken = int(box.url.rpartition(":")[2])
    for arguments, options, message in (
        ([LibraryCatalog()], {}, "cannot go to another process"),
        (["catalog"], {"clock": FakeClock()}, "cannot go to another process"),
        (["catalog", "catalog"], {}, "two services 'catalog'"),
        (["catalogue"], {}, "Did you mean 'catalog'"),
        (["catalog"], {"port": taken}, f"port {taken} cannot be used"),
        (["catalog"], {"port": 99_999}, "cannot be used"),
        (["catalog"], {"latency": 1}, "Did you mean 'latency_seconds'"),
    ):
        with pytest.raises(InvalidArgumentError, match=message) as caught:
            sandbox(*arguments, process=True, **options)
        assert "\n" not in str(caught.value)


def test_a_python_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one that cannot import this package."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(InvalidArgumentError, match="No process could be started"):
        sandbox("catalog", process=True)
    monkeypatch.undo()
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InvalidArgumentError, match="did not start .*process=False"):
        sandbox("catalog", process=True)


def test_the_room_is_a_verb() -> None:
    """Called, it starts all services in a process; its names are still there."""
    with room() as box:  # type: ignore[operator]
        assert set(box.services) == {"catalog", "context7", "graphql", "voyage"}
        assert is_there(pid_of(box)) and pid_of(box) != os.getpid()
        told = box.environment()
        assert sorted(told) == [
            "CONTEXT7_API_KEY",
            "CONTEXT7_BASE_URL",
            "VOYAGE_API_KEY",
            "VOYAGE_BASE_URL",
        ]
        answer = httpx.post(
            told["VOYAGE_BASE_URL"] + "/embeddings",
            json={"input": "a", "model": "voyage-4"},
            headers={"Authorization": f"Bearer {told['VOYAGE_API_KEY']}"},
            timeout=60,
        )
        assert answer.is_success
        assert told["VOYAGE_API_KEY"] not in repr(box) + box._repr_html_()
        asked = {"libraryId": "/python/textwrap", "query": "wrap a text"}
        url = told["CONTEXT7_BASE_URL"] + "/v2/context"
        assert "### textwrap" in httpx.get(url, params=asked, timeout=60).text
        query = {"query": "{ libraries(first: 1) { totalCount } }"}
        told_by_graph = httpx.post(box.services["graphql"], json=query).json()
        assert told_by_graph == {"data": {"libraries": {"totalCount": 44}}}
    with room("catalog", process=False, outage=True) as box:  # type: ignore[operator]
        assert box.knobs["catalog"].outage
        assert "contexter-sandbox" in [each.name for each in threading.enumerate()]
    assert room.sandbox is sandbox and room.Sandbox is Sandbox


def test_sandboxes_side_by_side_do_not_meet() -> None:
    """Ports, knobs and logs are each one's own; closing one leaves the other."""
    with sandbox("catalog", process=True) as one:
        with sandbox("catalog", process=True) as other:
            other.set(outage=True)
            assert one.url != other.url
            assert serves(one.services["catalog"] + PANDAS)
            assert not serves(other.services["catalog"] + PANDAS)
            assert (len(one.log()), len(other.log())) == (1, 1)
        assert serves(one.url)


def test_its_page_is_short_and_escaped(box: Sandbox) -> None:
    """The repr is a line, the page a small table."""
    assert repr(box) == f"<Sandbox {box.url}: catalog; 0 requests>"
    page = box._repr_html_()
    assert len(page) < 1_000 and "<script" not in page
    assert box.services["catalog"] in page
