"""The explorer without a browser: its frames, its messages, its threads, its ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from contexter_nb import connect
from contexter_nb.bridge import default_bridge
from contexter_nb.core import InvalidArgumentError, SessionClosedError
from contexter_nb.retrieval import Embedded
from tests.dashboards.explorer_view import Browser
from tests.retrieval.embedder import CountingEmbedder
from tests.world.behaviours import Hang
from tests.world.faults import FaultServer, fault_server

pytest.importorskip("anywidget")
QUESTION = "shorten a text to a width"


@pytest.fixture(scope="module")
def reader(own_small_home: Path) -> Iterator[Any]:
    """Give one session on a small index to all tests here, which judge in it."""
    with connect(home=own_small_home) as opened:
        yield opened


@pytest.fixture
def explorer(reader: Any) -> Iterator[Any]:
    """Give an explorer that has answered a question."""
    opened = reader.explorer(QUESTION, limit=5)
    yield opened
    opened.close()


def test_results_are_those_of_a_search(explorer: Any, reader: Any) -> None:
    """The frame holds what nb.search answers, with its dtypes and attrs."""
    expected = reader.search(QUESTION, limit=5)
    assert explorer.results.equals(expected)
    assert explorer.results.attrs["query"] == QUESTION
    assert len(explorer.selection) == 0
    assert list(explorer.selection.columns) == list(expected.columns)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "text"},
        {"mode": "dense", "limit": 20},
        {"step": 11},
        {"picks": {"library": ["json", "textwrap"], "kind": ["function"]}},
        {"query": 'it\'s a "quoted" \\ question'},
    ],
)
def test_the_code_gives_what_is_shown(
    explorer: Any, reader: Any, changes: dict[str, Any]
) -> None:
    """Running the cell under Code gives the very frame of the view."""
    browser = Browser(explorer)
    browser.answered(browser.ask(**changes))
    frame = eval(explorer.code, {"nb": reader})
    assert explorer.results.equals(frame)


def test_the_code_of_a_comparison_gives_both(explorer: Any, reader: Any) -> None:
    """The cell names the pinned hits and those of now."""
    browser = Browser(explorer)
    browser.send(do="pin")
    browser.answered(browser.ask(mode="text"))
    names: dict[str, Any] = {"nb": reader}
    exec(explorer.code, names)
    assert names["hits"].equals(explorer.results)
    shown = [hit["id"] for hit in browser.widget.hits["pinned"]]
    assert names["pinned"]["chunk_id"].tolist() == shown
    assert browser.widget.status["common"] <= 5


def test_alike_gives_the_neighbours_of_a_hit(explorer: Any, reader: Any) -> None:
    """What is found is nb.similar, its code says so, and back leads back."""
    browser = Browser(explorer)
    first = explorer.results["chunk_id"].iloc[0]
    browser.answered(browser.ask(similar_to=first))
    assert explorer.results.equals(reader.similar(first, limit=5))
    assert explorer.code == f'nb.similar("{first}", limit=5)'
    browser.answered(browser.send(do="move", steps=-1))
    assert explorer.results.attrs["query"] == QUESTION


def test_clicks_select_rows(explorer: Any) -> None:
    """A selection is rows of the results, in their order."""
    browser = Browser(explorer)
    ids = explorer.results["chunk_id"].tolist()
    browser.send(do="select", id=ids[3], adding=False)
    browser.send(do="select", id=ids[1], adding=True)
    browser.wait(lambda w: len(w.marks["selection"]) == 2)
    assert explorer.selection["rank"].tolist() == [2, 4]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look again and again, for at most 20 seconds."""
    for _ in range(2000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never was")


def test_grades_are_kept_and_recalled(explorer: Any) -> None:
    """A judged hit is a row with the question and the time; asked again it shows."""
    browser = Browser(explorer)
    first = explorer.results["chunk_id"].iloc[0]
    browser.send(do="judge", id=first, grade=1)
    browser.wait(lambda w: w.marks["judged"] == {first: 1})
    # What is shown at once is not undone by what is read before it is written.
    default_bridge().run(explorer._desk.refresh())
    assert browser.widget.marks["judged"] == {first: 1}
    wait_until(lambda: not explorer._desk._grades._under_way)
    row = explorer.judgments.query("query == @QUESTION").iloc[-1]
    assert (row["chunk_id"], row["grade"]) == (first, 1)
    assert str(explorer.judgments["judged_at"].dtype) == "datetime64[us, UTC]"
    browser.answered(browser.ask(query="another thing"))
    browser.answered(browser.ask(query=QUESTION))
    browser.wait(lambda w: w.marks["judged"] == {first: 1})
    browser.send(do="judge", id=first, grade=None)
    browser.wait(lambda w: w.marks["judged"] == {})


def test_filters_are_counted_in_the_index(explorer: Any, reader: Any) -> None:
    """Numbers are passages; a column's own tick does not change its own numbers."""
    browser = Browser(explorer)
    before = {row[0]: row[1] for row in browser.widget.facets["library"]}
    contents = reader.contents().set_index("library")["chunks"]
    assert before == contents.to_dict()
    browser.answered(browser.ask(picks={"library": ["json"]}))
    browser.wait(lambda w: sum(row[1] for row in w.facets["kind"]) == before["json"])
    after = {row[0]: row[1] for row in browser.widget.facets["library"]}
    assert after == before
    assert set(explorer.results["library"]) == {"json"}


def test_the_map_has_the_hits_and_the_question(explorer: Any) -> None:
    """Every hit has a place, the question too, and the background is the collection."""
    widget = explorer.widget
    assert set(widget.points) == {"", *explorer.results["chunk_id"]}
    assert all(0 <= each <= 1 for place in widget.points.values() for each in place)
    assert len(widget.cloud["xy"]) == 8 * len(widget.cloud["ids"])
    assert widget.cloud["chunks"] == len(widget.cloud["ids"])


def test_a_search_by_words_embeds_nothing_for_the_map(explorer: Any) -> None:
    """The question has no place where it has no vector."""
    browser = Browser(explorer)
    browser.answered(browser.ask(mode="text"))
    browser.wait(lambda w: "" not in w.points)


def test_nothing_indexed_is_a_state_and_not_an_error(tmp_path: Path) -> None:
    """An empty home says how to begin; once indexed, looking again finds."""
    with connect(home=tmp_path) as nb:
        explorer = nb.explorer(QUESTION)
        browser = Browser(explorer)
        assert browser.widget.status["phase"] == "empty"
        assert "nb.index" in explorer._repr_mimebundle_()[0]["text/html"]
        assert list(explorer.results.columns)[0] == "rank"
        nb.index("textwrap")
        browser.answered(browser.send(do="again", setting=browser.widget.setting))
        assert len(explorer.results) > 0


def test_a_blank_explorer_shows_what_there_is(reader: Any) -> None:
    """Without a question there are filters and a map, and no hits."""
    explorer = reader.explorer()
    assert explorer.widget.status["phase"] == "blank"
    assert explorer.widget.facets["library"]
    assert explorer.widget.cloud["ids"]
    assert len(explorer.results) == 0
    assert explorer.code == ""


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "hybird"},
        {"limit": 0},
        {"where": {"libary": "x"}},
        {"where": 3},
        {"where": {"library": "absent"}},
        {"weights": {"dense": -1}},
    ],
)
def test_a_wrong_argument_is_told_in_the_cell(
    reader: Any, arguments: dict[str, Any]
) -> None:
    """What is typed wrongly raises at once, as of the search itself."""
    with pytest.raises(InvalidArgumentError):
        reader.explorer(QUESTION, **arguments)


