"""The verbs in a real kernel: interrupted, queued, and called by a widget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import Kernel, start_kernel

_SLOW_EMBEDDER = """
import asyncio
import numpy as np
from contexter_nb.retrieval import Embedded

class SlowEmbedder:
    identity = "slow"
    dimension = 8
    cancelled = 0

    async def embed(self, texts, input_type):
        print("embedding", flush=True)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            SlowEmbedder.cancelled += 1
            raise
        return Embedded(vectors=np.ones((len(texts), 8), "f4"), token_counts=[1])
"""


@pytest.fixture(scope="module", params=["thread", "nested"])
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    """Give a kernel with a session `nb` on a small index, for each bridge."""
    with start_kernel(tmp_path_factory.mktemp("ipython")) as kernel:
        home = tmp_path_factory.mktemp("home")
        ran = kernel.run_cell(
            "import contexter_nb as cx\n"
            f"HOME, BRIDGE = {str(home)!r}, {request.param!r}\n"
            "nb = cx.connect(home=HOME, bridge=BRIDGE)\n"
            "_ = nb.index(['textwrap', 'json'])\n",
            timeout=60,
        )
        assert ran.status == "ok", ran
        yield kernel


def _interrupt_when_printed(kernel: Kernel, code: str, text: str) -> float:
    """Run a cell, interrupt it once it printed, return how long it took to end."""
    sent = kernel.send(code)
    kernel.wait_for_output(sent, text)
    started = time.monotonic()
    kernel.interrupt()
    ran = kernel.collect(sent)
    assert ran.status == "error", ran
    assert "KeyboardInterrupt" in ran.error
    return time.monotonic() - started


def test_interrupting_a_slow_search_ends_it(opened: Kernel) -> None:
    """An interrupted search cancels its embedding call, and the next cell works."""
    assert opened.run_cell(_SLOW_EMBEDDER).status == "ok"
    ran = opened.run_cell(
        "slow = cx.connect(home=HOME + '-slow', embedder=SlowEmbedder(), bridge=BRIDGE)"
    )
    assert ran.status == "ok", ran
    seconds = _interrupt_when_printed(opened, "slow.embed('a question')", "embedding")
    assert seconds < 1.0
    assert opened.run_cell("print(SlowEmbedder.cancelled)").stdout == "1\n"
    assert opened.run_cell("print(len(nb.search('a', limit=1)))").stdout == "1\n"


def test_interrupting_index_loses_nothing(opened: Kernel, tmp_path: Path) -> None:
    """An interrupted index() returns soon, the index is as before, and goes on."""
    code = (
        "import contexter_nb.notebook._index_verbs as verbs\n"
        "class Telling(verbs.ProgressBar):\n"
        "    def __call__(self, progress):\n"
        "        print(progress.stage, progress.chunks_done, flush=True)\n"
        "verbs.ProgressBar = Telling\n"
        "nb.index('matplotlib')\n"
    )
    seconds = _interrupt_when_printed(opened, code, "embedding 512")
    assert seconds < 1.0
    ran = opened.run_cell("print(sorted(nb.contents()['library']))")
    assert ran.stdout == "['json', 'textwrap']\n"
    seconds = _interrupt_when_printed(opened, "nb.index('numpy')", "collecting")
    assert seconds < 1.0
    ran = opened.run_cell("print(nb.index('statistics')['failed'].tolist())")
    assert ran.stdout.endswith("[0]\n"), ran


def test_three_queued_cells_with_verbs_all_run(opened: Kernel) -> None:
    """Run All loses no cell after a verb."""
    ran = opened.queue_cells(
        [
            "print(len(nb.search('wrap a text', limit=2)))",
            "hits = await nb.aio.search('parse a document', limit=3); print(len(hits))",
            "print(nb.contents()['library'].tolist()[0])",
        ]
    )
    assert [each.stdout for each in ran] == ["2\n", "3\n", "json\n"]


_EVERY_VERB = """
def every_verb():
    hits = nb.search("wrap a text", limit=3)
    chunk_id = hits["chunk_id"].iloc[0]
    frames = [
        nb.status(), nb.libraries("json"), nb.docs("textwrap"), nb.index("textwrap"),
        hits, nb.similar(chunk_id), nb.explain("wrap a text", chunk_id),
        nb.embed("a"), nb.similarity("a", "b"), nb.contents(), nb.optimize(),
        nb.remove({"library": "json", "kind": "module"}),
    ]
    with cx.connect(home=HOME, bridge=BRIDGE) as other:
        frames.append(other.close())
    return [type(frame).__name__ for frame in frames]
"""


def test_every_verb_works_in_another_thread(opened: Kernel) -> None:
    """A plain thread, as a callback's, may call every verb."""
    assert opened.run_cell(_EVERY_VERB).status == "ok"
    ran = opened.run_cell(
        "import threading\n"
        "answers = []\n"
        "def work():\n"
        "    try: answers.append(set(every_verb()))\n"
        "    except BaseException as error: answers.append(repr(error))\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join(30)\n"
        "print(answers)",
        timeout=60,
    )
    assert ran.stdout == "[{'DataFrame'}]\n"


def test_a_widget_callback_in_a_subshell_calls_every_verb(opened: Kernel) -> None:
    """A button's callback runs in a subshell's thread and may call every verb."""
    assert opened.run_cell(_EVERY_VERB).status == "ok"
    ran = opened.run_cell(
        "import ipywidgets\n"
        "heard = []\n"
        "def on_click(_):\n"
        "    try: heard.append(set(every_verb()))\n"
        "    except BaseException as error: heard.append(repr(error))\n"
        "button = ipywidgets.Button(description='go'); button.on_click(on_click)\n"
    )
    assert ran.status == "ok", ran
    subshell = opened.open_subshell()
    sent = opened.send(
        "button.click(); print(heard, threading.current_thread().name)", subshell
    )
    out = opened.collect(sent, timeout=60)
    assert out.stdout.startswith("[{'DataFrame'}] subshell"), out
