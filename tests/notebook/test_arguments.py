"""A bad argument is refused in a sentence: what, where, and what would do."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contexter_nb import connect, run
from contexter_nb.core import (
    ContexterError,
    EmbedderError,
    HomeError,
    IndexMismatchError,
    InvalidArgumentError,
    UnknownChunkError,
    UnknownLibraryError,
)
from tests.notebook.frame import fruit
from tests.notebook.sentence import refusal

Act = Callable[[Any], object]
ENDINGS = (".htm", ".html", ".ipynb", ".md", ".rst", ".txt")


def search(**arguments: object) -> Act:
    """Return a search with these arguments."""
    return lambda nb: nb.search(**{"query": "shorten a text", **arguments})


def where(condition: object) -> Act:
    """Return a search with this filter."""
    return search(where=condition)


# What is asked, the error it is, and what the sentence must hold: what, and a way out.
REFUSED: dict[str, tuple[Act, type[Exception], tuple[str, ...]]] = {
    "an empty query": (
        search(query=" \n"),
        InvalidArgumentError,
        ("query is empty", "nb.search("),
    ),
    "no query": (search(query=None), InvalidArgumentError, ("query is NoneType",)),
    "a long query": (search(query="x" * 10_001), InvalidArgumentError, ("10,000",)),
    "limit 0": (search(limit=0), InvalidArgumentError, ("limit is 0", "1 to 1,000")),
    "limit below 0": (search(limit=-3), InvalidArgumentError, ("limit is -3",)),
    "limit of a million": (
        search(limit=1_000_000),
        InvalidArgumentError,
        ("limit is 1,000,000", "1 to 1,000"),
    ),
    "a truth as limit": (search(limit=True), InvalidArgumentError, ("limit is True",)),
    "a fraction as limit": (search(limit=1.5), InvalidArgumentError, ("limit is 1.5",)),
    "a text as limit": (search(limit="3"), InvalidArgumentError, ("limit is '3'",)),
    "a misspelt mode": (
        search(mode="hybird"),
        InvalidArgumentError,
        ("mode is 'hybird'", "'dense'", "Did you mean 'hybrid'?"),
    ),
    "no mode": (search(mode=None), InvalidArgumentError, ("mode is None", "'text'")),
    "a filter that is text": (
        where("textwrap"),
        InvalidArgumentError,
        ("where is str", 'where={"library"'),
    ),
    "a filter on an unknown column": (
        where({"libary": "json"}),
        InvalidArgumentError,
        ("'libary'", "Did you mean 'library'?", "chunk_id, kind, library"),
    ),
    "a filter on a number as column": (
        where({5: "json"}),
        InvalidArgumentError,
        ("unknown column 5",),
    ),
    "an unknown operator": (
        where({"title": {"prefx": "a"}}),
        InvalidArgumentError,
        ("'prefx'", "Did you mean 'prefix'?"),
    ),
    "a range on text": (
        where({"title": {"gte": 3}}),
        InvalidArgumentError,
        ("'gte'", "not, prefix"),
    ),
    "no operator": (where({"title": {}}), InvalidArgumentError, ("not, prefix",)),
    "several prefixes": (
        where({"title": {"prefix": ["a", "b"]}}),
        InvalidArgumentError,
        ("title", "prefix"),
    ),
    "an empty list in a filter": (
        where({"kind": []}),
        InvalidArgumentError,
        ("where['kind'] is an empty list",),
    ),
    "None in a filter": (
        where({"kind": None}),
        InvalidArgumentError,
        ("where['kind'] is NoneType",),
    ),
    "a number for text": (
        where({"kind": 5}),
        InvalidArgumentError,
        ("where['kind'] holds 5",),
    ),
    "a text for a number": (
        where({"tokens": {"gte": "5"}}),
        InvalidArgumentError,
        ("where['tokens'] holds '5'",),
    ),
    "no number for a number": (
        where({"tokens": float("nan")}),
        InvalidArgumentError,
        ("where['tokens']", "nan"),
    ),
    "infinity for a number": (
        where({"tokens": float("inf")}),
        InvalidArgumentError,
        ("where['tokens']", "inf"),
    ),
    "a number beyond the engine's": (
        where({"tokens": 10**30}),
        InvalidArgumentError,
        ("where['tokens']",),
    ),
    "a bound beyond the engine's": (
        where({"tokens": {"lt": 10**400}}),
        InvalidArgumentError,
        ("where['tokens']",),
    ),
    "a library that is not indexed": (
        where({"library": "textwarp"}),
        InvalidArgumentError,
        ("'textwarp'", "not indexed", "Did you mean 'textwrap'?", "nb.contents()"),
    ),
    "one library of two not indexed": (
        where({"library": ["json", "pandas"]}),
        InvalidArgumentError,
        ("'pandas'", "nb.index('pandas')"),
    ),
    "a kind that no passage has": (
        where({"kind": "functoin"}),
        InvalidArgumentError,
        ("the kind 'functoin'", "no passage has", "Did you mean 'function'?"),
    ),
    "a source that no passage has, beside a library": (
        where({"library": "json", "source": "instaled"}),
        InvalidArgumentError,
        ("'instaled'", "'installed', 'stdlib'", "Did you mean 'installed'?"),
    ),
    "a version that no passage has": (
        where({"version": "1.2.3"}),
        InvalidArgumentError,
        ("the version '1.2.3'",),
    ),
    "a title that no passage has": (
        where({"title": "textwrap.dendent"}),
        InvalidArgumentError,
        ("the title 'textwrap.dendent'", "Did you mean 'textwrap.dedent'"),
    ),
    "a prefix that no title has": (
        where({"title": {"prefix": "textwarp."}}),
        InvalidArgumentError,
        ("the prefix 'textwarp.'", "no title begins", "Did you mean 'textwrap.'?"),
    ),
    "two kinds that no passage has": (
        where({"kind": ["functoin", "clazz"]}),
        InvalidArgumentError,
        ("'functoin'",),
    ),
    "neighbours of a kind that no passage has": (
        lambda nb: nb.similar(
            nb.search("shorten a text")["chunk_id"].iloc[0], where={"kind": "clas"}
        ),
        InvalidArgumentError,
        ("the kind 'clas'", "Did you mean 'class'?"),
    ),
    "a word as truth": (
        search(exact="yes"),
        InvalidArgumentError,
        ("exact is 'yes'", "True or False"),
    ),
    "a number as truth": (
        lambda nb: nb.search("shorten a text", 3, "hybrid", None, 1),
        InvalidArgumentError,
        ("exact is 1",),
    ),
    "a word as truth of emptying the index": (
        lambda nb: nb.remove(everything="no"),
        InvalidArgumentError,
        ("everything is 'no'",),
    ),
    "a word as truth of a history": (
        lambda nb: nb.judgments(history="all"),
        InvalidArgumentError,
        ("history is 'all'",),
    ),
    "no chunk id in a filter": (
        where({"chunk_id": "zz"}),
        InvalidArgumentError,
        ("'zz'", "chunk_id column"),
    ),
    "a misspelt weight": (
        search(weights={"dens": 1}),
        InvalidArgumentError,
        ("'dens'", "Did you mean 'dense'?"),
    ),
    "a weight below 0": (
        search(weights={"text": -1}),
        InvalidArgumentError,
        ("weights['text'] is -1", "0 to 100"),
    ),
    "a weight that is no number": (
        search(weights={"text": "1"}),
        InvalidArgumentError,
        ("weights['text'] is '1'",),
    ),
    "a truth as weight": (
        search(weights={"text": True}),
        InvalidArgumentError,
        ("weights['text'] is True",),
    ),
    "a weight that is nan": (
        search(weights={"text": float("nan")}),
        InvalidArgumentError,
        ("weights['text'] is nan",),
    ),
    "weights in a list": (
        search(weights=[1, 2]),
        InvalidArgumentError,
        ("weights is list",),
    ),
    "no chunk id to be similar to": (
        lambda nb: nb.similar("zz"),
        InvalidArgumentError,
        ("'zz' is no chunk id",),
    ),
    "None to be similar to": (
        lambda nb: nb.similar(None),
        InvalidArgumentError,
        ("None is no chunk id",),
    ),
    "a chunk id below 0": (
        lambda nb: nb.similar("-000000000000001"),
        InvalidArgumentError,
        ("is no chunk id",),
    ),
    "an unknown chunk to be similar to": (
        lambda nb: nb.similar("f" * 16),
        UnknownChunkError,
        ("f" * 16, "search again"),
    ),
    "similar with limit 0": (
        lambda nb: nb.similar("f" * 16, limit=0),
        InvalidArgumentError,
        ("limit is 0",),
    ),
    "an unknown chunk to explain": (
        lambda nb: nb.explain("shorten", "f" * 16),
        UnknownChunkError,
        ("f" * 16,),
    ),
    "explaining with no query": (
        lambda nb: nb.explain("", "f" * 16),
        InvalidArgumentError,
        ("query is empty",),
    ),
    "embedding a number": (
        lambda nb: nb.embed(5),
        InvalidArgumentError,
        ("texts is int",),
    ),
    "embedding nothing": (
        lambda nb: nb.embed(""),
        InvalidArgumentError,
        ("texts", "empty"),
    ),
    "embedding blanks": (
        lambda nb: nb.embed([" "]),
        InvalidArgumentError,
        ("texts[0] is empty",),
    ),
    "embedding a number of several": (
        lambda nb: nb.embed(["a", 5]),
        InvalidArgumentError,
        ("texts[1] is int",),
    ),
    "comparing with nothing": (
        lambda nb: nb.similarity("a", ""),
        InvalidArgumentError,
        ("b", "empty"),
    ),
    "a topic of nothing": (
        lambda nb: nb.docs("textwrap", topics=""),
        InvalidArgumentError,
        ("topics", "empty"),
    ),
    "a number as topic": (
        lambda nb: nb.docs("textwrap", topics=5),
        InvalidArgumentError,
        ("topics is int",),
    ),
    "an unknown library": (
        lambda nb: nb.index("textwarp"),
        UnknownLibraryError,
        ("'textwarp'", "Did you mean 'textwrap'", "nb.libraries()"),
    ),
    "a library unlike any": (
        lambda nb: nb.docs("qqqqqqqqqqqq"),
        UnknownLibraryError,
        ("'qqqqqqqqqqqq'", "nb.libraries()"),
    ),
    "an unknown library in a list": (
        lambda nb: nb.index(["json", "htpx"]),
        UnknownLibraryError,
        ("'htpx'", "'httpx'"),
    ),
    "no library": (
        lambda nb: nb.index(None),
        InvalidArgumentError,
        ("NoneType cannot be indexed", "a DataFrame"),
    ),
    "an empty name": (
        lambda nb: nb.index(" "),
        InvalidArgumentError,
        ("name is empty", "nb.index("),
    ),
    "an empty list": (
        lambda nb: nb.index([]),
        InvalidArgumentError,
        ("nothing in the list",),
    ),
    "a series": (
        lambda nb: nb.index(pd.Series(["a"])),
        InvalidArgumentError,
        ("Series cannot be indexed",),
    ),
    "a table without text": (
        lambda nb: nb.index(pd.DataFrame({"body_": ["a"], "n": [1]})),
        InvalidArgumentError,
        ("no text column", "content", "body_, n", ".rename("),
    ),
    "a table without columns": (
        lambda nb: nb.index(pd.DataFrame()),
        InvalidArgumentError,
        ("no text column", "columns are none"),
    ),
    "a table with two text columns": (
        lambda nb: nb.index(pd.DataFrame([["a", "b"]], columns=["text", "text"])),
        InvalidArgumentError,
        ("text",),
    ),
    "a table with layers of columns": (
        lambda nb: nb.index(pd.DataFrame({("text", "x"): ["a"]})),
        InvalidArgumentError,
        ("text",),
    ),
    "a misspelt source": (
        lambda nb: nb.index("json", source="instaled"),
        InvalidArgumentError,
        ("source is 'instaled'", "Did you mean 'installed'?"),
    ),
    "a misspelt source of libraries": (
        lambda nb: nb.libraries(source="stdlb"),
        InvalidArgumentError,
        ("source is 'stdlb'", "Did you mean 'stdlib'?"),
    ),
    "a number to list libraries by": (
        lambda nb: nb.libraries(5),
        InvalidArgumentError,
        ("query is int",),
    ),
    "a number as name": (
        lambda nb: nb.index(fruit(), name=5),
        InvalidArgumentError,
        ("name is",),
    ),
    "removing without a word": (
        lambda nb: nb.remove(),
        InvalidArgumentError,
        ("what to remove", "everything=True"),
    ),
    "removing by an empty filter": (
        lambda nb: nb.remove({}),
        InvalidArgumentError,
        ("empty", "everything=True"),
    ),
    "removing what is not indexed": (
        lambda nb: nb.remove("textwarp"),
        InvalidArgumentError,
        ("'textwarp'", "Did you mean 'textwrap'?"),
    ),
    "removing by a number": (
        lambda nb: nb.remove(5),
        InvalidArgumentError,
        ("where is int",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_argument_is_refused_in_a_sentence(reader: Any, case: str) -> None:
    """The error is of its class and says what is wrong and what would do."""
    act, kind, words = REFUSED[case]
    with pytest.raises(kind):
        act(reader)
    told = refusal(lambda: act(reader))
    assert [word for word in words if word not in told] == [], told


SUGGESTION = re.compile(r" ?Did you mean [^?]*\?")
BOUNDARY = re.compile(r"[.?!]\s+\S")


def test_every_refusal_is_one_sentence_and_a_suggestion_at_most(reader: Any) -> None:
    """Beside "Did you mean ...?" no refusal has a second sentence."""
    longer = []
    for name, (act, _, _) in REFUSED.items():
        try:
            act(reader)
        except ContexterError as refused:
            if BOUNDARY.search(SUGGESTION.sub("", str(refused))):
                longer.append(f"{name}: {refused}")
        except Exception:  # what is no refusal fails above
            continue
    assert not longer, "\n".join(longer)


def test_a_value_that_is_there_but_not_with_the_others_finds_nothing(
    reader: Any,
) -> None:
    """An empty answer is an answer; so is one to a `not` or to one of two kinds."""
    assert reader.search(
        "x", where={"library": "json", "title": "textwrap.dedent"}
    ).empty
    assert reader.search("x", mode="text", where={"kind": {"not": "functoin"}}).empty
    assert len(reader.search("shorten", where={"kind": ["functoin", "function"]}))
    assert reader.search("x", where={"tokens": {"gt": 10**6}}).empty


def test_only_an_empty_answer_costs_a_second_look(
    reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hits, no values are counted."""
    store = reader._verbs.index_store
    asked = []

    def counted(*arguments: Any, **named: Any) -> Any:
        asked.append(arguments)
        return type(store).facets(store, *arguments, **named)

    monkeypatch.setattr(store, "facets", counted)
    assert len(reader.search("shorten a text", where={"kind": "function"}))
    assert asked == []
    with pytest.raises(InvalidArgumentError):
        reader.search("shorten a text", where={"kind": "functoin"})
    assert len(asked) == 2


