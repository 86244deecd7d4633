"""Variants with an index of their own: the same documents, made in another way."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contexter_nb import connect
from contexter_nb.core import (
    APIIntegrationError,
    ContexterError,
    EmptyIndexError,
    InvalidArgumentError,
)
from contexter_nb.notebook import Session
from contexter_nb.retrieval import Pace, Packing
from contexter_nb.sandbox import Sandbox, sandbox
from tests.clients.qdrant_wire import KEY as QDRANT_KEY
from tests.clients.qdrant_wire import QdrantWire, Refused
from tests.notebook.frame import assert_kind, fruit
from tests.notebook.sentence import refusal
from tests.retrieval.embedder import CountingEmbedder
from tests.world.faults import ByRequest, fault_server_in_thread

NO_ROOM = """
import resource, signal, sys
from contexter_nb import connect
from contexter_nb.core import HomeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
with connect(home=sys.argv[1], embedder="static") as nb:
    nb.index("textwrap")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        nb.compare("wrap", {"bits": {"dtype": "binary"}})
    except HomeError as exc:
        print(exc, exc.__notes__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(len(nb.compare("wrap", {"bits": {"dtype": "binary"}}, limit=3)))
"""
LONG = " ".join(f"word{n}" for n in range(400))
QUESTIONS = ["red apple", "soft pear"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a session on a module, a folder and a table, to read only."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "install.md").write_text(f"# Install\n\nUse pip.\n\n# Long\n\n{LONG}\n")
    with connect(home=tmp_path_factory.mktemp("lab")) as nb:
        nb.index(["textwrap", folder, fruit()])
        yield nb


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox that embeds and reranks."""
    with sandbox("voyage") as opened:
        yield opened


def refused(parts: tuple[str, ...], act: Callable[[], object]) -> None:
    """Do what must be refused, in a sentence that holds some parts."""
    told = refusal(act)
    assert all(part in told for part in parts), told


class Understated(CountingEmbedder):
    """Says that it is all but free, and is not."""

    packing = Packing()
    pace = Pace()
    usd_per_million_tokens = 1.0

    def usd_at_most(self, texts: Sequence[str]) -> list[float]:
        return [0.0] * len(texts)


def of_variants(nb: Session) -> list[Any]:
    """Return the sessions on indexes of variants."""
    return list(nb.aio._verbs._variants.values())


def test_passages_of_another_length_are_of_the_same_documents(lab: Any) -> None:
    """Each library is cut anew, shorter, and no document is lost or added."""
    found = lab.experiment(QUESTIONS, {"as it is": {}, "short": {"chunk_tokens": 64}})
    assert found.attrs["catalog"]["short"]["chunk_tokens"] == 64
    assert found.attrs["catalog"]["as it is"]["chunk_tokens"] == 320
    sizes = {
        name: {key: chunks for key, (_, chunks) in each["libraries"].items()}
        for name, each in found.attrs["catalog"].items()
    }
    assert set(sizes["short"]) == set(sizes["as it is"])
    assert all(sizes["short"][key] >= sizes["as it is"][key] for key in sizes["short"])
    assert sum(sizes["short"].values()) > sum(sizes["as it is"].values())
    (short,) = of_variants(lab)
    both = [
        {
            chunk_id[:12]
            for library in sizes["short"]
            for chunk_id in each.index_store.stored(library)
        }
        for each in (lab.aio._verbs, short)
    ]
    assert both[0] == both[1]


def test_the_longest_passage_is_as_long_as_the_variant_says(lab: Any) -> None:
    """What `connect(chunk_tokens=)` cuts is what the variant tried."""
    with connect(home=lab.aio._verbs.home, chunk_tokens=64) as short:
        short.index(fruit())
        assert short.contents()["library"].tolist() == ["fruit"]
        texts = short.docs("textwrap")
        variant = lab.compare("wrap", {"short": {"chunk_tokens": 64}}, limit=50)
        assert set(variant["chunk_id"]) & set(texts["chunk_id"])
        assert texts["text"].str.findall(r"\w+").map(len).max() <= 64


def test_a_second_run_makes_no_index_again(tmp_path: Path) -> None:
    """An index of a variant is kept, and follows when the session's own changes."""
    embedder = CountingEmbedder()
    variants = {"own": {}, "bits": {"dtype": "binary"}}
    with connect(home=tmp_path, embedder=embedder) as nb:
        nb.index(fruit())
        first = nb.experiment(QUESTIONS, variants)
        texts = len(embedder.texts)
        again = nb.experiment(QUESTIONS, variants)
        assert len(embedder.texts) == texts
        assert first.attrs["indexing"]["bits"]["embedded"] == len(fruit())
        assert again.attrs["indexing"]["bits"]["embedded"] == 0
        more = pd.DataFrame({"title": ["quince"], "text": ["a hard yellow quince"]})
        more.attrs["name"] = "more"
        nb.index(more)
        nb.remove("fruit")
        changed = nb.experiment(["quince"], variants)
        for each in changed.attrs["catalog"].values():
            assert set(each["libraries"]) == {"more"}


def test_removed_passages_are_in_no_variant(tmp_path: Path) -> None:
    """What was taken out of the index is not brought back by its kept documents."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
        nb.remove({"title": fruit()["title"].iloc[0]})
        side = nb.compare("fruit", {"own": {}, "short": {"chunk_tokens": 64}})
        assert fruit()["title"].iloc[0] not in set(side["title"])
        assert side["variant"].nunique() == 2


def test_what_is_removed_is_kept_nowhere_in_the_home(tmp_path: Path) -> None:
    """Neither its documents nor an index of a variant holds it any more."""
    with connect(home=tmp_path) as nb:
        nb.index(["textwrap", fruit()])
        nb.compare("apple", {"short": {"chunk_tokens": 64}})
        kept = tmp_path / "documents" / "index"
        assert len(list(kept.iterdir())) == 2
        nb.remove("fruit")
        assert [each.name.split("-")[0] for each in kept.iterdir()] == ["textwrap"]
        assert not (tmp_path / "variants").exists()
        side = nb.compare("apple", {"short": {"chunk_tokens": 64}})
        assert "fruit" not in set(side["library"])
        nb.remove(everything=True)
        assert not kept.exists()


@pytest.mark.parametrize(
    ("settings", "identity"),
    [
        ({"dimension": 64}, "wordllama-l2_supercat-64@"),
        ({"embedder": "static@128"}, "wordllama-l2_supercat-128@"),
        ({"dtype": "int8"}, "wordllama-l2_supercat-256@"),
        ({"dimension": 128, "dtype": "binary"}, "wordllama-l2_supercat-128@"),
    ],
)
def test_the_keyless_model_has_variants_of_its_own(
    lab: Any, settings: dict[str, Any], identity: str
) -> None:
    """Fewer numbers and fewer bits need no key, and are what was embedded with."""
    found = lab.experiment(QUESTIONS, {"own": {}, "less": settings})
    assert_kind(found, "experiment")
    made = found.attrs["catalog"]["less"]
    assert made["embedder"].startswith(identity)
    assert made["embedder"].endswith(settings.get("dtype", ""))
    assert made["dimension"] == settings.get("dimension", made["dimension"])
    kept = found.attrs["variants"]["less"]
    assert {key: kept[key] for key in settings} == settings


def test_what_the_session_is_already_needs_no_index(lab: Any) -> None:
    """Naming what it has anyway asks the session's own index."""
    before = len(of_variants(lab))
    variants = {"own": {}, "same": {"chunk_tokens": 320, "dimension": 256}}
    found = lab.experiment(QUESTIONS, variants)
    assert found.attrs["indexing"] == {}
    assert len(of_variants(lab)) == before
    assert found.loc[found["variant"] == "same", "value"].eq(1.0).all()


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"chunk_tokens": 3}, ("chunk_tokens is 3", "32 to 4,000")),
        ({"chunking": "80"}, ("chunk_tokens is '80'", "whole number from 32")),
        ({"dimension": 100}, ("100 dimensions", "64 or 128 or 256")),
        ({"dtype": "uint8"}, ("'uint8'", "same numbers as int8")),
        ({"dtype": "flaot"}, ("'flaot'", "Did you mean 'float'?")),
        ({"model": "voyage-4"}, ("no key", "VOYAGE_API_KEY")),
        ({"model": "voyage-4-ligt"}, ("voyage-4-ligt", "Did you mean 'voyage-4-lite'")),
        ({"model": 4}, ("model is 4", "name")),
        ({"embedder": "statci"}, ("'statci'", "Did you mean 'static'?")),
        ({"embedder": 5}, ("embedder is int", "async embed")),
        ({"chunk_token": 64}, ("'chunk_token'", "Did you mean 'chunk_tokens'?")),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, settings: dict[str, Any], parts: tuple[str, ...]
) -> None:
    """One sentence names the variant, and no index is begun."""
    embedder = CountingEmbedder()
    with connect(home=tmp_path, embedder=embedder) as nb:
        nb.index(fruit())
        texts = len(embedder.texts)
        given = {"embedder": "static", **settings}
        refused(
            ("'bad'", *parts),
            lambda: nb.experiment(
                QUESTIONS, {"own": {}, "good": {"chunk_tokens": 64}, "bad": given}
            ),
        )
        assert len(embedder.texts) == texts
        assert not (tmp_path / "variants").exists()


