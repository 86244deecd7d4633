"""A session at a glance: escaped, true, and shown whatever state the index is in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contexter_nb import connect
from tests.notebook.frame import fruit
from tests.notebook.markup import read

PROBE = "<script>alert('1')</script>"


def test_the_card_shows_what_is_indexed(reader: Any, small_home: Path) -> None:
    """Home, embedder, libraries with versions, passages and cost are on it."""
    chunks = int(reader.contents()["chunks"].sum())
    page = read(reader._repr_html_())
    for words in (
        str(small_home),
        "wordllama",
        f"{chunks:,} passages of",
        "0.0000 USD",
    ):
        assert words in page.text
        assert words in repr(reader)
    for library in reader.contents().itertuples():
        assert f"{library.library} {library.version}" in page.text


def test_the_card_of_an_empty_home_says_how_to_begin(session: Any) -> None:
    """Nothing indexed yet is said, with the call that changes it."""
    assert 'nothing yet; begin with nb.index("pandas")' in repr(session)
    assert 'nb.index("pandas")' in read(session._repr_html_()).text


def test_the_card_is_escaped(tmp_path: Path) -> None:
    """Markup in the home's and in a library's name shows as it is."""
    home = tmp_path / "<img src=x onerror=alert(1)>"
    with connect(home=home) as nb:
        nb.index(fruit(PROBE))
        page = read(nb._repr_html_())
        assert PROBE in page.text
        assert home.name in page.text
        nb.close()
        assert home.name in read(nb._repr_html_()).text


def test_the_card_of_a_closed_session_says_so(session: Any) -> None:
    """A closed session still shows itself."""
    session.close()
    assert "closed" in repr(session)
    assert "closed" in read(session._repr_html_()).text


def test_a_closed_session_is_closed_under_aio_as_well(session: Any) -> None:
    """The coroutines' face says what the session's says."""
    assert "AsyncSession, home" in repr(session.aio)
    session.close()
    assert "AsyncSession, closed, home" in repr(session.aio)


def test_the_card_names_the_redis_that_is_used(tmp_path: Path) -> None:
    """By its host and port; who logs in to it, and how, is shown nowhere."""
    word = "-".join(["made", "up"])
    with connect(home=tmp_path, redis_url=f"redis://me:{word}@localhost:6399/2") as nb:
        for shown in (repr(nb), read(nb._repr_html_()).text):
            assert "rate limits, at localhost:6399" in shown
            assert word not in shown
    with connect(home=tmp_path / "alone") as nb:
        assert "shares answers" not in repr(nb)


def test_the_card_names_a_dozen_libraries_and_counts_the_rest(session: Any) -> None:
    """Many libraries do not make a long card."""
    session.index([fruit(f"table{number:02}") for number in range(13)])
    text = read(session._repr_html_()).text
    assert "39 passages of" in text
    assert "and 1 more" in text


def spoil_catalog(index: Path) -> None:
    """Put markup where the catalog was."""
    for path in index.glob("*/catalog.json"):
        path.write_text("{<script>")


def spoil_pointer(index: Path) -> None:
    """Put markup where the number of the generation was."""
    (index / "current").write_text("<b>")


def spoil_shard(index: Path) -> None:
    """Put junk into every file of the engine."""
    for path in index.glob("*/shard/**/*"):
        if path.is_file():
            path.write_bytes(b"junk")


def lose_generation(index: Path) -> None:
    """Delete what is published, but not the pointer to it."""
    for path in index.glob("[0-9]*"):
        shutil.rmtree(path)


def replace_by_file(index: Path) -> None:
    """Put a file where the folder was."""
    shutil.rmtree(index)
    index.write_text("junk")


SPOILERS = [
    spoil_catalog,
    spoil_pointer,
    spoil_shard,
    lose_generation,
    replace_by_file,
]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_the_card_shows_a_problem_when_the_index_is_damaged(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """Neither display raises, status tells the same, and closing works."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
    spoil(tmp_path / "index")
    with connect(home=tmp_path) as nb:
        page = read(nb._repr_html_())
        assert "problem" in page.text
        assert "problem: " in repr(nb)
        status = nb.status().set_index("service")
        assert not status.loc["index", "healthy"]
        assert status.loc["embedder", "healthy"]
        assert status.loc["index", "detail"] in page.text


def test_the_card_of_a_moved_home_shows_a_problem_or_nothing_indexed(
    tmp_path: Path,
) -> None:
    """A session whose home was deleted under it can still be shown and closed."""
    nb = connect(home=tmp_path / "home")
    nb.index(fruit())
    shutil.rmtree(tmp_path / "home")
    text = read(nb._repr_html_()).text
    assert "problem" in text or "nothing yet" in text or "3 passages" in text
    nb.close()
