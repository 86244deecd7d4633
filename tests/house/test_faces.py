"""What is public is listed, sorted, documented, and entered by the door."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tests.fixtures import ROOT

PACKAGE = ROOT / "contexter_nb"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
FACES = ["contexter_nb", *(f"contexter_nb.{room}" for room in ROOMS)]


def functions_of(face: str) -> Iterator[tuple[str, Any]]:
    """Yield every public function and method of a face with its name."""
    module = import_module(face)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and value.__module__.startswith("contexter_nb"):
            for key, member in vars(value).items():
                plain = getattr(member, "__func__", member)
                if not key.startswith("_") and inspect.isfunction(plain):
                    yield f"{name}.{key}", plain


def test_every_room_is_known() -> None:
    """The rooms that the design names and that exist are all under test here."""
    assert set(ROOMS) >= {"bridge", "core", "frames", "notebook", "retrieval"}


@pytest.mark.parametrize("face", FACES)
def test_a_face_is_sorted_and_has_no_name_twice(face: str) -> None:
    """`__all__` is sorted case-blind."""
    names = list(import_module(face).__all__)
    assert names == sorted(names, key=str.casefold)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("face", FACES)
def test_every_name_of_a_face_resolves(face: str) -> None:
    """What is listed can be had, none of it is private, and dir shows it."""
    module = import_module(face)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert not name.startswith("_")
    assert set(module.__all__) <= set(dir(module))


def test_the_package_refuses_a_name_it_has_not() -> None:
    """A misspelt name is an AttributeError, as of any module."""
    import contexter_nb

    with pytest.raises(AttributeError, match="conect"):
        _ = contexter_nb.conect


def test_asking_for_the_version_never_fails() -> None:
    """Tools that print versions get one or none, also where nothing is installed."""
    import contexter_nb

    version = getattr(contexter_nb, "__version__", None)
    assert version is None or version[0].isdigit()


@pytest.mark.parametrize("face", FACES)
def test_every_public_object_is_documented(face: str) -> None:
    """Classes, functions and methods each have a docstring of their own."""
    module = import_module(face)
    classes = {
        name: getattr(module, name)
        for name in module.__all__
        if inspect.isclass(getattr(module, name))
    }
    bare = [name for name, value in classes.items() if not value.__dict__["__doc__"]]
    bare += [name for name, value in functions_of(face) if not value.__doc__]
    assert bare == []
    assert module.__doc__


@pytest.mark.parametrize("face", FACES)
def test_every_public_function_documents_its_parameters(face: str) -> None:
    """What takes an argument beyond self has a Parameters section that names it."""
    undocumented = []
    for name, value in functions_of(face):
        taken = [
            each.name
            for each in inspect.signature(value).parameters.values()
            if each.name not in ("self", "cls")
        ]
        _, _, section = (inspect.getdoc(value) or "").partition("Parameters\n---")
        undocumented += [f"{name}({each})" for each in taken if each not in section]
    assert not undocumented, "\n".join(undocumented)


def imports_of(source: str) -> Iterator[str]:
    """Yield every module that a file imports, by its dotted name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_are_entered_by_the_door() -> None:
    """No file imports a file inside another room."""
    trespasses = []
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0]
        for name in imports_of(path.read_text(encoding="utf-8")):
            parts = name.split(".")
            if parts[0] != "contexter_nb" or len(parts) < 3:
                continue
            if parts[1] in ROOMS and parts[1] != own and parts[2].startswith("_"):
                trespasses.append(f"{path.relative_to(ROOT)}: {name}")
    assert trespasses == []


def test_a_room_is_an_attribute_of_the_package() -> None:
    """What the README writes, ``contexter_nb.frames.describe()``, needs no import."""
    code = "import contexter_nb as cx; cx.frames.describe(); cx.clients.prices()"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