def test_a_session_and_a_setting_of_an_index_are_refused(lab: Any) -> None:
    """A session has its own embedder."""
    refused(
        ("'both'", "dimension", "either"),
        lambda: lab.experiment(QUESTIONS, {"both": {"session": lab, "dimension": 64}}),
    )


def test_documents_that_were_not_kept_are_asked_for(tmp_path: Path) -> None:
    """A folder's passages cannot be cut anew without it; a library is read again."""
    with connect(home=tmp_path) as nb:
        nb.index(["textwrap", fruit()])
        for each in (tmp_path / "documents" / "index").iterdir():
            each.unlink()
        refused(
            ("'fruit'", "not kept", "index it again"),
            lambda: nb.compare("apple", {"short": {"chunk_tokens": 64}}),
        )
        nb.remove("fruit")
        side = nb.compare("wrap", {"short": {"chunk_tokens": 64}})
        assert side["library"].unique().tolist() == ["textwrap"]


def test_a_variants_passages_can_be_judged_here(lab: Any) -> None:
    """The pool of a variant names passages that the session's own index has."""
    pool = lab.pool("word399", {"short": {"chunk_tokens": 64}}, depth=5)
    assert_kind(pool, "pool")
    assert pool.attrs["variants"] == {"short": {"chunk_tokens": 64}}
    row = pool[pool["title"].str.contains("Long")].iloc[0]
    judged = lab.judge("word399", row["chunk_id"], 2)
    assert judged["title"].item() == row["title"]
    lab.judge("word399", row["chunk_id"], None)


