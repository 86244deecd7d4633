"""A session on Voyage AI, Context7 and Qdrant, each played by a real service here."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import contexter_nb as cx
from contexter_nb.clients import usd_of
from contexter_nb.core import (
    AuthenticationError,
    ContexterError,
    EmptyIndexError,
    InvalidArgumentError,
    NotFoundError,
)
from contexter_nb.sandbox import Sandbox, sandbox
from tests.clients.qdrant_wire import KEY as QDRANT_KEY
from tests.clients.qdrant_wire import QdrantWire
from tests.notebook.frame import assert_kind, fruit
from tests.notebook.sentence import refusal
from tests.policies.redis_server import start_redis
from tests.retrieval.embedder import CountingEmbedder
from tests.world.faults import ByRequest, fault_server_in_thread
from tests.world.ports import closed_port

VOYAGE_KEY = "-".join(["pa", "planted", "0123456789", "abcdef", "voyage"])
CONTEXT7_KEY = "-".join(["ctx7sk", "planted", "0123456789", "abcdef"])


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with Voyage and Context7."""
    with sandbox("voyage", "context7") as opened:
        yield opened


@pytest.fixture(autouse=True)
def calm(box: Sandbox) -> Iterator[None]:
    """Turn back the knobs that a test turned, and let no variable of ours in."""
    yield
    box.set(outage=False, error_rate=0.0)


def connected(box: Sandbox, home: Path, **options: Any) -> Any:
    """Open a session on the sandbox."""
    told = {name.lower(): value for name, value in box.environment().items()}
    return cx.connect(home=home, **{**told, **options})


def keyless(home: Path, **options: Any) -> Any:
    """Open a session without any key."""
    return cx.connect(home=home, **options)


@contextmanager
def qdrant() -> Iterator[dict[str, str]]:
    """Give the arguments that lead to a server of Qdrant."""
    wire = QdrantWire()
    with fault_server_in_thread(ByRequest(wire.behave)) as server:
        yield {"qdrant_url": server.url, "qdrant_api_key": QDRANT_KEY}


def posts(box: Sandbox, path: str = "") -> int:
    """Return how many requests that may be charged were answered so far."""
    return sum(
        each.method == "POST" and each.status == 200 and each.path.endswith(path)
        for each in box.log()
    )


def row(frame: pd.DataFrame, service: str) -> pd.Series:
    """Return the only row of a service."""
    (found,) = [each for _, each in frame.iterrows() if each["service"] == service]
    return found


# What answers


def test_status_names_every_service_and_costs_nothing(
    box: Sandbox, tmp_path: Path
) -> None:
    """A row each, where it is and whether it is well; no request is charged."""
    with (
        start_redis() as redis,
        qdrant() as places,
        connected(box, tmp_path, redis_url=redis.url, **places) as nb,
    ):
        before = posts(box)
        status = nb.status()
        assert posts(box) == before
        assert nb.costs().empty
    assert_kind(status, "status")
    assert dict(zip(status["service"], status["mode"], strict=True)) == {
        "embedder": "local server",
        "index": "local server",
        "cache": "embedded",
        "answers": "embedded",
        "context7": "local server",
        "redis": "local server",
    }
    assert status["healthy"].all(), status[["service", "detail"]].to_string()
    assert "voyage/voyage-4@1024" in row(status, "embedder")["detail"]
    assert "with a key" in row(status, "context7")["detail"]


def test_status_of_a_key_that_only_reranks(box: Sandbox, tmp_path: Path) -> None:
    """With the keyless model in place, Voyage has a row of its own."""
    with connected(box, tmp_path, embedder="static", qdrant_url=":memory:") as nb:
        status = nb.status()
    modes = dict(zip(status["service"], status["mode"], strict=True))
    assert modes["embedder"] == modes["index"] == "embedded"
    assert modes["voyage"] == "local server"
    assert status["healthy"].all()


