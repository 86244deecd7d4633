"""The explorer: from the last keystroke to hits on the screen, and bytes a refresh.

A real JupyterLab and Chromium; the time includes the debounce of 120 ms.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contexter_nb as cx
from tests.benchmarks.local import QUESTIONS, filler
from tests.browser.lab import (
    EXECUTE,
    open_notebook,
    run_all,
    start_lab,
    write_notebook,
)

SIZES = (2_000, 50_000)
ROUNDS = 3
# Resolves with the ms from a question's last letter to its own heading above the hits.
_KEYSTROKE = """(question) => new Promise((resolve) => {
  const query = document.querySelector(".cx-query");
  const head = document.querySelector(".cx-heads");
  const started = performance.now();
  const look = new MutationObserver(() => {
    if (head.querySelector("strong")?.textContent !== question) return;
    look.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - started));
  });
  look.observe(head, {childList: true, subtree: true, characterData: true});
  query.value = question;
  query.dispatchEvent(new Event("input", {bubbles: true}));
})"""
_COUNT = """
sent = []
_plain = explorer.widget._send
def _counted(message, buffers=None):
    import json
    sent.append(len(json.dumps(message)) + sum(map(len, buffers or ())))
    return _plain(message, buffers)
explorer.widget._send = _counted
"""


def rows(folder: Path) -> Iterator[str]:
    """Yield a line a size: median and worst time, bytes a refresh, bytes at first."""
    yield (
        f"{'keystroke to hits':<24}{'median ms':>11}{'worst ms':>10}"
        f"{'bytes/refresh':>15}{'map bytes':>11}"
    )
    with cx.connect(home=folder / "docs") as nb:
        passages = nb.docs(["pandas", "numpy"])["text"].tolist()
    for size in SIZES:
        home = folder / f"home{size}"
        with cx.connect(home=home) as nb:
            nb.index(filler(size, passages), name="filler")
        times, sent, cloud = _measured(folder / f"lab{size}", home)
        yield (
            f"{size:>15,} passages{statistics.median(times):>11.0f}{max(times):>10.0f}"
            f"{sent:>15,.0f}{cloud:>11,}"
        )


def _measured(folder: Path, home: Path) -> tuple[list[float], float, int]:
    notebooks = folder / "notebooks"
    notebooks.mkdir(parents=True)
    write_notebook(
        notebooks / "explorer.ipynb",
        "import contexter_nb as cx\nnb = cx.connect()",
        "explorer = nb.explorer('first')\nexplorer",
    )
    os.environ["CONTEXTER_HOME"] = str(home)
    with (
        start_lab(folder, notebooks, "JupyterLab Light") as address,
        open_notebook(address, "explorer.ipynb") as page,
    ):
        run_all(page)
        page.locator(".cx-card").first.wait_for()
        for question in QUESTIONS:
            _asked(page, question)
        page.evaluate(EXECUTE, _COUNT)
        times = [_asked(page, each) for _ in range(ROUNDS) for each in QUESTIONS]
        total = int(page.evaluate(EXECUTE, "print(sum(sent))"))
        cloud = json.loads(
            page.evaluate(
                EXECUTE,
                "w = explorer.widget.cloud\nprint(sum(len(str(v)) for k, v in "
                "w.items() if k != 'xy') + len(w['xy']))",
            )
        )
    return times, total / len(times), cloud


def _asked(page: Any, question: str) -> float:
    took = float(page.evaluate(_KEYSTROKE, question))
    page.locator(".cx-explorer[data-phase=done]:not([data-loading])").wait_for()
    return took