def test_models_dimensions_and_bits_of_voyage_are_variants(
    box: Sandbox, tmp_path: Path
) -> None:
    """From a keyless session with a key at hand; each is estimated, then paid once."""
    told: list[str] = []
    with connect(home=tmp_path, embedder="static", **box.arguments()) as nb:
        nb.aio._verbs.notify = told.append
        nb.index("textwrap")
        variants = {
            "free": {"mode": "dense"},
            "lite": {"model": "voyage-4-lite", "mode": "dense"},
            "narrow": {"embedder": "voyage:voyage-4@256", "mode": "dense"},
            "bits": {"model": "voyage-4-lite", "dtype": "binary", "mode": "dense"},
            "reranked": {"mode": "text", "rerank": True},
        }
        estimate = nb.estimate_experiment(QUESTIONS, variants)
        assert_kind(estimate, "estimate_experiment")
        assert nb.costs().empty
        parts = estimate.groupby("variant")["part"].apply(list).to_dict()
        assert parts == {
            "free": ["questions"],
            "lite": ["index", "questions"],
            "narrow": ["index", "questions"],
            "bits": ["index", "questions"],
            "reranked": ["reranking"],
        }
        usd = float(estimate["usd"].sum())
        refused(
            ("budget", "Nothing was paid"),
            lambda: nb.experiment(QUESTIONS, variants, budget_usd=usd / 2),
        )
        assert nb.costs().empty
        found = nb.experiment(QUESTIONS, variants, budget_usd=1.0)
        assert told == [
            f"About {usd:.4f} USD will be spent on {estimate['tokens'].sum():,} tokens."
        ]
        made = {key: each["embedder"] for key, each in found.attrs["catalog"].items()}
        assert made["narrow"] == "voyage/voyage-4@256"
        assert made["bits"] == "voyage/voyage-4-lite@1024+binary"
        wide = found.contexter.wide()
        assert wide.loc["free", "usd_per_1000"] == 0
        lite, reranked = wide["usd_per_1000"]["lite"], wide["usd_per_1000"]["reranked"]
        asked = estimate.set_index(["variant", "part"])["usd"]
        assert lite == pytest.approx(asked["lite", "questions"] / 2 * 1000)
        assert reranked == pytest.approx(asked["reranked", "reranking"] / 2 * 1000)
        spent = nb.costs()["usd"].sum()
        assert 0 < spent <= usd * 1.05
        assert nb.aio._verbs.usd == pytest.approx(spent)
        again = nb.experiment(QUESTIONS, variants).contexter.wide()
        assert nb.costs()["usd"].sum() == pytest.approx(spent)
        assert again["usd"].sum() == 0
        assert again["usd_per_1000"].equals(wide["usd_per_1000"])


def test_a_budget_that_is_spent_stops_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    """What costs more than was said is stopped; its searches are not paid again."""
    embedder = Understated()
    asked = ["red apple", "soft pear", "dried plum", "ripe fruit"]
    with connect(home=tmp_path, embedder=embedder) as nb:
        nb.index(fruit())
        with pytest.raises(ContexterError, match="budget of 1.0 USD is spent"):
            nb.experiment(asked, ["dense"], budget_usd=1.0)
        texts = len(embedder.texts)
        assert nb.experiments()["state"].tolist() == ["interrupted"]
        found = nb.experiment(asked, ["dense"], budget_usd=5.0)
        assert found["queries"].unique().tolist() == [4]
        assert embedder.texts[texts:] == asked[2:]
        assert nb.experiments()["state"].tolist() == ["done"]