def test_a_misspelt_argument_is_told_what_was_meant(explorer: Any, reader: Any) -> None:
    """As of a verb: by name, with the one that comes near."""
    with pytest.raises(TypeError, match=r"^explorer\(\) has no .*Did you mean 'mode'"):
        reader.explorer(QUESTION, moed="text")
    with pytest.raises(TypeError, match=r"^search\(\) has no .*Did you mean 'limit'"):
        explorer.search(limt=3)


def test_a_closed_session_opens_no_explorer(small_home: Path) -> None:
    """It is told at once, as every verb tells it."""
    with connect(home=small_home) as nb:
        pass
    with pytest.raises(SessionClosedError, match="closed; open a new one"):
        nb.explorer()


def test_an_unknown_message_is_told_in_the_view(explorer: Any) -> None:
    """What goes wrong in a callback shows, and the view goes on."""
    browser = Browser(explorer)
    browser.send(do="explode")
    browser.wait(lambda w: "explode" in w.status["notice"])
    status = browser.answered(browser.ask(query="dump to a file"))
    assert status["notice"] == ""


def test_a_closed_session_is_told_in_the_view(small_home: Path) -> None:
    """A search after close() fails in a sentence and keeps the hits from before."""
    with connect(home=small_home) as nb:
        explorer = nb.explorer(QUESTION)
    browser = Browser(explorer)
    status = browser.answered(browser.ask(query="other"), "failed")
    assert "closed" in status["error"]
    assert len(explorer.results) > 0


class Doubtful(CountingEmbedder):
    """Fails on some questions, and asks a server that never answers on others."""

    url = ""

    async def embed(self, texts: Sequence[str], input_type: str) -> Embedded:
        if input_type == "query" and "fail" in texts[0]:
            raise httpx.ConnectError("no route to the service <b>x</b>")
        if input_type == "query" and "slow" in texts[0]:
            async with httpx.AsyncClient(timeout=None) as client:
                await client.get(self.url)
        return await super().embed(texts, input_type)


