"""Judgments survive kills, other kernels and damage."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contexter_nb.core import HomeError, InvalidArgumentError
from contexter_nb.retrieval._experiments_store import ExperimentStore
from contexter_nb.retrieval._judgments import Judgment, JudgmentStore
from tests.fixtures import ROOT

_JUDGE = """
import sys
from pathlib import Path
from contexter_nb.retrieval._judgments import Judgment, JudgmentStore

store = JudgmentStore(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    pair = {"query_id": "q" + sys.argv[2], "chunk_id": f"{number:016x}"}
    store.add([Judgment(query="a", grade=number % 4, **pair)])
    print(number, flush=True)
"""


def start(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that judges `count` passages and prints each it has kept."""
    return subprocess.Popen(
        [sys.executable, "-c", _JUDGE, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def one(chunk: str = "a" * 16, grade: int | None = 2, query: str = "q1") -> Judgment:
    """Return a judgment."""
    return Judgment(query_id=query, query="join", chunk_id=chunk, grade=grade)


def test_the_last_judgment_counts_and_the_history_stays(tmp_path: Path) -> None:
    """Judging again replaces, None takes back, and nothing is forgotten."""
    store = JudgmentStore(tmp_path / "judgments.sqlite")
    assert store.current() == store.history() == []
    assert not (tmp_path / "judgments.sqlite").exists()
    store.add([one(grade=1), one("b" * 16, grade=0)])
    store.add([one(grade=3), one("b" * 16, grade=None)])
    assert store.current() == [one(grade=3)]
    assert [(each.grade, each.superseded) for each in store.history()] == [
        (1, True),
        (0, True),
        (3, False),
        (None, False),
    ]
    store.add([one("b" * 16, grade=2)])
    assert [each.grade for each in store.current()] == [3, 2]
    store.close()


def test_several_judgments_are_kept_all_or_none(tmp_path: Path) -> None:
    """One that cannot be stored leaves none of its batch behind."""
    store = JudgmentStore(tmp_path / "judgments.sqlite")
    unstorable = Judgment(query_id="q", query=None, chunk_id="c", grade=1)  # type: ignore[arg-type]
    with pytest.raises(HomeError):
        store.add([one(), unstorable])
    assert store.current() == []
    store.close()


def test_the_file_is_private(tmp_path: Path) -> None:
    """Only its owner can read what was asked and judged."""
    store = JudgmentStore(tmp_path / "deep" / "judgments.sqlite")
    store.add([one()])
    for path in (tmp_path / "deep").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    store.close()


def test_two_kernels_judge_at_once(tmp_path: Path) -> None:
    """Neither loses or blocks what the other judges."""
    path = tmp_path / "judgments.sqlite"
    judges = [start(path, name, 60) for name in "ab"]
    for judge in judges:
        out, _ = judge.communicate(timeout=60)
        assert (judge.returncode, len(out.splitlines())) == (0, 60)
    store = JudgmentStore(path)
    kept = store.current()
    assert sorted({each.query_id for each in kept}) == ["qa", "qb"]
    assert len(kept) == 120
    store.close()


def test_kill_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """After each of five kills every judgment that had returned is there."""
    path = tmp_path / "judgments.sqlite"
    for round_number, steps in enumerate((1, 3, 9, 17, 30)):
        judge = start(path, str(round_number), 10_000)
        assert judge.stdout is not None
        answered = 0
        for line in judge.stdout:
            answered = int(line) + 1
            if answered == steps:
                break
        judge.send_signal(signal.SIGKILL)
        judge.wait()
        judge.stdout.close()
        store = JudgmentStore(path)
        own = [e for e in store.current() if e.query_id == f"q{round_number}"]
        store.close()
        assert len(own) >= answered
        assert [each.grade for each in own[:4]] == [0, 1, 2, 3][: len(own)]


@pytest.mark.parametrize("content", [b"no database at all" * 99, b"", "foreign"])
def test_a_damaged_file_is_set_aside_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | str
) -> None:
    """It is kept beside, a new one is begun; an empty file is simply filled."""
    path = tmp_path / "judgments.sqlite"
    if content == "foreign":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE notes (a)")
        other.commit()
        other.close()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    store = JudgmentStore(path)
    with caplog.at_level(logging.WARNING):
        store.add([one()])
    assert store.current() == [one()]
    aside = path.with_name(f"{path.name}.damaged-1")
    assert aside.exists() == bool(content)
    told = "the file is kept as judgments.sqlite.damaged-1"
    assert (told in caplog.text) == bool(content)
    store.close()


def test_a_file_that_is_deleted_under_a_session_is_made_anew(tmp_path: Path) -> None:
    """What is judged afterwards is not written into nothing."""
    path = tmp_path / "judgments.sqlite"
    store = JudgmentStore(path)
    store.add([one()])
    for each in tmp_path.iterdir():
        each.unlink()
    store.add([one(grade=1)])
    other = JudgmentStore(path)
    assert other.current() == [one(grade=1)]
    store.close()
    other.close()


def test_a_newer_format_is_refused_and_not_set_aside(tmp_path: Path) -> None:
    """The work of a person is never moved away by an older version."""
    path = tmp_path / "judgments.sqlite"
    store = JudgmentStore(path)
    store.add([one()])
    store.close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(HomeError, match="another version of contexter_nb"):
        store.current()
    assert not list(tmp_path.glob("*.damaged*"))
    store.close()


def test_experiments_are_kept_whole(tmp_path: Path) -> None:
    """Each save replaces the file, which is private and leaves nothing else."""
    store = ExperimentStore(tmp_path / "experiments")
    assert store.ids() == []
    store.save("20261128-1", {"state": "running", "queries": ["\u00fc"]})
    store.save("20261128-1", {"state": "done"})
    store.save("20261128-2", {"state": "done"})
    assert store.ids() == ["20261128-2", "20261128-1"]
    assert store.load("20261128-1") == {"format": 1, "state": "done"}
    files = list((tmp_path / "experiments").iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_the_judgments_of_one_query_are_read_alone(tmp_path: Path) -> None:
    """As they count now, in their order; those of others are left out."""
    store = JudgmentStore(tmp_path / "judgments.sqlite")
    pairs = [("q1", "b", 1), ("q2", "b", 2), ("q1", "a", 0), ("q1", "b", 3)]
    store.add(
        Judgment(query_id=key, query=key, chunk_id=chunk, grade=grade)
        for key, chunk, grade in pairs
    )
    found = [(each.chunk_id, each.grade) for each in store.current("q1")]
    assert found == [("b", 3), ("a", 0)]
    assert store.current("q3") == []
    store.close()


def test_a_name_that_utf_8_cannot_hold_is_kept_in_an_experiment(tmp_path: Path) -> None:
    """Half of a pair of surrogates would else cost the whole experiment at its end."""
    store = ExperimentStore(tmp_path)
    store.save("20261128-1", {"variants": {"\ud800 \u00fc": "\\"}})
    assert store.load("20261128-1")["variants"] == {"\ud800 \u00fc": "\\"}


def test_threads_that_save_an_experiment_at_once_leave_one_of_them(
    tmp_path: Path,
) -> None:
    """None fails, none finds a part, and no temporary file is left."""
    failures: list[Exception] = []
    together = threading.Barrier(4)

    def save(name: str) -> None:
        store = ExperimentStore(tmp_path / "experiments")
        together.wait()
        try:
            for _ in range(20):
                store.save("20261128-1", {"by": name * 50_000})
                assert len(set(store.load("20261128-1")["by"])) == 1
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert len(list((tmp_path / "experiments").iterdir())) == 1


def test_an_experiment_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """An unknown id has a suggestion; a damaged or newer file is named."""
    store = ExperimentStore(tmp_path)
    store.save("20261128-1", {})
    with pytest.raises(InvalidArgumentError, match="Did you mean '20261128-1'"):
        store.load("20261128-3")
    with pytest.raises(InvalidArgumentError, match="no experiment"):
        store.load("../../etc/passwd")
    (tmp_path / "20261128-2.json").write_text("{", encoding="utf-8")
    with pytest.raises(HomeError, match="is damaged"):
        store.load("20261128-2")
    (tmp_path / "20261128-2.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(HomeError, match="another version"):
        store.load("20261128-2")