def test_the_same_call_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    """Searches that were made are not made again, under the same id."""
    asked = ["red apple", "soft pear", "dried plum", "ripe fruit"]
    told: list[str] = []
    with connect(home=tmp_path, embedder=CountingEmbedder()) as nb:
        nb.aio._verbs.notify = told.append
        nb.index(fruit())

        async def main() -> None:
            blocking = CountingEmbedder(blocks_at_call=2)
            nb.aio._verbs.embedder = blocking
            task = asyncio.create_task(nb.aio._verbs.experiment(asked, ["dense"]))
            await blocking.blocked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        interrupted = nb.experiments()["experiment_id"].item()
        going_on = nb.aio._verbs.embedder = CountingEmbedder()
        other = nb.experiment(asked[:2], ["dense"])
        assert other.attrs["experiment_id"] != interrupted
        found = nb.experiment(asked, ["dense"])
        assert found.attrs["experiment_id"] == interrupted
        assert going_on.texts == asked[2:]
        assert found["queries"].unique().tolist() == [4]
        assert nb.experiments()["state"].tolist() == ["done", "done"]
        assert told == [
            f"Goes on with {interrupted}: 2 of 4 searches are there (resume=False "
            "begins anew)."
        ]
        done = nb.experiment(asked, ["dense"])
        assert done.attrs["experiment_id"] != interrupted


def test_resume_false_begins_anew(tmp_path: Path) -> None:
    """What was interrupted stays as it is."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
        kept = nb.experiment(QUESTIONS, ["dense"])
        store = nb.aio._verbs._experiments
        record = store.load(kept.attrs["experiment_id"])
        store.save(kept.attrs["experiment_id"], {**record, "state": "interrupted"})
        anew = nb.experiment(QUESTIONS, ["dense"], resume=False)
        assert sorted(nb.experiments()["state"]) == ["done", "interrupted"]
        assert anew.attrs["experiment_id"] != kept.attrs["experiment_id"]
        with pytest.raises(InvalidArgumentError, match="resume is 1"):
            nb.experiment(QUESTIONS, ["dense"], resume=1)


def test_what_another_session_removed_leaves_a_variant_too(tmp_path: Path) -> None:
    """On a server, an index of a variant may be older than the session's own."""
    with connect(home=tmp_path, qdrant_url=":memory:") as nb:
        nb.index(["textwrap", fruit()])
        variants = {"bits": {"dtype": "binary"}}
        assert set(nb.compare("apple", variants, limit=50)["library"]) == {
            "textwrap",
            "fruit",
        }
        nb.remove("fruit")
        assert set(nb.compare("apple", variants, limit=50)["library"]) == {"textwrap"}


def test_variants_of_an_index_on_a_server_are_there_too(tmp_path: Path) -> None:
    """A session on Qdrant has its variants' indexes there, and none in its home."""
    with connect(home=tmp_path, qdrant_url=":memory:") as nb:
        nb.index(fruit())
        side = nb.compare("red apple", {"own": {}, "bits": {"dtype": "binary"}})
        assert side["variant"].nunique() == 2
        (variant,) = of_variants(nb)
        assert variant.index_store.collection.startswith("contexter-variant-")
        assert not (tmp_path / "variants").exists()


def collections(nb: Session) -> set[str]:
    """Return the names of all collections on a session's server."""
    return set(asyncio.run(nb.aio._verbs.remote.qdrant.collections()))


@contextlib.contextmanager
def server(**settings: Any) -> Iterator[tuple[dict[str, str], QdrantWire]]:
    """Give the arguments that lead to a server of Qdrant, and the server."""
    wire = QdrantWire(**settings)
    with fault_server_in_thread(ByRequest(wire.behave)) as running:
        yield {"qdrant_url": running.url, "qdrant_api_key": QDRANT_KEY}, wire


@pytest.mark.parametrize("where", ["fruit", {"title": "apple"}, None])
def test_what_is_removed_is_in_no_variant_on_the_server(
    tmp_path: Path, where: Any
) -> None:
    """The collections go as the folders of a home do, and come back without it."""
    variants = {"bits": {"dtype": "binary"}, "short": {"chunk_tokens": 64}}
    with connect(home=tmp_path, qdrant_url=":memory:") as nb:
        nb.index(["textwrap", fruit()])
        nb.compare("apple", variants)
        assert len(collections(nb)) == 3
        nb.remove(where, everything=where is None)
        assert collections(nb) == {"contexter"}
        if where is None:
            return
        found = nb.compare("apple", variants, limit=50)
        assert found["variant"].nunique() == 2
        assert "apple" not in set(found["title"])