def test_numpys_own_truth_is_one(reader: Any) -> None:
    """As a comparison of two of a frame's cells gives it."""
    assert len(reader.search("shorten a text", exact=np.bool_(True)))


def test_a_refused_argument_changes_nothing(session: Any) -> None:
    """A list with one bad name indexes nothing of it."""
    refusal(lambda: session.index([fruit(), "textwarp"]))
    assert session.contents().empty


def test_a_close_file_name_is_suggested_when_a_path_is_not_there(
    session: Any, tmp_path: Path
) -> None:
    """The message names the path that is not there and the one that is."""
    (tmp_path / "manual.md").write_text("# A\n")
    told = refusal(lambda: session.index(tmp_path / "manuel.md"))
    assert str(tmp_path / "manuel.md") in told
    assert "Did you mean 'manual.md'?" in told


def test_a_path_that_no_system_takes_is_refused(session: Any) -> None:
    """A name too long for the file system is as good as not there."""
    refusal(lambda: session.index("/" + "x" * 300))


def test_a_file_with_an_unknown_ending_is_refused(session: Any, tmp_path: Path) -> None:
    """The message names the file and the endings that are known."""
    (tmp_path / "manual.pdf").write_text("%PDF")
    told = refusal(lambda: session.index(tmp_path / "manual.pdf"))
    assert "manual.pdf" in told
    assert all(ending in told for ending in ENDINGS)


