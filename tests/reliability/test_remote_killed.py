"""Processes that are killed and services that go away: nothing is paid for twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest

import contexter_nb as cx
from contexter_nb.clients import QdrantAPIClient
from contexter_nb.core import ContexterError, SystemClock
from contexter_nb.policies import APIMonitor
from contexter_nb.retrieval import (
    EmbeddingCache,
    IndexingTools,
    IndexReport,
    RowsSource,
    ServerIndex,
    StaticEmbedder,
    TermMatcher,
    index_sources,
)
from contexter_nb.sandbox import Sandbox, sandbox
from tests.clients.qdrant_wire import QdrantWire
from tests.loops import run_really
from tests.policies.redis_server import RedisServer, redis_server, start_redis
from tests.retrieval.embedder import CountingEmbedder
from tests.sandbox.billing import BilledVoyage
from tests.world.faults import ByRequest, FaultServer, Seen, fault_server

__all__ = ["redis_server"]

# So that a job is a score of requests whose pace the account's limit sets.
_WORDS = "the quick brown fox " * 26


class Watched(BilledVoyage):
    """Tells when so many texts were embedded."""

    def __init__(self) -> None:
        super().__init__()
        self._waits: list[tuple[int, threading.Event]] = []

    async def answer(self, request: Any) -> Any:
        reply = await super().answer(request)
        done = len(self.texts)
        for wanted, event in self._waits:
            if done >= wanted:
                event.set()
        return reply

    def wait(self, texts: int) -> None:
        """Wait until so many different texts were embedded."""
        event = threading.Event()
        self._waits.append((texts, event))
        if len(self.texts) < texts:
            assert event.wait(60), f"{len(self.texts)} of {texts} texts came"


def text_of(at: int) -> str:
    """Return a text of its own."""
    return f"text {at:05}: {_WORDS}"


def rows(count: int) -> pd.DataFrame:
    """Return a table of long texts."""
    table = pd.DataFrame({"text": [text_of(at) for at in range(count)]})
    table.attrs["name"] = "rows"
    return table


@pytest.fixture
def service() -> Watched:
    """Give a service with a bill."""
    return Watched()


@pytest.fixture
def box(service: Watched) -> Iterator[Sandbox]:
    """Give a sandbox in which it answers after a while, with cheap vectors."""
    with sandbox(service, latency_seconds=0.1, vectors="hash") as opened:
        yield opened


def environment(box: Sandbox, **more: str) -> dict[str, str]:
    """Return the environment of a process that works on a sandbox."""
    told = {"VOYAGE_TIER": "tier 2", **box.environment(), **more}
    return {**os.environ, **told, "PYTHONPATH": os.getcwd()}


def connected(box: Sandbox, home: Path, **options: Any) -> Any:
    """Open a session on a sandbox."""
    told = {name.lower(): value for name, value in box.environment().items()}
    return cx.connect(home=home, voyage_tier="tier 2", **{**told, **options})


_EMBEDDER = """
import sys
import contexter_nb as cx
from tests.reliability.test_remote_killed import text_of

with cx.connect(home=sys.argv[1]) as nb:
    client = nb.aio._verbs.remote.voyage
    cx.run(client.generate_embeddings(
        [text_of(at) for at in range(int(sys.argv[2]))],
        input_type="document",
        dimension=1024,
        on_batch=lambda progress: print(progress.done, flush=True),
    ))