def test_a_variant_of_an_earlier_session_goes_from_the_server(tmp_path: Path) -> None:
    """Whoever made it: it is known by what it says of itself, over the wire."""
    variants = {"bits": {"dtype": "binary"}, "short": {"chunk_tokens": 64}}
    with server() as (places, wire):
        with connect(home=tmp_path / "one", **places) as nb:
            nb.index(fruit())
            nb.compare("apple", variants)
        names = {each.name for each in wire.points.get_collections().collections}
        assert len(names) == 3
        with connect(home=tmp_path / "two", **places) as nb:
            nb.remove("fruit")
            assert collections(nb) == {"contexter"}


def test_on_a_server_only_variants_of_the_own_index_go(tmp_path: Path) -> None:
    """Neither another index's, nor what has only the name of one of ours."""
    variants = {"bits": {"dtype": "binary"}}
    with server() as (places, wire):
        with connect(home=tmp_path, chunk_tokens=64, **places) as other:
            other.index(fruit())
            other.compare("apple", variants)
            theirs = collections(other)
        with connect(home=tmp_path, **places) as nb:
            nb.index(fruit())
            nb.compare("apple", variants)
            (own,) = (each.index_store.collection for each in of_variants(nb))
            foreign = {
                "contexter-variant-of-mine",
                f"{own[:-12]}0123456789ab",
                f"somebody-{own}",
            }
            for name in foreign:
                wire.points.create_collection(
                    name,
                    vectors_config={},
                    metadata=wire.points.get_collection(own).config.metadata,
                )
            unmarked = own.replace("-320-", "-64-")
            wire.points.create_collection(unmarked, vectors_config={})
            nb.remove("fruit")
            assert collections(nb) == theirs | foreign | {"contexter", unmarked}


def test_a_server_that_keeps_a_variant_keeps_the_passages(tmp_path: Path) -> None:
    """Nothing is removed by half: the same call goes on when it answers again."""
    with server() as (places, wire), connect(home=tmp_path, **places) as nb:
        nb.index(fruit())
        nb.compare("apple", {"bits": {"dtype": "binary"}})
        drop = wire._drop
        wire._drop = refused_by_the_server  # type: ignore[method-assign]
        with pytest.raises(APIIntegrationError):
            nb.remove("fruit")
        assert nb.contents()["library"].tolist() == ["fruit"]
        wire._drop = drop  # type: ignore[method-assign]
        assert nb.remove("fruit")["chunks"].tolist() == [0]
        assert collections(nb) == {"contexter"}


def refused_by_the_server(body: bytes, name: str) -> Any:
    """Refuse to delete a collection, as for a key that may not."""
    raise Refused(403, f"Forbidden: access to collection {name} is required")


def guide(folder: Path, *texts: str) -> Path:
    """Write a folder of pages, the first called 0.md."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"{number}.md").write_text(f"# Page\n\n{text}\n")
    return folder


def stored(verbs: Any, library: str) -> dict[str, str]:
    """Return the passages of a library in a session's own index."""
    found: dict[str, str] = verbs.index_store.stored(library)
    return found


def interrupted_at(nb: Session, search: int) -> Callable[[], None]:
    """Interrupt a session at one of its searches; return what undoes it."""
    verbs = nb.aio._verbs
    ask, made = verbs._ask, []

    async def interrupted(query: str, settings: Any) -> Any:
        made.append(query)
        if len(made) == search:
            raise asyncio.CancelledError
        return await ask(query, settings)

    verbs._ask = interrupted  # type: ignore[method-assign]  # as Ctrl-C would
    return lambda: setattr(verbs, "_ask", ask)


def test_documents_that_are_newer_than_the_index_are_no_variant(tmp_path: Path) -> None:
    """What could not be embedded again is there as it was; its document is newer."""
    embedder = CountingEmbedder()
    folder = guide(tmp_path / "guide", "old apple", "old pear")
    variants = {"own": {}, "short": {"chunk_tokens": 64}}
    with connect(home=tmp_path / "home", embedder=embedder) as nb:
        nb.index(folder)
        guide(folder, "new banana")
        embedder.refused = ("banana",)
        assert nb.index(folder)["failed"].iloc[0] == 1
        embedder.refused = ()
        refused(
            ("'guide'", "index it again"),
            lambda: nb.compare("banana", variants),
        )
        nb.index(folder)
        assert nb.compare("banana", variants)["variant"].nunique() == 2


def test_a_variant_of_the_same_length_has_the_very_same_passages(
    tmp_path: Path,
) -> None:
    """A passage that was removed does not come back with its document."""
    text = "\n\n".join(" ".join(f"w{p}x{n}" for n in range(200)) for p in range(3))
    folder = guide(tmp_path / "guide", text)
    with connect(home=tmp_path / "home") as nb:
        nb.index(folder)
        gone = nb.docs(folder)["chunk_id"].iloc[1]
        nb.remove({"chunk_id": gone})
        nb.compare("w0x1", {"own": {}, "bits": {"dtype": "binary"}})
        (bits,) = of_variants(nb)
        assert stored(bits, "guide") == stored(nb.aio._verbs, "guide")
        assert gone not in stored(bits, "guide")