@pytest.fixture
def silent() -> Iterator[FaultServer]:
    """Give a server on the clients' loop that takes requests and never answers."""
    bridge = default_bridge()
    serving = fault_server(Hang())
    yield bridge.run(serving.__aenter__())
    bridge.run(serving.__aexit__(None, None, None))


@pytest.fixture
def doubtful(tmp_path: Path, silent: FaultServer) -> Iterator[Any]:
    """Give an explorer whose embedder fails and hangs as it is asked to."""
    embedder = Doubtful()
    embedder.url = silent.url
    import pandas as pd

    rows = pd.DataFrame({"text": ["join tables", "drop rows", "plot a line"]})
    with connect(home=tmp_path, embedder=embedder) as nb:
        nb.index(rows, name="notes")
        yield nb.explorer("join tables")


def test_a_superseded_search_leaves_the_wire(
    doubtful: Any, silent: FaultServer
) -> None:
    """Typing on cancels the request of before; the latest question is answered."""
    browser = Browser(doubtful)
    browser.ask(query="slow one")
    default_bridge().run(silent.wait_requests(1))
    turn = browser.ask(query="drop rows")
    default_bridge().run(silent.wait_disconnect(1))
    browser.answered(turn)
    assert doubtful.results.attrs["query"] == "drop rows"


def test_cancel_leaves_the_wire_and_keeps_the_hits(
    doubtful: Any, silent: FaultServer
) -> None:
    """The button ends the request; the hits from before stay."""
    browser = Browser(doubtful)
    browser.ask(query="slow one")
    default_bridge().run(silent.wait_requests(1))
    browser.answered(browser.send(do="cancel"), "cancelled")
    default_bridge().run(silent.wait_disconnect(1))
    assert doubtful.results.attrs["query"] == "join tables"


def test_the_last_view_that_goes_ends_the_search(
    doubtful: Any, silent: FaultServer
) -> None:
    """With one of two views left it goes on; with none it is given up."""
    one, other = Browser(doubtful, "one"), Browser(doubtful, "other")
    one.send(do="hello")
    other.send(do="hello")
    one.ask(query="slow one")
    default_bridge().run(silent.wait_requests(1))
    one.send(do="bye")
    default_bridge().run(doubtful._desk.refresh())
    assert (silent.disconnects, silent.open_requests) == (0, 1)
    other.send(do="bye")
    default_bridge().run(silent.wait_disconnect(1))


def test_a_failing_service_is_told_and_the_view_lives(doubtful: Any) -> None:
    """The error is a sentence, markup in it stays text, and the next search works."""
    browser = Browser(doubtful)
    status = browser.answered(browser.ask(query="fail please"), "failed")
    assert "no route to the service" in status["error"]
    assert "&lt;b&gt;" in doubtful._repr_mimebundle_()[0]["text/html"]
    assert "<b>" not in doubtful._repr_mimebundle_()[0]["text/html"]
    browser.answered(browser.ask(query="plot a line"))
    assert doubtful.results.attrs["query"] == "plot a line"


def test_twenty_threads_type_at_once(explorer: Any) -> None:
    """Whatever thread a message comes in, the state stays whole and one wins."""
    browsers = [Browser(explorer, f"view {at}") for at in range(20)]
    threads = [
        threading.Thread(target=each.ask, kwargs={"query": f"dump {at}"})
        for at, each in enumerate(browsers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    browsers[0].wait(lambda w: w.status["phase"] == "done")
    widget = explorer.widget
    assert widget.setting["query"] == explorer.results.attrs["query"]
    assert [hit["id"] for hit in widget.hits["now"]] == list(
        explorer.results["chunk_id"]
    )


def test_asking_from_a_cell_moves_the_view(explorer: Any) -> None:
    """explorer.search answers a frame and shows it."""
    frame = explorer.search("dump to a file", where={"library": "json"}, limit=3)
    assert explorer.widget.setting["picks"] == {"library": ["json"]}
    assert frame.equals(explorer.results)
    with pytest.raises(InvalidArgumentError):
        explorer.search(limit=-1)


def test_a_refresh_sends_little(explorer: Any) -> None:
    """A change of selection sends neither the hits nor the map again."""
    sent: list[dict[str, Any]] = []
    widget = explorer.widget
    browser = Browser(explorer)
    default_bridge().run(explorer._desk.refresh())
    widget._send = lambda msg, buffers=None: sent.append(msg)
    browser.send(do="select", id=explorer.results["chunk_id"].iloc[0], adding=False)
    browser.wait(lambda w: w.marks["selection"])
    default_bridge().run(explorer._desk.refresh())
    assert [set(each["state"]) for each in sent] == [{"marks"}]


def test_text_for_a_terminal_names_the_hits(explorer: Any) -> None:
    """Repr is the hits, and never a page."""
    text = repr(explorer)
    assert text.startswith(f"{QUESTION}  (hybrid · 5 hits)")
    assert len(text.splitlines()) <= 12