def test_a_service_that_is_down_is_unwell_in_one_sentence(
    box: Sandbox, tmp_path: Path
) -> None:
    """The others are well, nothing is raised, and nothing is charged."""
    with closed_port() as port:
        nothing = f"127.0.0.1:{port}"
        with connected(
            box,
            tmp_path,
            qdrant_url=f"http://{nothing}",
            redis_url=f"redis://:hidden-password@{nothing}/0",
        ) as nb:
            box.set(outage=True)
            before = posts(box)
            status = nb.status()
            assert posts(box) == before
    assert dict(zip(status["service"], status["healthy"], strict=True)) == {
        "embedder": False,
        "index": False,
        "cache": True,
        "answers": True,
        "context7": False,
        "redis": False,
    }
    for detail in status.loc[~status["healthy"], "detail"]:
        assert 20 < len(detail) <= 400
        assert "\n" not in detail
        assert detail.endswith(".")
    assert "hidden-password" not in status.to_csv()


def test_a_wrong_key_is_unwell_in_one_sentence(box: Sandbox, tmp_path: Path) -> None:
    """The service refuses it, and status says so."""
    wrong = "-".join(["pa", "wrong", "0123456789"])
    with connected(box, tmp_path, voyage_api_key=wrong) as nb:
        told = row(nb.status(), "embedder")
        assert not told["healthy"]
        assert "key" in told["detail"]
        assert wrong not in told["detail"]
        with pytest.raises(AuthenticationError):
            nb.embed("a text")


def test_a_closed_session_says_so_of_all(box: Sandbox, tmp_path: Path) -> None:
    """Closing twice is no error, and lists what was open."""
    nb = connected(box, tmp_path, qdrant_url=":memory:")
    nb.embed("a text")
    for _ in range(2):
        closed = nb.close()
        assert set(closed["mode"]) == {"closed"}
        assert {"embedder", "index", "context7"} <= set(closed["service"])


# Index and search on Voyage


def test_the_verbs_work_on_voyage(box: Sandbox, tmp_path: Path) -> None:
    """The same cells as without a key, and the numbers are those that were billed."""
    with connected(box, tmp_path) as nb:
        told = nb.estimate(fruit()).iloc[0]
        assert (told["chunks"], told["embedded"], told["requests"]) == (3, 3, 1)
        before = posts(box, "/embeddings")
        report = nb.index(fruit())
        assert posts(box, "/embeddings") == before + 1
        assert (report.loc[0, "new"], report.loc[0, "embedded"]) == (3, 3)
        assert pd.isna(report.loc[0, "error"])
        tokens, usd = int(report.loc[0, "tokens"]), float(report.loc[0, "usd"])
        # It is an estimate: what the service puts before a text is not in it.
        assert tokens == pytest.approx(told["tokens"], rel=0.5)
        assert usd == pytest.approx(usd_of("voyage-4", tokens))
        hits = nb.search("which fruit is dried")
        assert hits["title"].iloc[0] == "plum"
        assert hits.attrs["tokens"] > 0
        assert hits.attrs["usd"] > 0
        again = nb.search("which fruit is dried")
        assert (again.attrs["tokens"], again.attrs["usd"]) == (0, 0.0)
        vectors = nb.embed(["a text", "another text", "a text"])
        assert vectors["embedding"].iloc[0].shape == (1024,)
        assert np.linalg.norm(vectors["embedding"].iloc[0]) == pytest.approx(
            1, abs=1e-5
        )
        assert nb.embed("a text")["cached"].tolist() == [True]
        near = nb.similarity("dry fruit", ["a dried plum", "a fast car"])
        assert near["cosine"].iloc[0] > near["cosine"].iloc[1]
        own = hits["chunk_id"].iloc[0]
        assert len(nb.similar(own)) == 2
        assert nb.explain("which fruit is dried", own)["rank"].notna().all()
        later = nb.estimate(fruit()).iloc[0]
        assert (later["unchanged"], later["embedded"], later["usd"]) == (3, 0, 0.0)
        assert nb.optimize().shape[0] == 1
        assert "voyage/voyage-4@1024" in repr(nb)


