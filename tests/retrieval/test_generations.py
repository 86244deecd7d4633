"""Generations of an index: published whole, kept while read, written by one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contexter_nb.core import HomeError
from contexter_nb.retrieval._generations import (
    Generations,
    Staging,
    copy_sparse,
    write_atomically,
)
from tests.retrieval.clock import TurnedClock

KILLED = """
import asyncio, sys
from pathlib import Path
from contexter_nb.core import SystemClock
from contexter_nb.retrieval._generations import Generations

async def main():
    generations = Generations(Path(sys.argv[1]))
    async with generations.writing("indexing pandas", SystemClock(), print) as staging:
        (staging.open() / "content").write_text("half")
        (generations.path / "7").mkdir()
        print("writing", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    """Give generations in a folder that is not there yet."""
    return Generations(tmp_path / "index")


def write(
    generations: Generations, work: Callable[[Staging], object], doing: str = "testing"
) -> None:
    """Do some work as the writer."""

    async def main() -> None:
        async with generations.writing(doing, TurnedClock(), print) as staging:
            work(staging)

    asyncio.run(main())


def publish(generations: Generations, content: str) -> None:
    """Publish one generation that holds this."""

    def work(staging: Staging) -> None:
        (staging.open() / "content").write_text(content)
        staging.publish()

    write(generations, work)


def read(generations: Generations) -> str:
    """Return what the published generation holds."""
    lease = generations.lease()
    assert lease is not None
    try:
        return (lease.path / "content").read_text()
    finally:
        lease.close()


def numbers(generations: Generations) -> list[str]:
    """Return the folders of generations that are there."""
    return sorted(
        path.name for path in generations.path.iterdir() if path.name.isdigit()
    )


def test_before_the_first_generation_there_is_none(generations: Generations) -> None:
    """A folder that is not there reads as an index without a generation."""
    assert generations.current() is None
    assert generations.lease() is None
    generations.sweep()
    assert not generations.path.exists()


def test_what_is_published_is_read(generations: Generations) -> None:
    """A generation is there at once and whole, and the next replaces it."""
    publish(generations, "one")
    assert (generations.current(), read(generations)) == (1, "one")
    publish(generations, "two")
    assert (generations.current(), read(generations)) == (2, "two")
    assert numbers(generations) == ["2"]


def test_a_writer_begins_with_a_copy_of_what_is_published(
    generations: Generations,
) -> None:
    """What is published is never written: the copy is, and may start empty."""
    publish(generations, "one")
    seen: list[object] = []

    def work(staging: Staging) -> None:
        path = staging.open() / "content"
        seen.append(path.read_text())
        path.write_text("changed")
        seen.append(read(generations))
        seen.append(list(staging.open_empty().iterdir()))

    write(generations, work)
    assert seen == ["one", "one", []]
    assert read(generations) == "one"


def test_what_is_not_published_leaves_no_trace(generations: Generations) -> None:
    """Neither an error nor an early end of the writer changes what is read."""
    publish(generations, "one")

    def fail(staging: Staging) -> None:
        (staging.open() / "content").write_text("two")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(generations, fail)
    write(generations, Staging.open)
    assert read(generations) == "one"
    assert sorted(path.name for path in generations.path.iterdir()) == [
        "1",
        "current",
        "leases",
        "writer.lock",
    ]


def test_a_generation_goes_when_its_last_reader_has_gone(
    generations: Generations,
) -> None:
    """Two readers keep a generation; the sweep after the second removes it."""
    publish(generations, "one")
    first, second = generations.lease(), generations.lease()
    assert first is not None
    assert second is not None
    publish(generations, "two")
    first.close()
    generations.sweep()
    assert (second.path / "content").read_text() == "one"
    second.close()
    second.close()
    generations.sweep()
    assert numbers(generations) == ["2"]
    assert [path.name for path in (generations.path / "leases").iterdir()] == []


def test_a_lease_that_nobody_holds_is_given_back(generations: Generations) -> None:
    """A reader that forgets to close does not keep its generation for ever."""
    publish(generations, "one")
    lease = generations.lease()
    publish(generations, "two")
    assert numbers(generations) == ["1", "2"]
    del lease
    generations.sweep()
    assert numbers(generations) == ["2"]


def test_a_second_writer_waits_and_says_for_whom(generations: Generations) -> None:
    """Who waits is told once, by whom and by what it is held up, and then goes on."""
    told: list[str] = []
    order: list[str] = []

    async def main() -> None:
        release = asyncio.Event()
        clock = TurnedClock(lambda count: release.set() if count == 3 else None)

        async def first(entered: asyncio.Event) -> None:
            async with generations.writing("indexing pandas", TurnedClock(), print):
                entered.set()
                await release.wait()
                order.append("first")

        entered = asyncio.Event()
        task = asyncio.create_task(first(entered))
        await entered.wait()
        async with generations.writing("optimizing", clock, told.append):
            order.append("second")
        await task
        assert len(clock.slept) >= 3

    asyncio.run(main())
    assert order == ["first", "second"]
    (sentence,) = told
    assert sentence.startswith(f"Waiting: process {os.getpid()} on ")
    assert " is indexing pandas since " in sentence
    assert sentence.endswith(". Interrupt to stop waiting.")


def test_waiting_for_a_writer_can_be_cancelled(generations: Generations) -> None:
    """A cancel ends the wait; the other writer goes on, and the next one gets in."""

    async def main() -> None:
        async with generations.writing("testing", TurnedClock(), print) as staging:
            waiting = asyncio.Event()

            async def second() -> None:
                clock = TurnedClock()
                async with generations.writing("x", clock, lambda _: waiting.set()):
                    raise AssertionError("two writers at once")

            task = asyncio.create_task(second())
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            (staging.open() / "content").write_text("first")
            staging.publish()

    asyncio.run(main())
    publish(generations, "next")
    assert read(generations) == "next"


@pytest.mark.parametrize("content", ["", "{", "5", '{"who": 1}', "[]"])
def test_who_waits_is_told_something_in_any_case(
    generations: Generations, content: str
) -> None:
    """A damaged note about the writer is no reason to fail."""
    told: list[str] = []

    async def main() -> None:
        waiting = asyncio.Event()

        def notify(sentence: str) -> None:
            told.append(sentence)
            waiting.set()

        async with generations.writing("testing", TurnedClock(), print):
            (generations.path / "writer.json").write_text(content)
            task = asyncio.create_task(
                contextlib.AsyncExitStack().enter_async_context(
                    generations.writing("x", TurnedClock(), notify)
                )
            )
            await waiting.wait()
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())
    assert told == [
        "Waiting: another process is writing this index. Interrupt to stop waiting."
    ]


