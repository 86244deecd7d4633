"""A JupyterLab for the tests of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import chromium_or_skip, start_lab


@pytest.fixture(scope="module")
def lab(
    own_small_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Give the address of one JupyterLab and the folder of its notebooks."""
    chromium_or_skip()
    folder = tmp_path_factory.mktemp("lab")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTEXTER_HOME", str(own_small_home))
        with start_lab(folder, notebooks, "JupyterLab Light") as address:
            yield address, notebooks