def test_costs_are_what_was_spent_and_outlive_the_session(
    box: Sandbox, tmp_path: Path
) -> None:
    """By model and day, once however many sessions are open on the home."""
    home = tmp_path / "home"
    with connected(box, home) as nb, connected(box, home) as other:
        report = nb.index(fruit())
        ranked = nb.rerank("dried fruit", ["a plum", "a car"])
        other.embed("a query of another session")
        spent = nb.costs()
    assert_kind(spent, "costs")
    models = spent.set_index("model")
    assert models.loc["voyage-4", "calls"] == 2
    assert models.loc["voyage-4", "tokens"] > report["tokens"].sum()
    assert models.loc["rerank-2.5-lite", "calls"] == 1
    assert models.loc["rerank-2.5-lite", "tokens"] == ranked.attrs["tokens"]
    assert models.loc["rerank-2.5-lite", "usd"] == pytest.approx(
        ranked.attrs["usd"], abs=1e-9
    )
    with keyless(home) as nb:
        pd.testing.assert_frame_equal(nb.costs(), spent)
        assert nb.costs(since="2999-01-01").empty
    with connected(box, home) as nb:
        assert nb.index(fruit())["embedded"].sum() == 0
        nb.embed(fruit()["text"].iloc[0])
        nb.rerank("dried fruit", ["a plum", "a car"])
        later = nb.costs().set_index("model")
    assert later.loc["rerank-2.5-lite", "calls"] == 1
    assert later.loc["rerank-2.5-lite", "saved_calls"] == 1
    assert later.loc["rerank-2.5-lite", "saved_usd"] == pytest.approx(
        ranked.attrs["usd"], abs=1e-9
    )


def test_a_repeated_connect_books_each_call_once(box: Sandbox, tmp_path: Path) -> None:
    """A cell that connects is run again and again, and nobody closes what it made."""
    for _ in range(3):
        nb = connected(box, tmp_path)
    nb.embed("one text")
    assert nb.costs()["calls"].tolist() == [1]
    nb.close()


def test_a_failed_connect_leaves_no_listener(tmp_path: Path) -> None:
    """What was begun before the embedder was refused is undone."""
    before = cx.policies.api_monitor._listeners
    with pytest.raises(ContexterError):
        keyless(tmp_path, embedder="voyage:no-such-model", voyage_api_key=VOYAGE_KEY)
    assert cx.policies.api_monitor._listeners == before


# Mixing


@pytest.mark.parametrize("where", ["home", "memory", "server"])
@pytest.mark.parametrize("who", ["voyage", "keyless"])
def test_any_embedder_goes_with_any_index(
    box: Sandbox, tmp_path: Path, who: str, where: str
) -> None:
    """Index, search, filter, neighbours, contents and removing, wherever each is."""
    with qdrant() as server:
        places = {"home": {}, "memory": {"qdrant_url": ":memory:"}, "server": server}
        options = places[where]
        opened = (
            connected
            if who == "voyage"
            else lambda box, *args, **more: keyless(*args, **more)
        )
        with opened(box, tmp_path, **options) as nb:
            with pytest.raises(EmptyIndexError):
                nb.search("dried")
            assert nb.contents().empty
            assert nb.index([fruit(), fruit("more", page=[1, 2, 3])])[
                "new"
            ].tolist() == [3, 3]
            hits = nb.search("which fruit is dried", where={"library": "fruit"})
            assert hits["title"].iloc[0] == "plum"
            assert set(hits["library"]) == {"fruit"}
            assert nb.contents()["chunks"].tolist() == [3, 3]
            near = nb.similar(hits["chunk_id"].iloc[0], where={"library": "fruit"})
            assert len(near) == 2
            assert nb.explain("dried", hits["chunk_id"].iloc[0])["rank"].notna().any()
            assert nb.index(fruit())["unchanged"].tolist() == [3]
            assert nb.remove({"title": "plum"})["chunks"].tolist() == [2, 2]
            assert nb.remove("more")["chunks"].tolist() == [0]
            assert nb.contents()["library"].tolist() == ["fruit"]
            detail = nb.optimize().loc[0, "detail"]
            assert ("the server optimizes by itself" in detail) == (where != "home")
            assert nb.status()["healthy"].all()
            assert nb.remove(everything=True)["removed"].tolist() == [2]
            assert nb.contents().empty