"""


@pytest.mark.slow
def test_a_killed_process_pays_for_nothing_twice_that_came_back(
    box: Sandbox, service: Watched, tmp_path: Path
) -> None:
    """Kill -9 in the midst of 10,000 texts: the next run sends the rest alone."""
    count = 10_000
    worker = subprocess.Popen(
        [sys.executable, "-c", _EMBEDDER, str(tmp_path), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(box),
    )
    assert worker.stdout is not None
    kept = 0
    for line in worker.stdout:
        kept = int(line)
        if kept >= 3_000:
            break
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    kept = max([kept, *(int(each) for each in worker.stdout.read().split())])
    worker.stdout.close()
    answered = len(service.texts)
    assert 3_000 <= kept <= answered < count
    with connected(box, tmp_path) as nb:
        found = nb.embed([text_of(at) for at in range(count)])
        assert len(found) == count
        # All that had come back, and at most what was just being told, is there.
        assert kept <= found["cached"].sum() < count
        assert found["embedding"].map(len).eq(1024).all()
        assert nb.embed([text_of(0), text_of(count - 1)])["cached"].all()
    assert len(service.texts) == count
    assert set(service.texts.values()) <= {1, 2}
    # Twice came only what the service had answered and the process not yet kept.
    twice = service.texts.total() - count
    assert twice <= answered - kept


@pytest.mark.parametrize("verb", ["embed", "index"])
def test_an_interrupted_cell_pays_for_nothing_twice_that_came_back(
    box: Sandbox, service: Watched, tmp_path: Path, verb: str
) -> None:
    """What was booked is kept; only what was on its way at the stop is sent again."""
    count = 4_000

    def work(aio: Any) -> Any:
        if verb == "embed":
            return aio.embed(rows(count)["text"].tolist())
        return aio.index(rows(count))

    with connected(box, tmp_path) as nb:

        async def main() -> None:
            task = asyncio.ensure_future(work(nb.aio))
            await asyncio.to_thread(service.wait, 1_500)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        stopped = nb.costs()
        booked = int(stopped["tokens"].sum())
        assert 0 < len(service.texts) < count
        asyncio.run(_finished(work(nb.aio)))
        told = nb.costs()["tokens"].sum()
        assert booked < told
        assert len(service.texts) == count
    with connected(box, tmp_path / "other") as nb:
        before = service.tokens
        asyncio.run(_finished(work(nb.aio)))
        whole = service.tokens - before
    # Over both runs each text that came back was booked once.
    assert told == whole


async def _finished(work: Any) -> Any:
    return await work


def test_redis_stops_and_returns_in_the_midst_of_work(
    box: Sandbox,
    service: Watched,
    redis_server: RedisServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cache and limits go on alone, nothing is lost, and little is said of it."""
    count = 4_000
    with (
        warnings.catch_warnings(record=True) as warned,
        connected(box, tmp_path, redis_url=redis_server.url) as nb,
    ):
        warnings.simplefilter("always")
        nb.status()

        def stop_and_return() -> None:
            service.wait(800)
            redis_server.kill()
            service.wait(2_500)
            redis_server.start()

        other = threading.Thread(target=stop_and_return)
        other.start()
        report = nb.index(rows(count)).iloc[0]
        other.join()
        assert (report["new"], report["embedded"]) == (count, count)
        assert pd.isna(report["error"])
        assert nb.contents()["state"].tolist() == ["current"]
        again = nb.index(rows(count)).iloc[0]
        assert again["unchanged"] == count
        nb.remove("rows")
        assert nb.index(rows(count))["embedded"].tolist() == [0]
        assert len(nb.search("quick fox", mode="text"))
    assert service.texts.total() == len(service.texts) == count
    said = [each.getMessage() for each in caplog.records if each.levelno >= 30]
    said += [str(each.message) for each in warned]
    assert len([each for each in said if "cache" in each.lower()]) <= 2
    assert len(said) <= 4, said
    assert "Traceback" not in capfd.readouterr().err
    assert not [each for each in said if "\n" in each]


class Patient(Random):
    """A generator without chance: every wait is nearly the longest possible.

    With chance, one run in a hundred asks four times within the fifth of a second in
    which nobody is there, and that is right: the policy's waits begin at nothing.
    """

    def random(self) -> float:
        return 0.99


class Bench:
    """An index on a Qdrant that stops when so many batches were stored."""

    def __init__(self, folder: Path) -> None:
        self.embedder = CountingEmbedder(dimension=8)
        self.cache = EmbeddingCache(folder / "embeddings.sqlite")
        self.matcher = TermMatcher(StaticEmbedder())
        self.wire = QdrantWire()
        self.stop_after: int | None = None
        self.stopping = asyncio.Event()

    def behave(self, seen: Seen) -> Any:
        """Answer, and tell when it is time to stop."""
        stored = self.wire.asked.count("upsert")
        if self.stop_after is not None and stored >= self.stop_after:
            self.stop_after = None
            self.stopping.set()
        return self.wire.behave(seen)

    async def run(self, client: QdrantAPIClient, source: RowsSource) -> IndexReport:
        """Index."""
        tools = IndexingTools(
            index=ServerIndex(client, self.embedder, self.matcher),
            embedder=self.embedder,
            cache=self.cache,
            clock=SystemClock(),
            notify=print,
            progress=lambda _: None,
        )
        (report,) = [each async for each in index_sources([source], tools)]
        return report


