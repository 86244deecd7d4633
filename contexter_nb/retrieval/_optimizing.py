"""Build the approximate index (HNSW) of the next generation in a child process.

The engine's optimizer holds the interpreter's lock for its whole run (design.md,
section 6), so that in the kernel it could neither be watched nor interrupted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from contexter_nb.core import Clock, HomeError
from contexter_nb.retrieval._index import EmbeddedIndex
from contexter_nb.retrieval._slices import in_thread

# Below this, comparing with every vector is as fast (design.md, section 6).
OPTIMIZE_CHUNKS = 100_000
_POLL_SECONDS = 0.05
_SCRIPT = """
import sys
import qdrant_edge as edge
shard = edge.EdgeShard.load(sys.argv[1])
optimized = shard.optimize()
shard.flush()
shard.close()
sys.exit(0 if optimized else 10)
"""
_NOTHING_TO_DO = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeReport:
    """What optimizing did.

    Attributes
    ----------
    optimized : bool
        Whether anything was rebuilt; False where the index was optimal already.
    """

    chunks: int
    optimized: bool
    seconds: float


async def optimize_index(
    index: EmbeddedIndex, clock: Clock, notify: Callable[[str], None]
) -> OptimizeReport:
    """Optimize a copy of the published generation and publish it.

    Cancelled, it kills the child and leaves the published generation as it was.

    Parameters
    ----------
    index : EmbeddedIndex
        Held for writing meanwhile; searches go on.
    clock : Clock
        For the waits and the report's seconds.
    notify : callable
        Told once, in a sentence, whom this waits for.

    Returns
    -------
    OptimizeReport
        Nothing is published where `optimized` is False.

    Raises
    ------
    HomeError
        The child failed: the cause is in the message. Or the index cannot be written.
    IndexMismatchError
        The index was made with another embedder or chunking.
    """
    started = clock.now()
    async with index.writing("optimizing", clock, notify) as writer:
        await in_thread(writer.open)
        writer.close()
        optimized = await _run(writer.folder / "shard", clock)
        if optimized:
            await in_thread(writer.reload)
            writer.catalog = dataclasses.replace(
                writer.catalog, optimized_chunks=writer.catalog.chunks
            )
            await in_thread(writer.publish)
        return OptimizeReport(
            chunks=writer.catalog.chunks,
            optimized=optimized,
            seconds=clock.now() - started,
        )


async def _run(shard: Path, clock: Clock) -> bool:
    process = _start(shard)
    try:
        while process.poll() is None:
            await clock.sleep(_POLL_SECONDS)
        assert process.stderr is not None
        complaint = process.stderr.read().strip()
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    if process.returncode not in (0, _NOTHING_TO_DO):
        last = complaint.splitlines()[-1] if complaint else ""
        raise HomeError(
            f"Optimizing ended with exit code {process.returncode}: {last[:300]} The "
            "index is as it was before."
        )
    return process.returncode == 0


def _start(shard: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(shard)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