def test_a_key_that_comes_and_goes_spoils_no_index(
    box: Sandbox, tmp_path: Path
) -> None:
    """Each model has an index of its own in the home, and finds it again."""
    with keyless(tmp_path) as nb:
        nb.index(fruit())
    with connected(box, tmp_path) as nb:
        with pytest.raises(EmptyIndexError):
            nb.search("dried")
        nb.index(fruit("paid"))
        assert nb.contents()["library"].tolist() == ["paid"]
    with keyless(tmp_path) as nb:
        assert nb.contents()["library"].tolist() == ["fruit"]
        assert nb.search("dried fruit")["library"].unique().tolist() == ["fruit"]
    with connected(box, tmp_path) as nb:
        before = posts(box, "/embeddings")
        assert nb.index(fruit("paid"))["embedded"].tolist() == [0]
        assert nb.search("dried", mode="text")["title"].tolist() == ["plum"]
        assert posts(box, "/embeddings") == before


def test_two_embedders_on_one_server_are_kept_apart(
    box: Sandbox, tmp_path: Path
) -> None:
    """By a collection each; one of an object is refused where another's is."""
    with qdrant() as server:
        with connected(box, tmp_path, **server) as nb:
            nb.index(fruit("paid"))
        with keyless(tmp_path, **server) as nb:
            nb.index(fruit("free"))
            assert nb.contents()["library"].tolist() == ["free"]
        with connected(box, tmp_path, **server) as nb:
            assert nb.contents()["library"].tolist() == ["paid"]
        with keyless(tmp_path, embedder=CountingEmbedder(), **server) as nb:
            for act in (lambda: nb.search("dried"), lambda: nb.index(fruit("other"))):
                told = refusal(act)
                assert "was built with" in told
                assert "nb.remove(everything=True)" in told
            assert not row(nb.status(), "index")["healthy"]


# Context7


def test_libraries_of_context7_stand_below_the_installed(
    box: Sandbox, tmp_path: Path
) -> None:
    """Found by a name only, with their tags, and what of them is indexed."""
    with connected(box, tmp_path) as nb:
        found = nb.libraries("textwrap")
        assert_kind(found, "libraries")
        assert found["source"].tolist()[0] == "stdlib"
        assert "context7" in set(found["source"])
        assert found["error"].isna().all()
        only = nb.libraries("httpx", source="context7").set_index("library")
        assert set(only["source"]) == {"context7"}
        assert any(tag.startswith("v") for tag in only.loc["/pypi/httpx", "versions"])
        assert "context7" not in set(nb.libraries()["source"])
        assert "give a query" in refusal(lambda: nb.libraries(source="context7"))
        nb.index("/python/textwrap", topics="dedent")
        again = nb.libraries("textwrap", source="context7").set_index("library")
        assert pd.notna(again.loc["/python/textwrap", "indexed_version"])


def test_an_unreachable_context7_is_a_row_with_an_error(
    box: Sandbox, tmp_path: Path
) -> None:
    """What is installed is listed all the same; asked for alone, it is an error."""
    with connected(box, tmp_path) as nb:
        box.set("context7", outage=True)
        found = nb.libraries("textwrap")
        assert found["library"].iloc[0] == "textwrap"
        (error,) = found["error"].dropna()
        assert "context7" in error.lower()
        assert "\n" not in error
        refusal(lambda: nb.libraries("textwrap", source="context7"))


def test_a_library_of_context7_is_shown_and_indexed_by_its_id(
    box: Sandbox, tmp_path: Path
) -> None:
    """Passages of the topics asked for; the id without its tag is the library."""
    with connected(box, tmp_path) as nb:
        shown = nb.docs("/python/textwrap", topics=["shorten a text"])
        assert_kind(shown, "docs")
        assert set(shown["library"]) == {"/python/textwrap"}
        assert set(shown["source"]) == {"context7"}
        assert shown["error"].isna().all()
        report = nb.index("/python/textwrap", topics=["shorten a text", "dedent"])
        assert report.loc[0, "library"] == "/python/textwrap"
        assert report.loc[0, "chunks"] >= len(shown)
        hits = nb.search("shorten a text", where={"library": "/python/textwrap"})
        assert hits["text"].str.contains("shorten").any()
        assert nb.contents()["state"].tolist() == ["in part"]
        mixed = nb.index(["/python/json", fruit()], topics="dump to a text")
        assert set(mixed["library"]) == {"/python/json", "fruit"}


