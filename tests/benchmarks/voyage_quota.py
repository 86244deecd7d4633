"""Voyage's wire at 100 ms, under the limits of an account of tier 1.

The same 10,000 texts of 500 tokens as in the part ``voyage``, and the same peers. The
service refuses with 429 what would pass 3,000,000 tokens or 2,000 requests in any 60 s,
so the 5,000,000 tokens take a little over a minute at best. The peers run as they come,
and the SDK also with ten tries. Each has one run, in a process of its own, against a
service of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.voyage import (
    GATHER,
    LANGCHAIN,
    LLAMA_INDEX,
    OURS,
    PRELUDE,
    SDK,
    SERVICE,
    TEXTS,
    _texts,
)

TOKENS_PER_MINUTE = 3_000_000
REQUESTS_PER_MINUTE = 2_000
TOKENS = TEXTS * 500
_RUN = "asyncio.run(main())"
# Between the service's parts and its start: what is answered depends on the last 60 s.
QUOTA = f"""
import collections, sys, time

taken, refused, unlimited = collections.deque(), 0, answer
TEXT = json.dumps({{"detail": "You have passed your rate limit."}}).encode()
REFUSED = (b"HTTP/1.1 429 Too Many Requests\\r\\ncontent-type: application/json\\r\\n"
           b"content-length: %d\\r\\n\\r\\n" % len(TEXT)) + TEXT

def answer(count):
    global refused
    now = time.monotonic()
    while taken and taken[0][0] <= now - 60:
        taken.popleft()
    used = sum(tokens for _, tokens in taken)
    if used + count * 500 > {TOKENS_PER_MINUTE} or len(taken) >= {REQUESTS_PER_MINUTE}:
        refused += 1
        open(sys.argv[1], "w").write(str(refused))
        return REFUSED
    taken.append((now, count * 500))
    return unlimited(count)

"""


def rows(folder: Path) -> Iterator[str]:
    """Yield the table.

    Parameters
    ----------
    folder : pathlib.Path
        For the texts.
    """
    (folder / "texts.json").write_text(json.dumps(_texts()))
    yield (
        f"| {TEXTS:,} texts of 500 tokens, tier 1 | seconds | of the quota | 429s | "
        "outcome |"
    )
    yield "|---|---:|---:|---:|---|"
    peers = os.environ.get("CONTEXTER_BENCH_PYTHON", sys.executable)
    for name, python, script in (
        ("contexter_nb", sys.executable, OURS.replace("tier=None", 'tier="tier 1"')),
        ("voyageai, batch by batch", peers, SDK),
        ("voyageai, batch by batch, ten tries", peers, _patient(SDK)),
        ("voyageai, all in one gather", peers, GATHER),
        ("voyageai, all in one gather, ten tries", peers, _patient(GATHER)),
        ("langchain-voyageai", peers, LANGCHAIN),
        ("llama-index-embeddings-voyageai", peers, LLAMA_INDEX),
    ):
        row = _row(name, python, script, folder)
        if row is not None:
            yield row


def _patient(script: str) -> str:
    return script.replace("base_url=url)", "base_url=url, max_retries=10)")


def _row(name: str, python: str, script: str, folder: Path) -> str | None:
    """Return one competitor's row; None where it is not installed."""
    refused = folder / "refused"
    refused.write_text("0")
    # Its own warm-up answers are not counted: they come before there is a quota.
    warm = "    answer(240), answer(160), answer(1)\n"
    assert warm in SERVICE and _RUN in SERVICE
    service = SERVICE.replace(warm, "").replace(_RUN, QUOTA + _RUN)
    with subprocess.Popen(
        [sys.executable, "-c", service, str(refused)],
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(running.stdout.readline())}/v1"
            done = subprocess.run(
                [python, "-c", PRELUDE + textwrap.dedent(script), url, folder, "1"],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            running.kill()
    met = refused.read_text()
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        error = done.stderr.strip().splitlines()[-1].partition(":")[0].split(".")[-1]
        return f"| {name} | | | {met} | fails: {error} |"
    (seconds,) = json.loads(done.stdout.splitlines()[-1])
    # What any minute may have, and a full one more at the beginning.
    share = TOKENS / (TOKENS_PER_MINUTE * seconds / 60)
    return f"| {name} | {seconds:.0f} | {share:.0%} | {met} | all embedded |"