def test_a_killed_writer_leaves_nothing_that_lasts(generations: Generations) -> None:
    """After kill -9 the lock is free, the rubble goes, what was published stays."""
    publish(generations, "one")
    arguments = [sys.executable, "-c", KILLED, str(generations.path)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    assert list(generations.path.glob("staging-*"))
    assert read(generations) == "one"
    publish(generations, "two")
    assert read(generations) == "two"
    assert not list(generations.path.glob("staging-*"))
    assert numbers(generations) == ["2"]


DAMAGED = [b"", b"x", b"-1", b"1.5", b"\0\0", b"\xff\xfe1", b"9" * 5_000]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_pointer_is_one_sentence(
    generations: Generations, content: bytes
) -> None:
    """The message names the file and what to do."""
    publish(generations, "one")
    (generations.path / "current").write_bytes(content)
    with pytest.raises(HomeError, match="current is damaged; delete the folder"):
        generations.current()


@pytest.mark.parametrize("content", DAMAGED)
def test_who_begins_with_nothing_needs_no_pointer(
    generations: Generations, content: bytes
) -> None:
    """An index that is emptied is whole again, and a reader's generation stays."""
    publish(generations, "one")
    lease = generations.lease()
    assert lease is not None
    (generations.path / "current").write_bytes(content)

    def work(staging: Staging) -> None:
        (staging.open_empty() / "content").write_text("two")
        staging.publish()

    write(generations, work)
    assert read(generations) == "two"
    assert (lease.path / "content").read_text() == "one"
    lease.close()
    generations.sweep()
    assert numbers(generations) == ["2"]


@pytest.mark.parametrize("name", ["0", "\N{SUPERSCRIPT TWO}", "007x"])
def test_a_strangers_file_among_the_generations_hinders_nobody(
    generations: Generations, name: str
) -> None:
    """It is none of ours, and stays."""
    generations.path.mkdir()
    (generations.path / name).write_text("a stranger's")
    publish(generations, "one")
    publish(generations, "two")
    assert read(generations) == "two"
    assert (generations.path / name).read_text() == "a stranger's"


def test_what_cannot_be_swept_fails_nobody(generations: Generations) -> None:
    """Neither where the pointer is damaged nor where the folder has gone."""
    publish(generations, "one")
    (generations.path / "current").write_bytes(b"\xff")
    generations.sweep()
    assert (generations.path / "1" / "content").read_text() == "one"
    shutil.rmtree(generations.path)
    generations.sweep()


@pytest.mark.skipif(sys.platform == "win32", reason="other locks there")
def test_a_folder_without_locks_is_one_sentence(
    generations: Generations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some network folders are: nobody looks for a lock there without end."""
    publish(generations, "one")

    def flock(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(HomeError, match="cannot be locked .No locks available"):
        generations.lease()


def test_a_lost_generation_is_one_sentence(generations: Generations) -> None:
    """A pointer to a folder that somebody deleted ends in no endless loop."""
    publish(generations, "one")
    (generations.path / "1" / "content").unlink()
    (generations.path / "1").rmdir()
    with pytest.raises(HomeError, match="lost its generation 1"):
        generations.lease()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Where a file stands in the way the message says to choose another home."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(HomeError, match="choose another home"):
        publish(Generations(tmp_path / "file" / "index"), "one")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Readers see the old or the new, and a failed write leaves the old."""
    path = tmp_path / "x"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new" * 9_999 + "\ud800")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    assert path.stat().st_mode & 0o777 == 0o600


BEGUN = """
import os, sys
from pathlib import Path
from contexter_nb.retrieval import _atomic_file
def fsync(descriptor):
    print("begun", flush=True)
    sys.stdin.read()
_atomic_file.os.fsync = fsync
_atomic_file.write_atomically(Path(sys.argv[1]), "secret")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it stays there")
def test_what_a_killed_process_began_goes_with_the_next_write(tmp_path: Path) -> None:
    """What another one is writing stays, and what only looks like it."""
    path = tmp_path / "x"
    mine = tmp_path / "x.mine.tmp"
    mine.touch()
    with begun(path) as killed:
        killed.send_signal(signal.SIGKILL)
    (left,) = set(tmp_path.iterdir()) - {mine}
    assert left.read_text() == "secret"
    with begun(path) as writing:
        write_atomically(path, "new")
        assert not left.exists()
        assert len(list(tmp_path.iterdir())) == 3
        assert writing.communicate("")[0] == ""
    assert path.read_text() == "secret"
    assert set(tmp_path.iterdir()) == {path, mine}


@contextlib.contextmanager
def begun(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that has begun to write a file."""
    with subprocess.Popen(
        [sys.executable, "-c", BEGUN, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process


def test_a_copy_has_all_the_data_and_none_of_the_holes(tmp_path: Path) -> None:
    """Bytes, sizes and folders are equal; temporaries of others are left out."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a").write_bytes(b"abc" * 1_000_000)
    (source / "empty").write_bytes(b"")
    (source / ".atomicwrite123").write_bytes(b"x")
    with open(source / "holes", "wb") as file:
        file.write(b"start")
        file.seek(50_000_000)
        file.write(b"middle")
        file.truncate(100_000_000)
    copy_sparse(source, target)
    names = {"deep", "deep/a", "empty", "holes"}
    assert {str(each.relative_to(target)) for each in target.rglob("*")} == names
    for name in names - {"deep"}:
        assert (source / name).read_bytes() == (target / name).read_bytes()
    assert (target / "holes").stat().st_blocks * 512 < 1_000_000


def test_a_deleted_folder_is_not_taken_for_the_one_made_after_it(
    generations: Generations,
) -> None:
    """Numbers begin anew; whoever held the first does not hold the second."""

    def made(staging: Staging) -> None:
        staging.open()
        staging.publish()

    write(generations, made)
    lease = generations.lease()
    assert lease is not None
    assert lease.holds(1)
    asyncio.run(generations.delete(TurnedClock(), print))
    assert not generations.path.exists()
    assert list(generations.path.parent.iterdir()) == []
    write(generations, made)
    assert generations.current() == 1
    assert not lease.holds(1)
    lease.close()


def test_deleting_waits_for_the_writer(
    generations: Generations, tmp_path: Path
) -> None:
    """What is being written is not torn from under it."""
    told: list[str] = []

    async def main() -> None:
        waits = asyncio.Event()

        def tell(said: str) -> None:
            told.append(said)
            waits.set()

        async with generations.writing("testing", TurnedClock(), print) as staging:
            deleting = asyncio.create_task(generations.delete(TurnedClock(), tell))
            await waits.wait()
            (staging.open() / "content").write_text("whole")
            staging.publish()
            assert generations.current() == 1
        await deleting

    asyncio.run(main())
    assert "is testing since" in told[0]
    assert not list(tmp_path.iterdir())


def test_deleting_what_is_not_there_does_nothing(
    generations: Generations, tmp_path: Path
) -> None:
    """It makes no folder either."""
    asyncio.run(generations.delete(TurnedClock(), print))
    assert not list(tmp_path.iterdir())
