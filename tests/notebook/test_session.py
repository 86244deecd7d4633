"""A session opens, closes, shares its home, and answers the same in every way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contexter_nb import connect
from contexter_nb.core import SessionClosedError
from contexter_nb.notebook import AsyncSession, Session
from tests.fixtures import ROOT
from tests.notebook.frame import fruit, timeless

VERBS: dict[str, tuple[Any, ...]] = {
    "status": (),
    "libraries": (),
    "docs": ("textwrap",),
    "index": ("textwrap",),
    "search": ("shorten",),
    "similar": ("f" * 16,),
    "explain": ("shorten", "f" * 16),
    "embed": ("a",),
    "similarity": ("a", "b"),
    "estimate": ("textwrap",),
    "costs": (),
    "rerank": ("shorten", ["a", "b"]),
    "contents": (),
    "remove": ("textwrap",),
    "optimize": (),
    "graphql": ("http://127.0.0.1:9/graphql", "{ a }"),
    "requests": (),
    "metrics": (),
    "alerts": (),
    "limits": (),
    "cache_stats": (),
    "judge": ("shorten", "f" * 16, 1),
    "judgments": (),
    "export_judgments": ("mine.qrels",),
    "import_judgments": ("mine.qrels",),
    "pool": ("shorten",),
    "known_items": (),
    "experiment": ("shorten",),
    "estimate_experiment": ("shorten",),
    "experiments": (),
    "experiment_run": ("1",),
    "export_runs": ("1", "runs"),
    "compare": ("shorten",),
    "recall_check": ("shorten",),
}

# They are shown, and await by themselves.
WIDGETS = {"cache_dashboard", "explorer", "metrics_dashboard"}


def test_both_faces_have_the_same_verbs() -> None:
    """What a session can do, its coroutines can, and no verb is missing here."""
    public = {name for name in vars(Session) if not name.startswith("_")}
    awaitable = {name for name in vars(AsyncSession) if not name.startswith("_")}
    assert public - WIDGETS == awaitable == {*VERBS, "close"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_refused_when_the_session_is_closed(
    tmp_path: Path, verb: str
) -> None:
    """Every verb of a closed session, plain or awaited, says to open a new one."""
    nb = connect(home=tmp_path)
    nb.close()
    with pytest.raises(SessionClosedError, match=r"contexter_nb\.connect\(\)"):
        getattr(nb, verb)(*VERBS[verb])

    async def awaited() -> None:
        await getattr(nb.aio, verb)(*VERBS[verb])

    with pytest.raises(SessionClosedError, match=r"contexter_nb\.connect\(\)"):
        asyncio.run(awaited())


def test_closing_twice_is_as_closing_once(session: Any) -> None:
    """The second call answers the same frame: each service closed."""
    session.index(fruit())
    session.search("apple")
    first, second = session.close(), session.close()
    assert first["mode"].tolist() == ["closed"] * 4
    assert not first["healthy"].any()
    pd.testing.assert_frame_equal(first, second)


def test_a_context_manager_closes_when_it_ends(tmp_path: Path) -> None:
    """The session closes at the end of its block, also where that ends by an error."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
    with pytest.raises(SessionClosedError):
        nb.contents()
    with pytest.raises(ZeroDivisionError), connect(home=tmp_path) as nb:
        nb.contents()
        _ = 1 / 0
    with pytest.raises(SessionClosedError):
        nb.contents()


def test_an_async_context_manager_closes_when_it_ends(tmp_path: Path) -> None:
    """The same holds for `async with nb.aio`."""
    nb = connect(home=tmp_path)

    async def main() -> int:
        async with nb.aio as same:
            assert same is nb.aio
            return len(await same.contents())

    assert asyncio.run(main()) == 0
    with pytest.raises(SessionClosedError):
        nb.contents()


def test_a_closed_session_leaves_another_alone(tmp_path: Path) -> None:
    """Two sessions on one home: the one goes on after the other was closed."""
    one, two = connect(home=tmp_path), connect(home=tmp_path)
    one.index(fruit())
    assert len(two.search("apple")) == 3
    one.close()
    assert len(two.search("apple")) == 3
    assert two.index(fruit("more"))["new"].tolist() == [3]
    two.close()


def test_two_sessions_on_one_home_see_each_others_changes(tmp_path: Path) -> None:
    """What one indexes or removes, the other finds or misses at its next call."""
    with connect(home=tmp_path) as one, connect(home=tmp_path) as two:
        assert two.contents().empty
        one.index(fruit("one"))
        assert two.contents()["library"].tolist() == ["one"]
        assert set(two.search("apple")["library"]) == {"one"}
        two.index(fruit("two", text=["Cats purr.", "Dogs bark.", "Cows moo."]))
        assert "two" in set(one.search("dogs bark")["library"])
        one.remove("one")
        assert two.contents()["library"].tolist() == ["two"]
        assert set(two.search("apple")["library"]) == {"two"}
        two.remove(everything=True)
        assert one.contents().empty