def test_an_object_of_the_same_name_is_the_one_that_is_given(tmp_path: Path) -> None:
    """Whoever mends an embedder and runs the cell again is answered by the new one."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
        first, second = CountingEmbedder(), CountingEmbedder()
        nb.compare("apple", {"own": {}, "mine": {"embedder": first}})
        texts = len(first.texts)
        nb.compare("pear", {"own": {}, "mine": {"embedder": second}})
        assert (len(first.texts), second.texts) == (texts, ["pear"])


def test_one_name_for_two_dimensions_is_refused(tmp_path: Path) -> None:
    """The session's own index would answer for the other."""
    with connect(home=tmp_path, embedder=CountingEmbedder()) as nb:
        nb.index(fruit())
        other = CountingEmbedder(dimension=8)
        refused(
            ("'small'", "8 dimensions", "'counting'", "16", "identity of its own"),
            lambda: nb.compare("apple", {"own": {}, "small": {"embedder": other}}),
        )


def test_what_a_variant_could_not_embed_is_told(tmp_path: Path) -> None:
    """It is not on the same documents then, which nobody sees from its numbers."""
    told: list[str] = []
    with connect(home=tmp_path) as nb:
        nb.aio._verbs.notify = told.append
        nb.index(fruit())
        title = fruit()["title"].iloc[0]
        picky = CountingEmbedder(refused=(title,))
        found = nb.experiment(QUESTIONS, {"own": {}, "picky": {"embedder": picky}})
        assert found.attrs["indexing"]["picky"]["failed"] == 1
        assert len(told) == 1
        assert f"'picky' lacks passages of {title!r}" in told[0]


def test_an_outage_says_for_which_variant_it_was(box: Sandbox, tmp_path: Path) -> None:
    """The note is on the error, and the same call goes on afterwards."""
    variants = {"own": {}, "lite": {"model": "voyage-4-lite"}}
    with connect(home=tmp_path, embedder="static", **box.arguments()) as nb:
        nb.index(fruit())
        box.set("voyage", outage=True)
        try:
            with pytest.raises(APIIntegrationError) as caught:
                nb.compare("red apple", variants)
        finally:
            box.set("voyage", outage=False)
        assert "variant 'lite'" in "".join(caught.value.__notes__)


def test_the_index_of_a_variant_is_not_paid_for_unsaid(
    box: Sandbox, tmp_path: Path
) -> None:
    """Comparing one question can make an index, too; made already, nothing is said."""
    told: list[str] = []
    variants = {"own": {}, "lite": {"model": "voyage-4-lite", "mode": "text"}}
    with connect(home=tmp_path, embedder="static", **box.arguments()) as nb:
        nb.aio._verbs.notify = told.append
        nb.index(fruit())
        nb.compare("red apple", variants)
        assert len(told) == 1
        assert "USD will be spent" in told[0]
        nb.pool("red apple", variants)
        assert len(told) == 1


def test_passages_that_are_asked_by_words_alone_are_not_embedded(
    box: Sandbox, tmp_path: Path
) -> None:
    """Another length with mode="text" costs nothing, whatever the session embeds by."""
    short = {"chunk_tokens": 64, "mode": "text"}
    with connect(home=tmp_path, **box.arguments()) as nb:
        nb.index("textwrap")
        spent = nb.costs()["usd"].sum()
        assert spent > 0
        estimate = nb.estimate_experiment(QUESTIONS, {"short": short})
        assert estimate["usd"].sum() == 0
        found = nb.experiment(
            ["shorten a text"], {"own": {"mode": "text"}} | {"short": short}
        )
        assert nb.costs()["usd"].sum() == spent
        libraries = found.attrs["catalog"]["short"]["libraries"]
        assert libraries["textwrap"][1] > nb.contents()["chunks"].sum()
        nb.experiment(["shorten a text"], {"vectors": {"chunk_tokens": 64}})
        assert nb.costs()["usd"].sum() > spent


def test_reranking_is_estimated_for_the_session_that_does_it(
    box: Sandbox, tmp_path: Path
) -> None:
    """A key of the other session is enough."""
    with (
        connect(home=tmp_path / "own", embedder="static") as nb,
        connect(home=tmp_path / "its", embedder="static", **box.arguments()) as other,
    ):
        nb.index(fruit())
        other.index("textwrap")
        variants = {"own": {}, "read": {"session": other, "rerank": True}}
        found = nb.estimate_experiment(QUESTIONS, variants).set_index("part")
        chunks = int(other.contents()["chunks"].sum())
        assert found.loc["reranking", "texts"] == chunks * len(QUESTIONS)
        assert found.loc["reranking", "usd"] > 0


