"""A sandbox over real HTTP: it does what its knobs say, and goes when it is told."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import httpx
import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.sandbox import (
    Knobs,
    LibraryCatalog,
    Reply,
    Request,
    Sandbox,
    Service,
    sandbox,
)
from tests.loops import EPOCH, FakeClock, run_really

KEY = "demo-key-0123456789"
PANDAS = "/v1/libraries/pandas"


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock whose sleeps take no time."""
    return FakeClock()


@pytest.fixture
def box(clock: FakeClock) -> Iterator[Sandbox]:
    """Give a sandbox with the catalog, on that clock."""
    with sandbox("catalog", clock=clock) as opened:
        yield opened


@pytest.fixture
def client(box: Sandbox) -> Iterator[httpx.Client]:
    """Give a client of the catalog."""
    with httpx.Client(base_url=box.services["catalog"]) as opened:
        yield opened


def threads() -> list[str]:
    """Return the names of the sandboxes' threads."""
    names = [each.name for each in threading.enumerate()]
    return [name for name in names if name == "contexter-sandbox"]


def outcome(client: httpx.Client, path: str = PANDAS) -> int | str:
    """Return the status, or "dropped"."""
    try:
        return client.get(path).status_code
    except httpx.ReadError:
        return "dropped"


def test_latency_delays_every_answer(
    client: httpx.Client, box: Sandbox, clock: FakeClock
) -> None:
    """Answers and refusals alike wait for as long as the knob says."""
    box.set(latency_seconds=0.25)
    assert client.get(PANDAS).is_success
    box.set(outage=True, latency_seconds=0.5)
    assert client.get(PANDAS).status_code == 503
    assert clock.slept == [0.25, 0.5]


def test_latency_is_real_time_on_the_machines_clock() -> None:
    """A client waits for it."""
    with sandbox("catalog", latency_seconds=0.1) as box:
        started = time.monotonic()
        httpx.get(box.services["catalog"] + PANDAS)
        assert time.monotonic() - started > 0.099


def test_waiting_as_long_as_retry_after_says_is_enough(
    client: httpx.Client, box: Sandbox, clock: FakeClock
) -> None:
    """Two pass, the third gets 429; it passes after the seconds named, not before."""
    box.set(requests_per_minute=20, burst=2)
    answers = [client.get(PANDAS) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert "retry-after" not in answers[0].headers
    wait = int(answers[2].headers["retry-after"])
    assert wait == 3
    assert answers[2].json()["error"]["message"] == "more than 20 requests a minute"
    clock.instant += wait - 1
    assert client.get(PANDAS).status_code == 429
    clock.instant += 1
    assert client.get(PANDAS).status_code == 200


def test_a_seed_gives_the_same_faults_over_the_wire(clock: FakeClock) -> None:
    """Errors and resets come at the same requests in another sandbox."""
    runs = []
    for _ in range(2):
        knobs: dict[str, Any] = {"error_rate": 0.3, "reset_rate": 0.3, "seed": 11}
        with sandbox("catalog", clock=clock, **knobs) as box:
            with httpx.Client(base_url=box.services["catalog"]) as client:
                runs.append([outcome(client) for _ in range(40)])
            logged = [each.status or "dropped" for each in box.log()]
            assert logged == runs[-1]
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503, "dropped"}


def test_an_outage_can_be_scheduled(
    client: httpx.Client, box: Sandbox, clock: FakeClock
) -> None:
    """It begins and ends at its times, and the service's own form is kept."""
    box.schedule([(2.0, Knobs(outage=True)), (5.0, Knobs())])
    seen = []
    for _ in range(7):
        seen.append(client.get(PANDAS).status_code)
        clock.instant += 1.0
    assert seen == [200, 200, 503, 503, 503, 200, 200]


def test_knobs_are_those_of_their_service(clock: FakeClock) -> None:
    """One service's outage leaves the other alone; a wrong name is refused."""
    with sandbox("catalog", Echo(), clock=clock) as box:
        box.set("echo", outage=True)
        codes = {
            name: httpx.get(url + PANDAS).status_code
            for name, url in box.services.items()
        }
        assert codes == {"catalog": 200, "echo": 503}
        assert dict(box.knobs) == {"catalog": Knobs(), "echo": Knobs(outage=True)}
        with pytest.raises(InvalidArgumentError, match="Did you mean 'catalog'"):
            box.set("catalogue", outage=True)
        with pytest.raises(InvalidArgumentError, match="Did you mean 'error_rate'"):
            box.set(outage=False, eror_rate=0.1)
        assert box.knobs["echo"] == Knobs(outage=True)


class Echo:
    """A service of the tests' own: gives back, breaks, or never ends."""

    name = "echo"

    async def answer(self, request: Request) -> Reply:
        if request.path == "/break":
            raise LookupError("with Bearer abcdefgh12345678")
        if request.path == "/empty":
            return Reply(status=204, body=b"never sent")
        return Reply.of(
            {
                "method": request.method,
                "path": request.path,
                "query": dict(request.query),
                "body": request.body.decode(),
                "key": request.key,
            }
        )

    def refuse(self, status: int, message: str) -> Reply:
        return Reply.of({"detail": message}, status)