def test_a_new_session_finds_what_an_older_one_indexed(tmp_path: Path) -> None:
    """The index outlives the session that made it."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
        before = nb.search("apple")
    with connect(home=tmp_path) as nb:
        pd.testing.assert_frame_equal(nb.search("apple"), before)


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Raise where two frames differ in more than their times."""
    pd.testing.assert_frame_equal(timeless(one), timeless(other))
    attrs, others = dict(one.attrs), dict(other.attrs)
    attrs.pop("timings_ms", None), others.pop("timings_ms", None)
    assert attrs == others


# One script, played through the plain verbs and through the coroutines.
SCRIPT: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("libraries", ("httpx",), {}),
    ("docs", (fruit(),), {"topics": "apple"}),
    ("index", ([fruit("one"), fruit("two")],), {}),
    ("index", (fruit("one"),), {}),
    ("contents", (), {}),
    ("search", ("a ripe pear",), {"limit": 5}),
    ("search", ("prunes",), {"mode": "text", "where": {"library": "two"}}),
    ("search", ("winter",), {"mode": "dense", "exact": True}),
    ("embed", (["apple", "apple", "plum"],), {}),
    ("similarity", ("apple", ["pear", "plum"]), {}),
    ("remove", ("one",), {}),
    ("optimize", (), {}),
    ("contents", (), {}),
    ("close", (), {}),
]
QUICK_SCRIPT = [each for each in SCRIPT if each[0] not in ("libraries", "optimize")]


def test_coroutines_answer_what_the_plain_verbs_answer(tmp_path: Path) -> None:
    """Awaited from a foreign loop, a new one for each call, the frames are the same."""
    plain, awaited = connect(home=tmp_path / "a"), connect(home=tmp_path / "b")
    for verb, positional, named in SCRIPT:
        one = getattr(plain, verb)(*positional, **named)
        other = asyncio.run(getattr(awaited.aio, verb)(*positional, **named))
        assert_same(one, other)


def test_similar_and_explain_are_the_same_when_awaited(reader: Any) -> None:
    """The verbs that take a chunk id agree, too."""
    chunk_id = reader.search("shorten a text")["chunk_id"].iloc[0]

    async def main() -> list[pd.DataFrame]:
        return await asyncio.gather(
            reader.aio.similar(chunk_id, limit=3),
            reader.aio.explain("shorten", chunk_id),
        )

    similar, explained = asyncio.run(main())
    assert_same(reader.similar(chunk_id, limit=3), similar)
    assert_same(reader.explain("shorten", chunk_id), explained)


def test_many_searches_at_once_answer_as_one_by_one(reader: Any) -> None:
    """Searches gathered in one loop are those asked one after the other."""
    questions = ["shorten a text", "parse json", "send a request", "timeout"]

    async def main() -> list[pd.DataFrame]:
        return await asyncio.gather(*map(reader.aio.search, questions * 3))

    for question, gathered in zip(questions * 3, asyncio.run(main()), strict=True):
        assert_same(reader.search(question), gathered)


def test_a_plain_verb_works_inside_a_running_loop(reader: Any) -> None:
    """A cell is inside a loop: the plain verb answers there and the loop goes on."""
    before = reader.search("shorten a text")

    async def main() -> pd.DataFrame:
        frame = reader.search("shorten a text")
        await asyncio.sleep(0)
        return frame

    assert_same(before, asyncio.run(main()))


BRIDGE_SCRIPT = """
import asyncio, sys
import contexter_nb as cx
from tests.notebook.frame import timeless
from tests.notebook.test_session import QUICK_SCRIPT

home, bridge = sys.argv[1:]
plain = cx.connect(home=home + "/plain", bridge=bridge)
awaited = cx.connect(home=home + "/awaited", bridge=bridge)

async def inside(verb, positional, named):
    one = getattr(plain, verb)(*positional, **named)
    return one, await getattr(awaited.aio, verb)(*positional, **named)

for each in QUICK_SCRIPT:
    one, other = map(timeless, asyncio.run(inside(*each)))
    assert one.to_json(orient="split") == other.to_json(orient="split"), each
    print(one.to_json(orient="split"))
"""


def test_both_bridges_answer_the_same(tmp_path: Path) -> None:
    """The nested bridge, in a process of its own, gives the frames of the thread."""
    told = {}
    for bridge in ("thread", "nested"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", BRIDGE_SCRIPT]
            + [str(tmp_path / bridge), bridge],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        told[bridge] = done.stdout.splitlines()
    assert len(told["thread"]) == len(QUICK_SCRIPT)
    assert told["nested"] == told["thread"]
