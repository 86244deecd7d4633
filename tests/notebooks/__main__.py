"""``python -m tests.notebooks``: execute the tutorials and write their outputs.

In a home of their own; widget state is not kept and widget views are dropped, because a
saved notebook shows them as errors. The HTML that came with a view stays.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
_WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(path: Path) -> None:
    """Run one notebook from top to bottom and write it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", store_widget_state=False
    )
    client.execute(cwd=str(FOLDER))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                _drop_view(output)
            cell.outputs = [each for each in cell.outputs if not _is_empty(each)]
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, path)


def _drop_view(output: nbformat.NotebookNode) -> None:
    """Leave what shows without a kernel, where a widget brought that along."""
    data = output.get("data", {})
    if "text/html" in data:
        data.pop(_WIDGET, None)


def _is_empty(output: nbformat.NotebookNode) -> bool:
    """Whether an output is a widget or the blank a progress bar leaves."""
    data = output.get("data", {})
    return _WIDGET in data or (data == {"text/plain": ""})


def main() -> None:
    """Execute the notebooks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        # A person's folder, so that the session's card names no path of this machine.
        os.environ["HOME"] = home
        for variable in ("CONTEXTER_HOME", "XDG_DATA_HOME"):
            os.environ.pop(variable, None)
        for path in options.notebooks or sorted(FOLDER.glob("*.ipynb")):
            execute(path)
            print(path.name)


if __name__ == "__main__":
    main()