async def _gone_for(server: FaultServer, bench: Bench, seconds: float) -> None:
    await bench.stopping.wait()
    await server.stop()
    await asyncio.sleep(seconds)
    await server.start()


SOURCE_ROWS = 1_500


@pytest.mark.parametrize("away_seconds", [0.2, None], ids=["shortly", "for long"])
def test_qdrant_stops_and_returns_in_the_midst_of_indexing(
    tmp_path: Path, away_seconds: float | None
) -> None:
    """A short stop is waited for, a long one is one sentence; then it completes."""
    bench = Bench(tmp_path)
    source = RowsSource([{"text": f"text {at}"} for at in range(SOURCE_ROWS)], "rows")

    async def main() -> None:
        async with (
            fault_server(ByRequest(bench.behave)) as server,
            QdrantAPIClient(
                server.url,
                api_key=bench.wire.key,
                monitor=APIMonitor(telemetry=False),
                rng=Patient(),
            ) as client,
        ):
            bench.stop_after = 5
            if away_seconds is not None:
                away = asyncio.create_task(_gone_for(server, bench, away_seconds))
                report = await bench.run(client, source)
                await away
                assert report.new + report.failed == SOURCE_ROWS
            else:
                job = asyncio.create_task(bench.run(client, source))
                await bench.stopping.wait()
                await server.stop()
                with pytest.raises(ContexterError) as failed:
                    await job
                told = str(failed.value)
                assert told.endswith(".")
                assert "\n" not in told
                assert 20 < len(told) < 400
                await server.start()
            made = len(bench.embedder.texts)
            # The breaker may have opened meanwhile; a person tries again later.
            async with asyncio.timeout(40):
                while True:
                    with contextlib.suppress(ContexterError):
                        report = await bench.run(client, source)
                        if not report.problems:
                            break
                    await asyncio.sleep(0.2)
            assert report.chunks == SOURCE_ROWS
            assert bench.wire.points.count("contexter").count == SOURCE_ROWS + 1
            again = await bench.run(client, source)
            assert (again.unchanged, again.new) == (SOURCE_ROWS, 0)
            assert made <= len(bench.embedder.texts) == SOURCE_ROWS
            assert len(set(bench.embedder.texts)) == SOURCE_ROWS

    try:
        run_really(main())
    finally:
        bench.cache.close()


_KERNEL = """
import asyncio, sys
import contexter_nb as cx

async def main(nb, name):
    texts = [f"text {at} of {name}" for at in range(130)]
    await asyncio.gather(*(nb.aio.embed(each) for each in texts))

with cx.connect(home=sys.argv[1]) as nb:
    nb.limits()
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(main(nb, sys.argv[2]))
"""


@pytest.mark.parametrize("shared_by", ["sqlite", "redis"])
def test_two_kernels_keep_to_one_quota(tmp_path: Path, shared_by: str) -> None:
    """By the file of their home, or by Redis from two homes: the service refuses none.

    Of an account's 2,000 requests a minute a kernel sends a hundred at once. The
    service takes 150, since requests may come closer together than they were sent; two
    kernels that do not know of each other send 200.
    """
    with contextlib.ExitStack() as stack:
        box = stack.enter_context(
            sandbox(
                "voyage",
                process=True,
                requests_per_minute=2_000,
                burst=150,
                vectors="hash",
            )
        )
        more = {"VOYAGE_TIER": "tier 1"}
        homes = [tmp_path / "home"] * 2
        if shared_by == "redis":
            more["REDIS_URL"] = stack.enter_context(start_redis()).url
            homes = [tmp_path / "one", tmp_path / "two"]
        kernels = [
            subprocess.Popen(
                [sys.executable, "-c", _KERNEL, str(home), f"kernel {at}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(box, **more),
            )
            for at, home in enumerate(homes)
        ]
        for kernel in kernels:
            assert kernel.stdout is not None
            assert kernel.stdout.readline() == "ready\n"
        for kernel in kernels:
            assert kernel.stdin is not None
            kernel.stdin.write("\n")
            kernel.stdin.flush()
        for kernel in kernels:
            _, errors = kernel.communicate(timeout=60)
            assert (kernel.returncode, errors) == (0, "")
        statuses = [each.status for each in box.log() if each.method == "POST"]
    assert statuses == [200] * 260