def test_a_service_of_ones_own_can_be_served() -> None:
    """It gets path, query, body and key, and its errors have its own form."""
    assert isinstance(Echo(), Service)
    with sandbox(Echo()) as box:
        url = box.services["echo"]
        answer = httpx.post(
            f"{url}/a%20b/c?x=1&x=2&y=",
            content="é",
            headers={"X-Api-Key": "k"},
        )
        assert answer.json() == {
            "method": "POST",
            "path": "/a%20b/c",
            "query": {"x": "2", "y": ""},
            "body": "é",
            "key": "k",
        }
        box.set(outage=True)
        assert httpx.get(url).json() == {"detail": "the service is down"}


def test_a_service_that_breaks_is_500_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client learns nothing of it; the log has the error without credentials."""
    with caplog.at_level(logging.ERROR), sandbox(Echo()) as box:
        answer = httpx.get(box.services["echo"] + "/break")
        assert (answer.status_code, answer.json()) == (
            500,
            {"detail": "the service failed"},
        )
        assert httpx.get(box.services["echo"] + "/empty").content == b""
    assert "LookupError" in caplog.text
    assert "abcdefgh12345678" not in caplog.text


def test_a_key_is_demanded_where_one_is_set() -> None:
    """None and a wrong one are 401; both ways of sending the right one pass."""
    with sandbox("catalog", api_key=KEY) as box:
        url = box.services["catalog"] + PANDAS
        tried = [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {KEY}"},
            {"Authorization": f"bearer {KEY}"},
            {"X-Api-Key": KEY},
        ]
        answers = [httpx.get(url, headers=headers) for headers in tried]
        assert [each.status_code for each in answers] == [401, 401, 401, 200, 200]
        assert answers[0].headers["www-authenticate"] == "Bearer"


def test_the_log_has_every_request_and_no_secret(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys can be told apart, and are found nowhere."""
    with caplog.at_level(0), sandbox("catalog", api_key=KEY, clock=clock) as box:
        url = box.services["catalog"]
        headers = {"Authorization": f"Bearer {KEY}"}
        httpx.get(f"{url}/v1/libraries?page=2&token={KEY}", headers=headers)
        httpx.get(url + PANDAS, headers={"X-Api-Key": KEY})
        httpx.get(url + PANDAS, headers={"X-Api-Key": "another-key"})
        httpx.post(f"{url}/v1/search/{KEY}")
        httpx.get(f"{box.url}/nothing/here")
        log = box.log()
        own = [each for each in caplog.records if not each.name.startswith("http")]
        told = "".join(each.getMessage() for each in own)
        shown = repr(log) + repr(box) + box._repr_html_() + told
    assert [(each.method, each.path, each.status) for each in log] == [
        ("GET", "/v1/libraries?page=2&token=***", 200),
        ("GET", PANDAS, 200),
        ("GET", PANDAS, 401),
        ("POST", "/v1/search/***", 401),
        ("GET", "/nothing/here", 404),
    ]
    assert [each.service for each in log] == ["catalog"] * 4 + [""]
    assert log[0].key == log[1].key != log[2].key
    assert len(log[0].key) == 8 and log[3].key == ""
    assert log[0].at == EPOCH and log[0].at.tzinfo is UTC
    for secret in (KEY, "another-key", "9876543210"):
        assert secret not in shown


def test_a_request_is_in_the_log_before_its_answer_is_sent(
    client: httpx.Client, box: Sandbox
) -> None:
    """Who has the answer finds it there, every time."""
    for number in range(1, 51):
        client.get(PANDAS)
        assert len(box.log()) == number


