"""What is installed on this machine, by the names people use for it."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import cast

from contexter_nb.core import UnknownLibraryError, did_you_mean

# Importing these opens a browser, prints, or starts a program.
_UNFIT_MODULES = frozenset(
    {"antigravity", "idlelib", "lib2to3", "test", "this", "turtledemo"}
)
_CODE_ENDINGS = (".py", ".so", ".pyd", ".pyi")
STANDARD_LIBRARY = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A distribution, or a module of the standard library.

    Attributes
    ----------
    source : str
        ``installed`` or ``stdlib``.
    modules : int
        Its Python modules, counted without importing it.
    size_bytes : int
        Size of its files.
    """

    library: str
    version: str
    source: str
    import_names: tuple[str, ...]
    modules: int
    size_bytes: int
    summary: str


def normalized(name: str) -> str:
    """Return a distribution's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def message_of(distribution: metadata.Distribution) -> Message:
    """Return a distribution's metadata as the message that it is; parsed each time."""
    return cast(Message, distribution.metadata)


def name_of(distribution: metadata.Distribution) -> str:
    """Return what a distribution calls itself; empty for one that is damaged.

    Parameters
    ----------
    distribution : importlib.metadata.Distribution
    """
    return str(message_of(distribution).get("Name") or "")


def version_of(distribution: metadata.Distribution) -> str:
    """Return a distribution's version; empty for one that is damaged.

    Parameters
    ----------
    distribution : importlib.metadata.Distribution
    """
    return str(message_of(distribution).get("Version") or "")


def distributions() -> dict[str, metadata.Distribution]:
    """Return every installed distribution by its normalized name, first on the path."""
    found: dict[str, metadata.Distribution] = {}
    for each in metadata.distributions():
        name = name_of(each) if each.metadata else ""
        if name:
            found.setdefault(normalized(name), each)
    return found


def import_names(distribution: metadata.Distribution) -> tuple[str, ...]:
    """Return the top-level packages and modules that a distribution installs."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    names = {name.replace("/", ".") for name in listed if not name.startswith("_")}
    for file in distribution.files or ():
        parts = file.parts
        if parts[0].endswith((".dist-info", ".egg-info", ".data")) or parts[0] == "..":
            continue
        if len(parts) == 1:
            if file.suffix in (".py", ".so", ".pyd"):
                names.add(parts[0].partition(".")[0])
        elif file.suffix in _CODE_ENDINGS:
            names.add(parts[0])
    good = {name for name in names if name.isidentifier() and name[0] != "_"}
    if not good:
        good = {name_of(distribution).replace("-", "_")}
    namespaces = {
        name for name in good if name in ("tests", "test", "docs", "examples")
    }
    return tuple(sorted(good - namespaces or good))


def standard_modules() -> tuple[str, ...]:
    """Return the public modules of the standard library."""
    return tuple(
        sorted(
            name
            for name in sys.stdlib_module_names
            if not name.startswith("_") and name not in _UNFIT_MODULES
        )
    )


def python_version() -> str:
    """Return the running Python's version."""
    return ".".join(map(str, sys.version_info[:3]))


def inventory() -> list[Installed]:
    """Return all that can be indexed by name, distributions first."""
    found = [_describe(each) for _, each in sorted(distributions().items())]
    folder = Path(sysconfig.get_paths()["stdlib"])
    return found + [_describe_module(name, folder) for name in standard_modules()]


def _describe(distribution: metadata.Distribution) -> Installed:
    modules, size = 0, 0
    for file in distribution.files or ():
        modules += file.suffix == ".py"
        size += file.size or 0
    return Installed(
        library=name_of(distribution),
        version=version_of(distribution),
        source="installed",
        import_names=import_names(distribution),
        modules=modules,
        size_bytes=size,
        summary=" ".join(str(message_of(distribution).get("Summary") or "").split()),
    )


def _describe_module(name: str, folder: Path) -> Installed:
    paths = [folder / f"{name}.py"]
    if (folder / name).is_dir():
        paths = sorted((folder / name).rglob("*.py"))
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return Installed(
        library=name,
        version=python_version(),
        source="stdlib",
        import_names=(name,),
        modules=max(1, len(sizes)),
        size_bytes=sum(sizes),
        summary="",
    )


def find(name: str) -> metadata.Distribution | str:
    """Return the distribution or standard library module that a person means.

    Parameters
    ----------
    name : str
        A distribution (``scikit-learn``), an import name (``sklearn``), a standard
        library module (``json``, ``os.path``), or ``python`` for all of the latter.

    Raises
    ------
    UnknownLibraryError
        Nothing installed has this name; the message names close ones.
    """
    known = distributions()
    found = known.get(normalized(name))
    if found is not None:
        return found
    top = name.partition(".")[0]
    if name == STANDARD_LIBRARY or top in standard_modules():
        return name
    for each in known.values():
        if top in import_names(each):
            return each
    names = [name_of(each) for each in known.values()]
    names += [*standard_modules(), STANDARD_LIBRARY, *_visible_entries()]
    raise UnknownLibraryError(
        f"No installed library, standard module, file or folder is called {name!r}; "
        "nb.libraries() lists what is here, and %pip install adds to it."
        f"{did_you_mean(name, names)}"
    )


def _visible_entries() -> list[str]:
    """Return what the folder that a kernel works in has, and may be meant."""
    try:
        return [each for each in os.listdir() if not each.startswith(".")]
    except OSError:  # the folder is gone, or not ours to read
        return []


def installed_versions(names: Sequence[str]) -> dict[str, str]:
    """Return the version of each of these that is installed now.

    Parameters
    ----------
    names : sequence of str
        Distributions in any spelling that PyPI takes as equal, standard library
        modules, or ``python``; no import names.

    Returns
    -------
    dict of str to str
        Name, as given, to version, for modules that of Python; what is not installed
        has no key.
    """
    known = distributions()
    modules = {*standard_modules(), STANDARD_LIBRARY}
    found = {}
    for name in names:
        distribution = known.get(normalized(name))
        if distribution is not None:
            found[name] = version_of(distribution)
        elif name.partition(".")[0] in modules:
            found[name] = python_version()
    return found


def fingerprint(distribution: metadata.Distribution) -> str:
    """Return what changes when an installed distribution's files do."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{python_version()} {version_of(distribution)}".encode())
    for name in import_names(distribution):
        for line in sorted(_stamps(_location(distribution, name))):
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _location(distribution: metadata.Distribution, name: str) -> Path | None:
    """Return where a top-level name's code lies, without importing it."""
    from importlib.machinery import PathFinder

    root = Path(str(distribution.locate_file("")))
    spec = PathFinder.find_spec(name, [str(root), *sys.path])
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def _stamps(path: Path | None) -> list[str]:
    if path is None:
        return []
    if path.is_file():
        return [_stamp(path.name, path.stat())]
    found = []
    for folder, _, files in os.walk(path):
        if folder.endswith("__pycache__"):
            continue
        for name in files:
            if name.endswith(_CODE_ENDINGS):
                file = os.path.join(folder, name)
                found.append(_stamp(os.path.relpath(file, path), os.stat(file)))
    return found


def _stamp(name: str, status: os.stat_result) -> str:
    return f"{name} {status.st_size} {status.st_mtime_ns}\n"


@lru_cache(maxsize=1)
def standard_fingerprint() -> str:
    """Return what changes when the running Python does."""
    return f"{sys.version} {sys.implementation.cache_tag}"