def test_a_lone_surrogate_costs_a_letter_and_not_the_answer(
    reader: Any,
) -> None:
    """Half a character, as broken text holds it, is searched and embedded all the same.

    One text is treated as one of several is.
    """
    assert len(reader.search("a\ud800 text"))
    assert len(reader.embed(["a\ud800"])) == 1
    assert len(reader.embed("a\ud800")) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such name")
def test_a_folder_whose_name_is_no_text_is_indexed(tmp_path: Path) -> None:
    """As one of an old system is: what cannot be read of its name is replaced."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / os.fsdecode(b"th\xe9.md")).write_text("# Apples\n\nRed apples.")
    with connect(home=tmp_path / "home") as nb:
        assert nb.index(folder)["library"].tolist() == ["caf\ufffd"]
        assert nb.index(folder, name="a\ud800")["library"].tolist() == ["a\ufffd"]
        table = fruit("b\udce9")
        assert nb.index(table)["library"].tolist() == ["b\ufffd"]
        found = set(nb.contents()["library"])
        assert found == {"caf\ufffd", "a\ufffd", "b\ufffd"}
        assert "Red apples" in nb.search("red apples")["text"].iloc[0]


class Toy:
    """An embedder that works: a text's length and its number of blanks."""

    identity = "toy-2"
    dimension = 2

    async def embed(self, texts: Any, input_type: str) -> Any:
        import numpy as np

        from contexter_nb.retrieval import Embedded

        rows = [[len(text), 1 + text.count(" ")] for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(rows), 2)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embedded(vectors=vectors, token_counts=[1] * len(rows))


