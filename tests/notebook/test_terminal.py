"""`python -m contexter_nb` answers in a terminal, with no network and no noise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import ROOT

CLOSED_PORT = "http://127.0.0.1:9"
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def ask(
    *arguments: str, home: Path | str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "contexter_nb", *arguments],
        env={
            **os.environ,
            "CONTEXTER_HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "80",
            **variables,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )


def test_it_indexes_on_first_use_and_prints_hits(tmp_path: Path) -> None:
    """The first question indexes the library and says so; the second only answers.

    All this with every proxy variable pointing where nobody listens.
    """
    proxies = dict.fromkeys(PROXIES, CLOSED_PORT)
    question = ["remove", "leading", "white", "space", "-l", "textwrap", "-n", "3"]
    first = ask(*question, home=tmp_path, **proxies)
    assert first.returncode == 0, first.stderr
    assert first.stderr == "Indexing textwrap (once) …\n"
    lines = first.stdout.splitlines()
    assert lines[0].startswith("1. textwrap.dedent  (textwrap 3.")
    assert lines[0].endswith(", function)")
    assert [line[:2] for line in lines if line[:1].isdigit()] == ["1.", "2.", "3."]
    assert max(map(len, lines)) <= 80
    second = ask(*question, home=tmp_path, **proxies)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == first.stdout


def test_it_takes_a_question_in_one_piece_and_all_that_is_indexed(
    small_home: Path,
) -> None:
    """A quoted question asks all that the home has indexed, five hits by default."""
    done = ask("parse a json document", home=small_home)
    assert (done.returncode, done.stderr) == (0, "")
    heads = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert len(heads) == 5
    assert "json" in heads[0]


@pytest.mark.parametrize("name", ["Nest_Asyncio2", "nest_asyncio2"])
def test_it_knows_a_library_by_all_its_names(tmp_path: Path, name: str) -> None:
    """A library is asked by import name or spelling as well as it is indexed by it."""
    for expected in (f"Indexing {name} (once) …\n", ""):
        done = ask("apply to a loop", "-l", name, "-n", "1", home=tmp_path)
        assert (done.returncode, done.stderr) == (0, expected)
        assert "nest-asyncio2" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a question", "-l", "textwarp"], ["'textwarp'", "'textwrap'"]),
        (["a question", "-n", "0"], ["limit is 0"]),
        ([""], ["query is empty"]),
        (["a question", "--home", __file__], ["is a file"]),
    ],
    ids=["library", "limit", "question", "home"],
)
def test_an_error_is_one_line_and_exit_code_1(
    small_home: Path, arguments: list[str], words: list[str]
) -> None:
    """What cannot be done is told in one line on stderr; stdout stays empty."""
    done = ask(*arguments, home=small_home)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [
        each for each in done.stderr.splitlines() if not each.startswith("Indexing")
    ]
    assert line.startswith("contexter_nb: ")
    assert [word for word in words if word not in line] == []


def test_help_names_every_option(tmp_path: Path) -> None:
    """--help explains itself and touches nothing."""
    done = ask("--help", home=tmp_path / "home")
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("question", "--library", "--limit", "--home"):
        assert option in done.stdout
    assert not (tmp_path / "home").exists()


def test_no_question_is_a_usage_error(tmp_path: Path) -> None:
    """Without a question the usage is shown, with the exit code of a wrong call."""
    done = ask(home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: python -m contexter_nb" in done.stderr


def test_a_reader_who_has_seen_enough_is_no_error(small_home: Path) -> None:
    """As `head -1` does: the pipe is closed, and nothing is complained of."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "contexter_nb", "--home", str(small_home), "wrap"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
