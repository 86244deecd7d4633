"""The gates of CI hold here, too: arrows, types, lint, and nothing that leaks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import ROOT

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(
    r"(?<![\w.~<{])/(?:" + "|".join(["home", "Users", "root", "work"]) + r")/\w"
    r"|[A-Z]:\\+Users\\"
)
SECRETS = {
    "a service's key": re.compile(r"\b(?:sk|pa|pk|ctx7sk|al)-[A-Za-z0-9_-]{24,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    "an AWS key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}"),
    "a private key": re.compile("-----BEGIN" + r" [A-Z ]*PRIVATE KEY"),
    "a password": re.compile(
        r"""(?i)(?:api[_-]?key|secret|passw(?:or)?d|token)["']?\s*[=:]\s*"""
        r"""["'][A-Za-z0-9_/+-]{20,}["']"""
    ),
}


def run(*command: str) -> str:
    """Run a gate from the project's root and return what it printed; it must pass."""
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_arrows_between_rooms_run_down() -> None:
    """Every contract of import-linter is kept."""
    told = run(str(Path(sys.executable).with_name("lint-imports")))
    assert re.search(r"\b[1-9]\d* kept, 0 broken", told)


def test_the_types_hold() -> None:
    """mypy, strict, finds nothing in the package."""
    assert "Success" in run(sys.executable, "-m", "mypy")


def test_the_code_is_clean() -> None:
    """Ruff finds nothing to mend."""
    run(sys.executable, "-m", "ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    """Ruff would format nothing otherwise."""
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def tracked() -> list[Path]:
    """Return the files that git keeps."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no working copy")
    listed = run("git", "ls-files", "-z").split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line of a text file with its place."""
    data = path.read_bytes()
    if b"\0" in data:
        return
    for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
        yield f"{path.relative_to(ROOT)}:{number}", line


def leaks(line: str) -> list[str]:
    """Return what a line gives away."""
    found = [name for name, pattern in SECRETS.items() if pattern.search(line)]
    return found + ["a machine's path"] * bool(MACHINE_PATH.search(line))


@pytest.mark.parametrize(
    ("line", "leak"),
    [
        ("see /" + "home/someone/x", "a machine's path"),
        ('"/' + 'root/x"', "a machine's path"),
        ("C:\\" + "Users\\x", "a machine's path"),
        ("pa" + "-" + "Ab1" * 10, "a service's key"),
        ("ghp" + "_" + "a1B2" * 9, "a GitHub token"),
        ("AKIA" + "ABCDEFGH12345678", "an AWS key"),
        ("-----BEGIN" + " RSA PRIVATE KEY-----", "a private key"),
        ("api_key" + " = '" + "x1" * 12 + "'", "a password"),
    ],
)
def test_a_leak_would_be_found(line: str, leak: str) -> None:
    """What the next test looks for it also sees."""
    assert leak in leaks(line)


def test_no_file_holds_a_secret_or_a_machines_path() -> None:
    """No tracked file has what looks like a key, or a path of somebody's machine."""
    found = [
        f"{place}: {leak}"
        for path in tracked()
        for place, line in lines_of(path)
        for leak in leaks(line)
    ]
    assert found == []


def test_every_file_of_the_package_begins_alike() -> None:
    """Each module has a docstring and then the future import."""
    import ast

    odd = []
    for path in (ROOT / "contexter_nb").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        second = tree.body[1] if len(tree.body) > 1 else None
        future = isinstance(second, ast.ImportFrom) and second.module == "__future__"
        if not ast.get_docstring(tree) or not future:
            odd.append(str(path.relative_to(ROOT)))
    assert odd == []