def test_reranking_costs_about_what_was_said(box: Sandbox, tmp_path: Path) -> None:
    """A budget of what was said is neither spent too early nor far too large."""
    variants = {"read": {"rerank": True}, "meant": {"rerank": True, "mode": "dense"}}
    with connect(home=tmp_path, embedder="static", **box.arguments()) as nb:
        nb.index(["json", "textwrap", "statistics"])
        asked = nb.known_items(10)["query"].tolist()
        told = nb.estimate_experiment(asked, variants)["usd"].sum()
        nb.experiment(asked, variants, budget_usd=told * 1.01)
        assert told / 2 < nb.costs()["usd"].sum() <= told * 1.01


def test_longer_passages_cost_more_to_rerank(box: Sandbox, tmp_path: Path) -> None:
    """What a budget is compared with is not less than it will be."""
    with connect(home=tmp_path, embedder="static", **box.arguments()) as nb:
        nb.index("textwrap")
        variants = {
            "own": {"rerank": True, "mode": "text"},
            "long": {"rerank": True, "mode": "text", "chunk_tokens": 640},
        }
        found = nb.estimate_experiment(QUESTIONS, variants)
        found = found[found["part"] == "reranking"].set_index("variant")
        assert found.loc["long", "usd"] > 1.5 * found.loc["own", "usd"]


def test_a_rerun_after_a_change_of_the_documents_begins_anew(tmp_path: Path) -> None:
    """As many passages of the same version may say something else."""
    folder = guide(tmp_path / "guide", "old apple", "old pear")
    with connect(home=tmp_path / "home") as nb:
        nb.index(folder)
        undo = interrupted_at(nb, 2)
        with pytest.raises(concurrent.futures.CancelledError):
            nb.experiment(QUESTIONS, ["text"])
        undo()
        interrupted = nb.experiments()["experiment_id"].item()
        guide(folder, "old pear", "old apple, and more")
        nb.index(folder)
        anew = nb.experiment(QUESTIONS, ["text"])
        assert anew.attrs["experiment_id"] != interrupted


def test_going_on_loses_nothing_and_counts_what_was_paid(tmp_path: Path) -> None:
    """Neither a kill in its first seconds nor a kept index makes it forget."""
    embedder = CountingEmbedder()
    variants = {"own": {}, "mine": {"embedder": embedder}}
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
        undo = interrupted_at(nb, 3)
        with pytest.raises(concurrent.futures.CancelledError):
            nb.experiment(QUESTIONS, variants)
        undo()
        before = nb.experiments()
        (file,) = (tmp_path / "experiments").glob("*.json")
        verbs, kept = nb.aio._verbs, []
        ask = verbs._ask

        async def looking(query: str, settings: Any) -> Any:
            runs = json.loads(file.read_text())["runs"]
            kept.append(sum(map(len, runs.values())))
            return await ask(query, settings)

        verbs._ask = looking  # type: ignore[method-assign]  # to see what a kill leaves
        nb.experiment(QUESTIONS, variants)
        assert kept[0] == before["searches"].item() == 2
        assert nb.experiments()["usd"].item() == pytest.approx(
            0.5 * len(embedder.texts)
        )


def test_a_budget_that_is_just_enough_is_enough(tmp_path: Path) -> None:
    """The last search may spend the last of it."""
    with connect(home=tmp_path, embedder=Understated()) as nb:
        nb.index(fruit())
        found = nb.experiment(QUESTIONS, ["dense"], budget_usd=1.0)
        assert found["queries"].unique().tolist() == [2]


def test_removing_waits_for_whoever_makes_an_index_of_a_variant(
    tmp_path: Path,
) -> None:
    """Nothing is torn from under it; whoever asks it then is told what happened."""
    told: list[str] = []
    blocking = CountingEmbedder(blocks_at_call=0)
    variants = {"own": {}, "mine": {"embedder": blocking}}
    with connect(home=tmp_path) as nb, connect(home=tmp_path) as other:
        nb.index(["textwrap", fruit()])

        async def main() -> None:
            waiting = asyncio.Event()
            verbs = other.aio._verbs
            verbs.notify = lambda said: (told.append(said), waiting.set())
            making = asyncio.create_task(nb.aio._verbs.compare("apple", variants))
            await blocking.blocked.wait()
            removing = asyncio.create_task(verbs.remove("fruit"))
            await waiting.wait()
            blocking.go.set()
            await removing
            with pytest.raises(ContexterError):
                await making

        asyncio.run(main())
        assert told[0].startswith("Waiting: process")
        found = nb.compare("apple", variants)
        assert set(found["library"]) == {"textwrap"}