class Blocking(Toy):
    def embed(self, texts: Any, input_type: str) -> Any:  # type: ignore[override]
        return None


class Short(Toy):
    async def embed(self, texts: Any, input_type: str) -> Any:
        return await super().embed(texts[:-1], input_type)


class Nothing(Toy):
    async def embed(self, texts: Any, input_type: str) -> Any:
        return [[0.0, 1.0] for _ in texts]


class Wordy(Toy):
    dimension = "two"  # type: ignore[assignment]


class Flat(Toy):
    dimension = 0


@pytest.mark.parametrize(
    ("embedder", "words"),
    [
        ("statci", ("'statci'", "Did you mean 'static'")),
        ("", ("'static'",)),
        (5, ("embedder is int", "async embed")),
        (object(), ("embedder is object", "identity, dimension")),
        (Blocking(), ("Blocking.embed", "async def")),
        (Toy, ("Toy",)),
        (Wordy(), ("dimension",)),
        (Flat(), ("dimension",)),
    ],
    ids=["misspelt", "empty", "number", "object", "blocking", "class", "wordy", "flat"],
)
def test_a_bad_embedder_is_refused_when_connecting(
    tmp_path: Path, embedder: Any, words: tuple[str, ...]
) -> None:
    """It is refused before anything is done, in a sentence that says what it needs."""
    told = refusal(lambda: connect(home=tmp_path, embedder=embedder))
    assert [word for word in words if word not in told] == [], told


