"""A session to read with, and a kernel in which a person sits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import Kernel, start_kernel


@pytest.fixture(scope="module")
def reader(small_home: Path) -> Iterator[Any]:
    """Give one session on the shared small index to a whole module, to read only."""
    from contexter_nb import connect

    with connect(home=small_home) as opened:
        yield opened


@dataclass
class Said:
    """All that a cell showed.

    Attributes
    ----------
    shown : list of dict
        The mime bundles of results and displays, in order.
    traceback : list of str
        What the front end prints where the cell failed.
    pager : str
        What a question mark opened.
    """

    status: str
    stdout: str = ""
    stderr: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    traceback: list[str] = field(default_factory=list)
    pager: str = ""


class Person:
    """Types cells into a kernel and reads everything that comes back."""

    def __init__(self, kernel: Kernel) -> None:
        self._client = kernel.kc

    def type(self, code: str, timeout: float = 60) -> Said:
        """Run one cell to its end."""
        said = Said("")

        def take(message: dict[str, Any]) -> None:
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                name = content["name"]
                setattr(said, name, getattr(said, name) + content["text"])
            elif kind in ("execute_result", "display_data"):
                said.shown.append(content["data"])
            elif kind == "error":
                said.error = f"{content['ename']}: {content['evalue']}"
                said.traceback = content["traceback"]

        reply = self._client.execute_interactive(
            code, allow_stdin=False, output_hook=take, timeout=timeout
        )["content"]
        said.status = reply["status"]
        pages = [each for each in reply.get("payload", []) if each["source"] == "page"]
        said.pager = "".join(each["data"]["text/plain"] for each in pages)
        return said


@pytest.fixture(scope="module")
def person(
    small_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """Give a person whose kernel has the magics and `nb` on the small index."""
    with start_kernel(tmp_path_factory.mktemp("ipython")) as kernel:
        someone = Person(kernel)
        said = someone.type(
            "import contexter_nb as cx\n"
            f"nb = cx.connect(home={str(small_home)!r})\n"
            "%load_ext contexter_nb"
        )
        assert (said.status, said.error, said.stdout) == ("ok", "", "")
        yield someone
