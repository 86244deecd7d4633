"""The first notebook in a real JupyterLab, and what a hostile passage can do there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.browser.lab import (
    ROOT,
    chromium_or_skip,
    open_notebook,
    run_all,
    start_lab,
    write_notebook,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# JupyterLab has list items of its own.
CARD = ".jp-OutputArea-output [role=list] > [role=listitem]"
_PROBES = [
    "<script>window.__struck = 1</script>",
    "<img src=x onerror='window.__struck = 1'>",
    "<svg onload='window.__struck = 1'>",
    "\\\"><b onmouseover='window.__struck = 1'>",
]


@pytest.fixture
def _browser() -> None:
    chromium_or_skip()


@pytest.mark.usefixtures("_browser")
def test_run_all_of_the_first_notebook_shows_cards_and_an_explorer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run All in JupyterLab runs every cell; hits are cards, and the explorer lives."""
    monkeypatch.setenv("CONTEXTER_HOME", str(tmp_path / "home"))
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    name = "00_start_here.ipynb"
    shutil.copy(ROOT / "notebooks" / name, notebooks / name)
    _forget_outputs(notebooks / name)
    with (
        start_lab(tmp_path / "lab", notebooks, "JupyterLab Dark") as address,
        open_notebook(address, name) as page,
    ):
        counts = run_all(page)
        assert counts == list(range(1, len(counts) + 1))
        card = page.locator(f"{CARD}:has-text('pandas')").first
        card.wait_for(state="attached")
        card.scroll_into_view_if_needed()
        card.wait_for(state="visible")
        assert card.locator("mark").count() > 0
        page.locator(".cx-explorer[data-phase=done] .cx-title").first.wait_for()
        errors = page.locator(".jp-OutputArea-output[data-mime-type*=error]")
        assert errors.count() == 0


@pytest.mark.usefixtures("_browser")
def test_hostile_passages_execute_nothing_in_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markup in title, text, link and question is shown as text in a trusted cell."""
    monkeypatch.setenv("CONTEXTER_HOME", str(tmp_path / "home"))
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    probes = json.dumps(_PROBES)
    cells = [
        "import contexter_nb as cx, pandas as pd\nnb = cx.connect()",
        f"probes = {probes}\n"
        "table = pd.DataFrame({'title': probes, 'text': [p + ' text' for p in probes],"
        " 'url': ['javascript:window.__struck=1'] * 4, 'kind': probes})\n"
        "nb.index(table, name=probes[1])[['chunks']]",
        "nb.search(probes[0] + ' text').contexter.cards()",
        "nb",
    ]
    write_notebook(notebooks / "hostile.ipynb", *cells)
    with (
        start_lab(tmp_path / "lab", notebooks, "JupyterLab Light") as address,
        open_notebook(address, "hostile.ipynb") as page,
    ):
        assert run_all(page) == [1, 2, 3, 4]
        cards = page.locator(CARD)
        cards.first.wait_for(state="visible")
        assert "<script>" in page.locator(CARD).first.inner_text()
        for at in range(cards.count()):
            cards.nth(at).hover()
        assert page.evaluate("window.__struck") is None
        assert page.locator("a[href^=javascript]").count() == 0


def _forget_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    path.write_text(json.dumps(notebook), encoding="utf-8")
