"""Four processes search one home in a loop while a fifth changes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contexter_nb.notebook import connect

READERS = 4
EDITIONS = 6
PAGES = 60
_READER = """
import json, sys
from pathlib import Path
from contexter_nb.notebook import connect

home, stop, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
searches, editions, errors, torn = 0, [], [], 0
with connect(home=home) as nb:
    print("ready", flush=True)
    last = False
    while not last:
        last = stop.exists()  # one more search after the writer has ended
        try:
            where = {"library": "notes"}
            hits = nb.search("edition of the page", limit=20, where=where)
            seen = {text.split()[1] for text in hits["text"]}
            torn += len(seen) != 1 or len(hits) != 20
            editions += sorted(seen)
            searches += 1
        except Exception as error:
            errors.append(repr(error))
            if len(errors) > 5:
                break
out.write_text(json.dumps({
    "searches": searches, "editions": list(dict.fromkeys(editions)),
    "errors": errors, "torn": torn,
}))
"""


def _write_edition(folder: Path, edition: int) -> None:
    folder.mkdir(exist_ok=True)
    for page in range(PAGES):
        text = f"edition {edition} of the page {page} about topic{page}\n"
        (folder / f"page{page}.md").write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_readers_see_whole_editions_while_one_writes(tmp_path: Path) -> None:
    """No error, no torn result, each sees the last state, old generations are gone."""
    home, folder, stop = tmp_path / "home", tmp_path / "notes", tmp_path / "stop"
    _write_edition(folder, 1)
    with connect(home=home) as nb:
        nb.index(folder)
        readers = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _READER,
                    str(home),
                    str(stop),
                    str(tmp_path / f"reader{at}.json"),
                ],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.getcwd()},
            )
            for at in range(READERS)
        ]
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        for edition in range(2, EDITIONS + 1):
            _write_edition(folder, edition)
            report = nb.index(folder)
            assert report["new"].tolist() == [PAGES]
            nb.index("textwrap")
            nb.optimize()
            nb.remove("textwrap")
        stop.touch()
        for reader in readers:
            assert reader.wait(timeout=60) == 0
            assert reader.stdout is not None
            reader.stdout.close()
        seen = [
            json.loads((tmp_path / f"reader{at}.json").read_text())
            for at in range(READERS)
        ]
        assert [each["errors"] for each in seen] == [[]] * READERS
        assert [each["torn"] for each in seen] == [0] * READERS
        assert {each["editions"][-1] for each in seen} == {str(EDITIONS)}
        assert all(len(each["editions"]) > 1 for each in seen)
        assert all(each["searches"] > EDITIONS for each in seen)
        nb.search("edition")
    left = [path.name for path in (home / "index").iterdir() if path.name.isdigit()]
    assert len(left) == 1


def test_a_second_writer_waits_and_says_for_whom(tmp_path: Path) -> None:
    """While another process holds the index, index() tells who and then goes on."""
    home = tmp_path / "home"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, sys\n"
            "from pathlib import Path\n"
            "from contexter_nb.core import SystemClock\n"
            "from contexter_nb.retrieval._generations import Generations\n"
            "async def main():\n"
            "    store = Generations(Path(sys.argv[1]) / 'index')\n"
            "    async with store.writing('indexing pandas', SystemClock(), print):\n"
            "        print('held', flush=True)\n"
            "        sys.stdin.readline()\n"
            "asyncio.run(main())\n",
            str(home),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    told: list[str] = []
    with connect(home=home) as nb:

        def hear(sentence: str) -> None:
            told.append(sentence)
            holder.stdin.write("\n")  # type: ignore[union-attr]  # asserted above
            holder.stdin.flush()  # type: ignore[union-attr]

        nb.aio._verbs.notify = hear
        report = nb.index("textwrap")
    holder.wait(timeout=20)
    holder.stdin.close()
    holder.stdout.close()
    assert report["chunks"].iloc[0] > 0
    assert len(told) == 1
    assert f"process {holder.pid}" in told[0]
    assert "indexing pandas" in told[0]