def test_an_embedder_of_ones_own_answers_every_verb(tmp_path: Path) -> None:
    """What has the protocol is used: for documents, for queries and for texts."""
    with connect(home=tmp_path, embedder=Toy()) as nb:
        nb.index(fruit())
        assert len(nb.search("apple", mode="dense")) == 3
        assert nb.embed("pear")["embedding"].iloc[0].shape == (2,)
        assert "toy-2" in nb.status().loc[0, "detail"]


@pytest.mark.parametrize("embedder", [Short(), Nothing()], ids=["short", "a list"])
def test_a_wrong_answer_of_an_embedder_is_an_embedder_error(
    tmp_path: Path, embedder: Any
) -> None:
    """Vectors of the wrong count, or no vectors at all, are refused in a sentence."""
    with connect(home=tmp_path, embedder=embedder) as nb:
        with pytest.raises(EmbedderError):
            nb.embed(["a", "b"])
        assert "toy-2" in refusal(lambda: nb.embed(["a", "b"]))


def test_an_index_of_another_embedder_is_refused_until_it_is_emptied(
    tmp_path: Path,
) -> None:
    """The message names both and the ways out, one of which is then taken."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
    with connect(home=tmp_path, embedder=Toy()) as nb:
        for act in (lambda: nb.search("apple"), lambda: nb.index(fruit("other"))):
            with pytest.raises(IndexMismatchError, match="toy-2") as refused:
                act()
            assert "nb.remove(everything=True)" in str(refused.value)
        assert not nb.status().set_index("service").loc["index", "healthy"]
        nb.remove(everything=True)
        assert nb.index(fruit())["new"].tolist() == [3]


def test_a_misspelt_bridge_is_refused(tmp_path: Path) -> None:
    """The message names the two bridges and the one that was meant."""
    told = refusal(lambda: connect(home=tmp_path, bridge="nestd"))  # type: ignore[arg-type]
    assert "'nestd'" in told
    assert "Did you mean 'nested'?" in told


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A file, or a path below one, cannot be a home."""
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    told = refusal(lambda: connect(home=file))
    assert str(file) in told
    assert "is a file" in told
    assert "connect(home=" in told
    below = refusal(lambda: connect(home=file / "home"))
    assert "cannot be created" in below
    assert "CONTEXTER_HOME" in below
    assert file.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc")
