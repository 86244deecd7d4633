"""kill -9 while indexing: nothing published is lost, the next run completes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contexter_nb.notebook import connect

KILLS = 20
_WRITER = """
import asyncio, sys
from pathlib import Path
from contexter_nb.core import SystemClock
from contexter_nb.retrieval import (
    EmbeddedIndex, EmbeddingCache, FolderSource, IndexingTools, StaticEmbedder,
    TermMatcher, index_sources,
)

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
model = StaticEmbedder()
tools = IndexingTools(
    index=EmbeddedIndex(home / "index", model, TermMatcher(model)),
    embedder=model,
    cache=EmbeddingCache(home / "embeddings.sqlite"),
    clock=SystemClock(),
    notify=print,
    progress=lambda progress: print(progress.stage, progress.chunks_done, flush=True),
    publish_seconds=0.0,
)

async def main():
    sources = [FolderSource(path=folder, library="notes")]
    async for report in index_sources(sources, tools):
        print("published", report.embedded, report.new, report.chunks, flush=True)

asyncio.run(main())
"""


def _write_pages(folder: Path, pages: int) -> None:
    folder.mkdir()
    for page in range(pages):
        words = " ".join(f"word{page * 7 % 501} item{page} part{at}" for at in range(9))
        sections = "\n".join(f"# Section {n}\n{words} number {n}\n" for n in range(5))
        (folder / f"page{page:04}.md").write_text(sections, encoding="utf-8")


def _start(home: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(home), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )


def _published(home: Path) -> int:
    """Return how many passages the published generation says it holds."""
    pointer = home / "index" / "current"
    if not pointer.exists():
        return 0
    catalog = home / "index" / pointer.read_text() / "catalog.json"
    libraries = json.loads(catalog.read_text())["libraries"]
    return sum(each["chunks"] for each in libraries.values())


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_published(tmp_path: Path) -> None:
    """After each of 20 kills the index opens, is whole, and is completed later."""
    home, folder = tmp_path / "home", tmp_path / "notes"
    home.mkdir()
    _write_pages(folder, 480)
    chance = random.Random(20261123)
    kills = 0
    while kills < KILLS:
        writer = _start(home, folder)
        assert writer.stdout is not None
        # Kill after a random number of steps: each is another moment of the job.
        wanted = chance.randrange(1, 30)
        for step, _line in enumerate(writer.stdout, start=1):
            if step == wanted:
                break
        before = _published(home)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        kills += 1
        with connect(home=home) as nb:
            contents = nb.contents()
            held = int(contents["chunks"].sum())
            assert held >= before
            if held:
                found = nb.search("item3 part2", limit=5)
                assert len(found) == 5
                shown = nb.aio._verbs.index_store.facets("library")
                assert sum(shown.values()) == held
        if kills % 7 == 0:  # begin another life: the whole job again
            for page in folder.glob("*.md"):
                page.write_text(page.read_text() + f"\nmore {kills}\n")
    finisher = _start(home, folder)
    out, _ = finisher.communicate(timeout=120)
    assert finisher.returncode == 0, out
    with connect(home=home) as nb:
        assert nb.contents()["chunks"].tolist() == [480 * 5]
        assert nb.contents()["state"].tolist() == ["current"]
        again = nb.index(folder, name="notes")
        assert again["new"].sum() == 0
    left = [path.name for path in (home / "index").iterdir() if path.name.isdigit()]
    assert len(left) == 1
    assert not list((home / "index").glob("staging-*"))


@pytest.mark.slow
def test_an_embedding_made_before_a_kill_is_not_made_again(tmp_path: Path) -> None:
    """What a killed run embedded comes from the cache in the next run."""
    home, folder = tmp_path / "home", tmp_path / "notes"
    home.mkdir()
    _write_pages(folder, 200)
    writer = _start(home, folder)
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.startswith("embedding") and int(line.split()[1]) >= 512:
            break
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    with connect(home=home) as nb:
        made, _ = nb.aio._verbs.cache.size()
    assert made >= 512
    finisher = _start(home, folder)
    out, _ = finisher.communicate(timeout=60)
    (report,) = [line for line in out.splitlines() if line.startswith("published")]
    embedded = int(report.split()[1])
    assert embedded == 200 * 5 - made


def test_a_killed_kernel_leaves_no_child_behind(tmp_path: Path) -> None:
    """The process that inspects packages ends when its kernel is killed."""
    packages = tmp_path / "packages"
    info = packages / "sleepy-1.0.dist-info"
    info.mkdir(parents=True)
    started = tmp_path / "pid"
    os.mkfifo(started)
    (packages / "sleepy.py").write_text(
        f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: sleepy\nVersion: 1.0\n"
    )
    (info / "RECORD").write_text("sleepy.py,,\n")
    code = (
        "import sys, contexter_nb as cx\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "cx.connect(home=sys.argv[1]).index('sleepy')\n"
    )
    kernel = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "home"), str(packages)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    child = int(started.read_text())  # waits until the import has begun
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    end = time.monotonic() + 20
    while _runs(child) and time.monotonic() < end:
        os.sched_yield()
    assert not _runs(child)


def _runs(process_id: int) -> bool:
    """Whether a process exists and is more than an entry nobody collected yet."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status
