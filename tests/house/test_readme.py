"""The README keeps its word: its examples run, and what it names is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from contexter_nb.notebook._settings import VARIABLES
from tests.fixtures import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
COMPOSE = Path(".github", "compose.yaml")
# A port of the host, on this machine only.
LOOPBACK = re.compile(r"127\.0\.0\.1:\d+:\d+")
PINNED = re.compile(r"[a-z/]+:v?\d+\.\d+\.\d+[\w.-]*")


def compose() -> dict[str, Any]:
    """Return what the compose file says."""
    told: dict[str, Any] = yaml.safe_load((ROOT / COMPOSE).read_text(encoding="utf-8"))
    return told


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1][:40])
def test_an_example_runs_as_it_stands(block: str, tmp_path: Path) -> None:
    """In a new interpreter without a key and with a home of its own, without a word."""
    taken = {"CONTEXTER_HOME", *VARIABLES.values()}
    clean = {name: value for name, value in os.environ.items() if name not in taken}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        env={**clean, "CONTEXTER_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def test_every_variable_is_explained() -> None:
    """The README has a row for each variable that a session reads."""
    for variable in ("CONTEXTER_HOME", *VARIABLES.values()):
        assert f"`{variable}`" in README


def test_the_readme_names_the_command_that_starts_the_services() -> None:
    """The command, the file it is given, and the addresses that lead there."""
    assert f"docker compose -f {COMPOSE.as_posix()} up --wait" in README
    services = compose()["services"]
    for service, variable in (("qdrant", "QDRANT_URL"), ("redis", "REDIS_URL")):
        port = services[service]["ports"][0].split(":")[1]
        assert re.search(rf"{variable}=\w+://127\.0\.0\.1:{port}\b", README)


@pytest.mark.parametrize("name", ["qdrant", "redis"])
def test_a_service_is_pinned_checked_and_on_this_machine_only(name: str) -> None:
    """One exact version, a health check to wait for, and no port for others."""
    service = compose()["services"][name]
    assert PINNED.fullmatch(service["image"])
    assert service["healthcheck"]["test"]
    assert service["ports"]
    assert all(LOOPBACK.fullmatch(each) for each in service["ports"])


def test_the_services_keep_what_they_hold() -> None:
    """What was paid for lies in a volume that outlives its container."""
    told = compose()
    for service in told["services"].values():
        (volume,) = (each.split(":")[0] for each in service["volumes"])
        assert volume in told["volumes"]


def test_the_reference_is_made_by_its_command(tmp_path: Path) -> None:
    """The README's command writes a page for every room, with its public names."""
    line = next(each for each in README.splitlines() if "bin/pdoc " in each)
    _, *arguments = line.split()
    arguments[arguments.index("reference")] = str(tmp_path)
    subprocess.run([sys.executable, "-m", "pdoc", *arguments], check=True, cwd=ROOT)
    rooms = {path.parent.name for path in ROOT.glob("contexter_nb/*/__init__.py")}
    pages = {path.stem for path in tmp_path.glob("contexter_nb/*.html")}
    assert pages == rooms
    page = (tmp_path / "contexter_nb" / "clients.html").read_text(encoding="utf-8")
    assert all(each in page for each in ("VoyageAIClient", "QdrantAPIClient"))


def test_the_readme_links_to_what_is_there() -> None:
    """Every relative link and picture leads to a file."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    assert [each for each in links if not (ROOT / each).exists()] == []