def test_a_tag_of_context7_is_its_version(box: Sandbox, tmp_path: Path) -> None:
    """And one that there is not is an error that names those there are."""
    with connected(box, tmp_path) as nb:
        found = nb.libraries("httpx", source="context7").set_index("library")
        (tag,) = found.loc["/pypi/httpx", "versions"]
        for form in (f"/pypi/httpx/{tag}", f"/pypi/httpx@{tag}"):
            shown = nb.docs(form, topics="timeouts")
            assert set(shown["version"]) == {tag}
            assert set(shown["library"]) == {"/pypi/httpx"}
        with pytest.raises(NotFoundError) as refused:
            nb.docs("/pypi/httpx/v0.0.0", topics="timeouts")
        assert tag in str(refused.value)
        with pytest.raises(NotFoundError) as refused:
            nb.index("/nobody/no-such-library", topics="anything")
        assert "\n" not in str(refused.value)


def test_an_id_of_context7_has_no_other_name(box: Sandbox, tmp_path: Path) -> None:
    """And a source that says context7 takes ids only."""
    with connected(box, tmp_path) as nb:
        told = refusal(lambda: nb.index("/python/textwrap", name="other"))
        assert "leave name out" in told
        told = refusal(lambda: nb.docs("textwrap", source="context7"))
        assert "give its id" in told


def test_context7_is_asked_without_a_key(box: Sandbox, tmp_path: Path) -> None:
    """Anonymously, where only its address is set, or an id says that it is meant."""
    place = {"context7_base_url": box.services["context7"]}
    with keyless(tmp_path, **place) as nb:
        assert "without a key" in row(nb.status(), "context7")["detail"]
        assert len(nb.docs("/python/textwrap", topics="dedent"))


# Reranking


def test_rerank_puts_texts_in_order(box: Sandbox, tmp_path: Path) -> None:
    """Positions are those of the texts; the second time costs nothing."""
    texts = ["a fast car", "a dried plum", "a ripe pear"]
    with connected(box, tmp_path, embedder="static") as nb:
        ranked = nb.rerank("dried fruit", texts)
        assert_kind(ranked, "rerank")
        assert ranked["rank"].tolist() == [1, 2, 3]
        assert ranked["text"].iloc[0] == "a dried plum"
        assert [texts[at] for at in ranked["position"]] == ranked["text"].tolist()
        assert ranked["score"].is_monotonic_decreasing
        assert ranked.attrs["model"] == "rerank-2.5-lite"
        assert ranked.attrs["usd"] > 0
        best = nb.rerank("dried fruit", texts, limit=1, model="rerank-2.5")
        assert best["text"].tolist() == ["a dried plum"]
        assert best.attrs["model"] == "rerank-2.5"
        assert nb.rerank("dried fruit", texts).attrs["cached"]


def test_a_reranked_search_has_the_reranker_s_order(
    box: Sandbox, tmp_path: Path
) -> None:
    """Its scores, the parts' own ranks beside them, and what it cost."""
    with connected(box, tmp_path, embedder="static") as nb:
        nb.index("textwrap")
        plain = nb.search("shorten a long text", limit=5)
        hits = nb.search("shorten a long text", limit=5, rerank=True)
        assert_kind(hits, "search")
        assert len(hits) == 5
        assert hits["score"].is_monotonic_decreasing
        assert hits["rank"].tolist() == [1, 2, 3, 4, 5]
        assert hits.attrs["reranker"] == "rerank-2.5-lite"
        assert hits.attrs["tokens"] > 0
        reranked = hits.attrs["tokens"] - plain.attrs["tokens"]
        assert hits.attrs["usd"] == pytest.approx(usd_of("rerank-2.5-lite", reranked))
        assert nb.costs()["tokens"].tolist() == [reranked]
        assert set(hits.attrs["timings_ms"]) == {"embed", "search", "rerank"}
        assert "reranker" not in plain.attrs
        texts = [
            f"{title}\n{text}"
            for title, text in zip(hits["title"], hits["text"], strict=True)
        ]
        alone = nb.rerank("shorten a long text", texts)
        assert alone["position"].tolist() == [0, 1, 2, 3, 4]
        named = nb.search("shorten", limit=2, rerank="rerank-2.5")
        assert named.attrs["reranker"] == "rerank-2.5"
        none = nb.search("shorten", limit=2, rerank=False)
        assert "reranker" not in none.attrs
        told = refusal(lambda: nb.search("shorten", rerank=3))
        assert told.startswith("rerank is 3")