def test_a_variant_that_is_removed_elsewhere_while_it_is_asked_says_so(
    tmp_path: Path,
) -> None:
    """It does not say that nothing is indexed; and made again it is read anew."""
    variants = {"bits": {"dtype": "binary"}}
    with connect(home=tmp_path) as nb, connect(home=tmp_path) as other:
        nb.index(["textwrap", fruit()])
        nb.compare("apple", variants)
        (bits,) = of_variants(nb)
        other.remove("fruit")
        with pytest.raises(EmptyIndexError, match="removed meanwhile"):
            asyncio.run(nb.aio._verbs._ask("apple", {"session": bits}))
        other.compare("apple", variants)
        again = asyncio.run(nb.aio._verbs._ask("apple", {"session": bits}))
        assert set(again["library"]) == {"textwrap"}


def test_removing_everything_forgets_what_never_was_indexed(tmp_path: Path) -> None:
    """Documents are kept before they are embedded, which may fail."""
    with connect(home=tmp_path, embedder=CountingEmbedder(refused=("",))) as nb:
        with pytest.raises(ContexterError):
            nb.index(fruit())
        assert list((tmp_path / "documents" / "index").iterdir())
        nb.remove(everything=True)
        assert not (tmp_path / "documents" / "index").exists()


def test_rounding_the_keyless_model_costs_no_look_into_the_cache(
    lab: Any,
) -> None:
    """Else its latency would be that of the cache."""
    verbs = lab.aio._verbs
    lab.compare("apple", {"own": {}, "bits": {"dtype": "binary"}})
    (bits,) = [each for each in of_variants(lab) if "binary" in each.embedder.identity][
        :1
    ]
    asyncio.run(verbs._ask("never asked before", {"session": bits}))
    assert not verbs.cache.holds(
        bits.embedder.identity, "query", ["never asked before"]
    )[0]


def test_collections_of_one_name_on_two_servers_keep_documents_apart(
    tmp_path: Path,
) -> None:
    """One home may see both; what is removed here is not forgotten there."""
    urls = ("http://127.0.0.1:6333", "http://127.0.0.1:7333")
    folders = set()
    for url in urls:
        with connect(home=tmp_path, qdrant_url=url) as nb:
            folders.add(nb.aio._verbs._documents._folder)
    assert len(folders) == 2


def test_what_no_index_has_is_not_said_to_lack_in_a_variant(tmp_path: Path) -> None:
    """A notebook that is none cannot be cut here, nor there."""
    told: list[str] = []
    folder = guide(tmp_path / "guide", "old apple")
    (folder / "bad.ipynb").write_text("{no notebook")
    with connect(home=tmp_path / "home") as nb:
        nb.aio._verbs.notify = told.append
        assert nb.index(folder)["failed"].iloc[0] == 1
        found = nb.experiment(QUESTIONS, {"own": {}, "bits": {"dtype": "binary"}})
        assert found.attrs["indexing"]["bits"]["failed"] == 0
        assert told == []


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"where": {"library": "textwarp"}}, ("textwarp", "Did you mean 'textwrap'?")),
        ({"rerank": True}, ("no key", "VOYAGE_API_KEY")),
    ],
)
def test_what_a_search_cannot_do_is_said_of_its_variant(
    lab: Any, settings: dict[str, Any], parts: tuple[str, ...]
) -> None:
    """Among ten variants one sees which."""
    variants = {"own": {}, "odd": {"dtype": "binary", **settings}}
    refused(("'odd'", *parts), lambda: lab.compare("apple", variants))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on a file's size there")
def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    """The engine's own words name a file of a segment; with room again it goes on."""
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told, hits = done.stdout.splitlines()
    assert "cannot be written (File too large" in told
    assert "free some space" in told
    assert "variant 'bits'" in told
    assert "segments" not in told
    assert hits == "3"


def test_a_damaged_index_of_a_variant_hinders_no_removing(tmp_path: Path) -> None:
    """It holds nothing of its own, and is made again."""
    variants = {"bits": {"dtype": "binary"}}
    with connect(home=tmp_path) as nb:
        nb.index(["textwrap", fruit()])
        nb.compare("apple", variants)
        (folder,) = (tmp_path / "variants").iterdir()
        (folder / "current").write_text("no number")
        nb.remove("fruit")
        assert set(nb.compare("apple", variants)["library"]) == {"textwrap"}


def test_a_library_that_is_gone_since_is_asked_for(tmp_path: Path) -> None:
    """Indexed before its documents were kept, it can be read nowhere."""
    with connect(home=tmp_path) as nb:
        nb.index("textwrap")
        for each in (tmp_path / "documents" / "index").iterdir():
            each.unlink()
    for path in (tmp_path / "index").rglob("catalog.json"):
        path.write_text(path.read_text().replace('"textwrap"', '"gonelibrary"'))
    with connect(home=tmp_path) as nb:
        refused(
            ("'gonelibrary'", "not kept"),
            lambda: nb.compare("wrap", {"bits": {"dtype": "binary"}}),
        )