def test_a_home_that_cannot_be_written_is_refused() -> None:
    """A folder that nobody may write, not even root, is refused when connecting."""
    for home in ("/proc/self", "/proc/contexter"):
        with pytest.raises(HomeError):
            connect(home=home)
        told = refusal(lambda home=home: connect(home=home))  # type: ignore[misc]
        assert "connect(home=...)" in told


@pytest.mark.parametrize(
    "home",
    [5, b"folder", "a\0b", "x" * 300, "~no_such_person/home"],
    ids=["number", "bytes", "null", "long", "nobody"],
)
def test_a_home_that_is_no_path_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Any
) -> None:
    """What cannot be a folder's path is refused in a sentence, not by the system."""
    monkeypatch.chdir(tmp_path)
    assert "home" in refusal(lambda: connect(home=home))


def test_the_variable_names_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CONTEXTER_HOME is taken where no argument is given, which wins over it."""
    monkeypatch.setenv("CONTEXTER_HOME", str(tmp_path / "by_variable"))
    with connect() as nb:
        assert str((tmp_path / "by_variable").resolve()) in repr(nb.aio)
    with connect(home=tmp_path / "by_argument") as nb:
        assert str((tmp_path / "by_argument").resolve()) in repr(nb.aio)
    assert (tmp_path / "by_variable").stat().st_mode & 0o777 == 0o700


def test_a_misspelt_argument_is_told_with_what_was_meant(tmp_path: Path) -> None:
    """Of connect, of a verb and of its coroutine alike."""
    with pytest.raises(
        TypeError, match=r"connect\(\) has no argument 'voyage_key'\. Did"
    ):
        connect(home=tmp_path, voyage_key="x")  # type: ignore[call-arg]
    with connect(home=tmp_path) as nb:
        told = r"^index\(\) has no argument 'budget'\. Did you mean 'budget_usd'\?$"
        with pytest.raises(TypeError, match=told):
            nb.index("json", budget=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=told):
            run(nb.aio.index("json", budget=1))  # type: ignore[call-arg]


def test_a_missing_argument_is_told_without_a_class_that_nobody_knows(
    tmp_path: Path,
) -> None:
    """Of a verb and of its coroutine alike; how it is called stands beside."""
    told = (
        r"^export_runs\(\) needs folder\. It is called as "
        r"export_runs\(experiment_id, folder\)\.$"
    )
    with connect(home=tmp_path) as nb:
        with pytest.raises(TypeError, match=told):
            nb.export_runs("a-run")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=told):
            run(nb.aio.export_runs(experiment_id="a-run"))  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"needs query and chunk_id and grade\."):
            nb.judge()  # type: ignore[call-arg]