def test_without_a_key_nothing_is_searched_before_it_is_told(tmp_path: Path) -> None:
    """One sentence says where a key comes from, on an empty index, too."""
    with keyless(tmp_path) as nb:
        for act in (
            lambda: nb.search("anything", rerank=True),
            lambda: nb.rerank("anything", ["a text"]),
        ):
            told = refusal(act)
            assert "VOYAGE_API_KEY" in told
            assert "cx.sandbox()" in told


# Secrets


def test_planted_keys_are_shown_and_kept_nowhere(tmp_path: Path) -> None:
    """In no repr, frame, message, traceback, nor in any file of the home."""
    home = tmp_path / "home"
    keys = [VOYAGE_KEY, CONTEXT7_KEY, QDRANT_KEY]
    shown: list[str] = []

    def look(*frames: pd.DataFrame) -> None:
        for frame in frames:
            shown.extend([frame.to_csv(), frame.to_html(), repr(frame.attrs)])

    def fail(act: Any) -> None:
        try:
            act()
        except ContexterError as exc:
            shown.append("".join(traceback.format_exception(exc)))
            shown.append("".join(exc._render_traceback_()))
        else:
            raise AssertionError("it was to fail")

    with (
        sandbox("voyage", api_key=VOYAGE_KEY) as voyage,
        sandbox("context7", api_key=CONTEXT7_KEY) as context7,
        qdrant() as server,
        cx.connect(
            home=home,
            voyage_api_key=VOYAGE_KEY,
            voyage_base_url=voyage.services["voyage"],
            context7_api_key=CONTEXT7_KEY,
            context7_base_url=context7.services["context7"],
            **server,
        ) as nb,
    ):
        look(nb.status(), nb.libraries("textwrap"), nb.index(fruit()))
        look(nb.search("dried", rerank=True), nb.embed("a text"), nb.contents())
        look(nb.docs("/python/textwrap", topics="dedent"))
        voyage.set(error_rate=1.0, error_status=400)
        context7.set(error_rate=1.0, error_status=403)
        fail(lambda: nb.embed("another text"))
        fail(lambda: nb.rerank("another", ["a text"]))
        fail(lambda: nb.docs("/python/json", topics="dump"))
        look(nb.status(), nb.costs(), nb.requests(), nb.metrics(), nb.limits())
        look(nb.cache_stats(), nb.alerts())
        shown += [repr(nb), nb._repr_html_(), repr(nb.aio), repr(voyage)]
        verbs = nb.aio._verbs
        shown += [repr(verbs.remote.settings), repr(verbs.remote.voyage)]
        shown += [repr(verbs.remote.context7), repr(verbs.remote.qdrant)]
        shown += [repr(verbs.embedder), repr(verbs.index_store)]
    assert len(shown) > 40
    for key in keys:
        assert not [each for each in shown if key in each]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        content = path.read_bytes()
        assert not [key for key in keys if key.encode() in content], path
    assert sys.exc_info() == (None, None, None)


def test_a_service_that_fails_is_one_error(box: Sandbox, tmp_path: Path) -> None:
    """In one sentence, and the work goes on when it is back."""
    with connected(box, tmp_path) as nb:
        box.set("voyage", error_rate=1.0, error_status=400)
        refusal(lambda: nb.embed("a text"))
        box.set("voyage", error_rate=1.0, error_status=422)
        refusal(lambda: nb.rerank("a text", ["a text"]))
        box.set("voyage", error_rate=0.0)
        assert len(nb.embed("a text")) == 1


def test_a_mistyped_folder_is_told_to_no_service(tmp_path: Path) -> None:
    """What looks like an id of Context7 is a path, unless Context7 is set or named."""
    with cx.connect(home=tmp_path) as nb:
        before = len(nb.requests(limit=1000))
        for verb in (nb.index, nb.docs, nb.estimate):
            with pytest.raises(InvalidArgumentError) as caught:
                verb("/data/nobody-here")
            assert "no file or folder /data/nobody-here" in str(caught.value)
            assert 'source="context7"' in str(caught.value)
        assert len(nb.requests(limit=1000)) == before