class Sleepy(FakeClock):
    """A clock whose sleeps never end, and which tells of them."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = threading.Event()
        self.woken = threading.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.woken.set()


def test_a_client_that_leaves_frees_what_waited_for_it() -> None:
    """Latency without an end holds nothing once the client has given up."""
    clock = Sleepy()
    with sandbox("catalog", latency_seconds=3_600, clock=clock) as box:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(box.services["catalog"] + PANDAS, timeout=0.1)
        assert clock.woken.wait(10)
        box.set(latency_seconds=0.0)
        assert httpx.get(box.services["catalog"] + PANDAS).is_success
    assert [each.status for each in box.log()] == [None, 200]


def test_twenty_clients_at_once_each_get_their_own_answer() -> None:
    """Twenty connections, five requests each, none lost and none mixed up."""

    async def main(url: str) -> None:
        async def ask(number: int) -> None:
            async with httpx.AsyncClient(base_url=url) as client:
                for turn in range(5):
                    path = f"/p{number}-{turn}"
                    assert (await client.get(path)).json()["path"] == path

        await asyncio.gather(*(ask(number) for number in range(20)))

    with sandbox(Echo(), latency_seconds=0.01) as box:
        run_really(main(box.services["echo"]))
        assert len(box.log()) == 100
        assert {each.status for each in box.log()} == {200}


def test_closing_twice_is_closing_once() -> None:
    """The port is free, the thread is gone, and what was seen stays readable."""
    before = threads()
    box = sandbox("catalog")
    port = int(box.url.rpartition(":")[2])
    httpx.get(box.services["catalog"] + PANDAS)
    assert len(threads()) == len(before) + 1
    box.close()
    box.close()
    assert threads() == before
    assert box.closed and "closed" in repr(box)
    assert len(box.log()) == 1
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))


def test_closing_from_many_threads_waits_in_each() -> None:
    """None returns before the port is free."""
    box = sandbox("catalog")
    port = int(box.url.rpartition(":")[2])
    refused: list[bool] = []

    def close() -> None:
        box.close()
        with socket.socket() as tried:
            refused.append(tried.connect_ex(("127.0.0.1", port)) != 0)

    closing = [threading.Thread(target=close) for _ in range(8)]
    for each in closing:
        each.start()
    for each in closing:
        each.join()
    assert refused == [True] * 8


def test_closing_breaks_off_what_still_waits() -> None:
    """A request in its latency does not hold up the end."""
    failed: list[Exception] = []
    clock = Sleepy()
    with sandbox("catalog", latency_seconds=3_600, clock=clock) as box:

        def ask() -> None:
            try:
                httpx.get(box.services["catalog"] + PANDAS, timeout=30)
            except httpx.TransportError as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert clock.asleep.wait(10)
    asking.join(10)
    assert len(failed) == 1


def test_a_sandbox_that_nobody_holds_goes() -> None:
    """Running a cell again leaves no server behind."""
    before = threads()
    box = sandbox("catalog")
    own = next(each for each in threading.enumerate() if each.name == threads()[-1])
    url = box.url
    del box
    gc.collect()
    own.join(10)
    assert threads() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize("close", ["", "box.close()", "del box", "box = sandbox()"])
def test_the_interpreter_ends_with_a_sandbox_open(close: str) -> None:
    """Nothing is printed and nothing is waited for."""
    code = (
        "import httpx\n"
        "from contexter_nb.sandbox import sandbox\n"
        "box = sandbox('catalog')\n"
        "print(httpx.get(box.url).status_code)\n" + close
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_sandbox_alone(box: Sandbox) -> None:
    """Closing it there ends at once, and the parent still serves."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            box.close()
            code = 0 if box.closed else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert httpx.get(box.url).is_success and not box.closed


def test_it_listens_on_this_machine_only(box: Sandbox) -> None:
    """The address is loopback, and the root lists the services."""
    assert box.url.startswith("http://127.0.0.1:")
    assert httpx.get(box.url).json() == {"services": {"catalog": "/catalog"}}
    assert httpx.post(box.url).status_code == 405
    assert httpx.get(f"{box.url}/other/x").status_code == 404


def test_a_port_can_be_asked_for(box: Sandbox) -> None:
    """One that is taken, or is none, is refused in one sentence."""
    taken = int(box.url.rpartition(":")[2])
    before = threads()
    for port in (taken, 99_999, "x"):
        with pytest.raises(InvalidArgumentError, match="cannot be used") as caught:
            sandbox("catalog", port=port)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    assert threads() == before
    box.close()
    with sandbox("catalog", port=taken) as again:
        assert again.url == f"http://127.0.0.1:{taken}"


class Unfit(Echo):
    """A service whose name is no part of a path."""

    name = "a/b"


@pytest.mark.parametrize(
    ("services", "options", "message"),
    [
        (["catalogue"], {}, "Did you mean 'catalog'"),
        ([7], {}, "int is no service"),
        (["catalog", LibraryCatalog()], {}, "two services 'catalog'"),
        ([Sandbox], {}, "type is no service"),
        ([Unfit()], {}, "small letters, digits and dashes"),
        (["catalog"], {"latency": 1}, "Did you mean 'latency_seconds'"),
        (["catalog"], {"error_rate": 2}, "error_rate is 2"),
        (["catalog"], {"api_key": " "}, "empty"),
    ],
)
def test_what_cannot_be_started_is_refused(
    services: list[Any], options: dict[str, Any], message: str
) -> None:
    """One sentence says what would do, and no thread is left."""
    before = threads()
    with pytest.raises(InvalidArgumentError, match=message):
        sandbox(*services, **options)
    assert threads() == before


def test_a_sandbox_without_a_service_is_refused() -> None:
    """There would be nothing to ask."""
    with pytest.raises(InvalidArgumentError, match="without a service"):
        Sandbox([], Knobs())


def test_a_sandbox_shows_itself_in_a_line(box: Sandbox) -> None:
    """Its repr has address, services, knobs and how much it was asked."""
    box.set(outage=True)
    httpx.get(box.url)
    assert repr(box) == f"<Sandbox {box.url}: catalog Knobs(outage=True); 1 requests>"
    page = box._repr_html_()
    assert box.services["catalog"] in page and "outage=True" in page
    assert len(page) < 1_000
