"""Collect the docstrings of packages; run as a script in a process of its own.

Stands alone on purpose: it imports only the standard library, so that what a package
does at import (prints, patches, crashes, hangs) stays out of the kernel. A request is
one JSON line on standard input, the answer JSON lines on standard output:
``importing`` (a module is about to be imported), ``problem``, ``document``, ``done``.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import importlib
import inspect
import json
import os
import pkgutil
import re
import signal
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TextIO

SKIPPED_PARTS = frozenset({"conftest", "setup", "test", "tests", "__main__", "this"})
# Conventional homes of internals that are importable without an underscore.
INTERNAL_PARTS = frozenset(
    {
        "compat",
        "core",
        "distutils",
        "extern",
        "externals",
        "internal",
        "internals",
        "vendor",
    }
)
# Below this many documents in its public modules, a package's internals are its face.
FEW_DOCUMENTS = 5
MAX_TEXT_CHARS = 200_000
MAX_NAMES = 2_000
MAX_SUFFIX_NAMES = 30
MAX_SIGNATURE_CHARS = 400
MAX_MODULES = 5_000
_DOTTED = re.compile(r"(?<!\w)[A-Za-z]\w*(?:\.[A-Za-z]\w*)+")
_SEE_ALSO = re.compile(
    r"^See Also\n-{4,}\n(?P<body>.*?)(?:^\w[^\n]*\n-{4,}$|\Z)", re.M | re.S
)
_ENTRY = re.compile(
    r"^[ ]*(?::\w+:)?`?(?P<name>[A-Za-z_][\w.]*)`?(?:\(\))?[ ]*:[ ]*"
    r"(?P<description>\S[^\n]*(?:\n[ ]{4,}[^\n]+)*)",
    re.M,
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class _ImportTookTooLong(BaseException):
    """Raised by the alarm, past `except Exception` in the package."""


_PLAIN_MEMBERS = (
    property,
    type,
    classmethod,
    staticmethod,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


class _Found(NamedTuple):
    """One object and how good a name it was found under (smaller is better)."""

    private_parts: int
    parts: int
    not_mentioned: int
    not_ancestor_of: int
    order: int
    name: str


def _listed_at_home(attribute: str, value: object) -> bool:
    """Whether the module that made a value exports it (asyncio forgot TaskGroup)."""
    home = sys.modules.get(str(getattr(value, "__module__", "")))
    return attribute in (getattr(home, "__all__", None) or ())


def _short(name: str) -> str:
    """Return how prose names an object: without its package."""
    return name.partition(".")[2] if name.count(".") > 1 else name


def _is_private(name: str) -> bool:
    return any(
        part.startswith("_") or part in INTERNAL_PARTS for part in name.split(".")
    )


class Collector:
    """Walks packages and keeps one record an object, with all its names."""

    def __init__(
        self,
        roots: list[str],
        skip: list[str],
        say: Callable[..., None],
        module_seconds: float,
    ) -> None:
        self.roots = roots
        self.skip = frozenset(skip)
        self.say = say
        self.module_seconds = module_seconds
        self.names: dict[int, list[_Found]] = {}
        self.objects: dict[int, Any] = {}
        self.kinds: dict[int, str] = {}
        self.docs: dict[int, str] = {}
        self.missing: dict[str, str] = {}
        self.seen_modules: set[str] = set()
        self.classes: dict[int, list[str]] = {}
        self.descendants: dict[type, int] = {}
        self.mentions: collections.Counter[str] = collections.Counter()

    def collect(self) -> None:
        """Walk the public modules, and the internal ones where those hold little."""
        for root in self.roots:
            self._walk(root, internal=False)
        if len(self.docs) < FEW_DOCUMENTS:
            for root in self.roots:
                self._walk(root, internal=True)
        for key in self.classes:
            for base in mro_of(self.objects[key]):
                self.descendants[base] = self.descendants.get(base, 0) + 1
        for key in list(self.classes):
            with self._telling(self.classes[key][0]):
                self._collect_members(self.objects[key], self.classes[key])
        if self.missing:
            shown = [f"{name} ({why})" for name, why in sorted(self.missing.items())]
            more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
            self.say(
                type="problem",
                name=self.roots[0],
                error=f"{len(shown)} optional submodules cannot be imported here and "
                f"were left out: {', '.join(shown[:3])}{more}",
            )

    def _walk(self, root: str, internal: bool) -> None:
        pending = [root]
        while pending and len(self.seen_modules) < MAX_MODULES:
            name = pending.pop(0)
            module = self._import(name)
            if module is None:
                continue
            if name not in self.seen_modules:
                self.seen_modules.add(name)
                self._collect_module(name, module)
            pending += self._submodules(name, module, internal)

    def _import(self, name: str) -> types.ModuleType | None:
        if name in self.skip:
            return None
        if name in self.seen_modules:
            return sys.modules.get(name)
        self.say(type="importing", name=name)
        try:
            with _alarm(self.module_seconds):
                return importlib.import_module(name)
        except _ImportTookTooLong:
            error = f"its import took longer than {self.module_seconds:g} s"
        except ImportError as exc:
            if name not in self.roots:
                self.missing[name] = _one_line(exc)[:100]
                return None
            error = _describe(exc)
        except BaseException as exc:  # SystemExit and worse are data here
            error = _describe(exc)
        self.say(
            type="problem",
            name=name,
            error=f"import of {name} failed: {error}",
            root=name in self.roots,
        )
        return None

    @contextlib.contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Turn an object that cannot be looked at into a problem, and go on."""
        try:
            yield
        except Exception as exc:
            error = f"cannot be inspected: {_describe(exc)}"
            self.say(type="problem", name=name, error=error)

    def _ours(self, name: str) -> bool:
        # A C accelerator answers to its own name: `bisect` is made in `_bisect`.
        roots = {root.partition(".")[0] for root in self.roots}
        return name.partition(".")[0].removeprefix("_") in roots

    def _submodules(
        self, name: str, module: types.ModuleType, internal: bool
    ) -> list[str]:
        paths = getattr(module, "__path__", None)
        if paths is None:
            return []
        found = []
        with contextlib.suppress(Exception):
            for info in pkgutil.iter_modules(list(paths)):
                part = info.name
                if part.startswith("_") or part in SKIPPED_PARTS:
                    continue
                if part in INTERNAL_PARTS and not internal:
                    continue
                found.append(f"{name}.{part}")
        return sorted(found)

    def _collect_module(self, name: str, module: types.ModuleType) -> None:
        self._add(name, module, "module", own_doc(module))
        listed = getattr(module, "__all__", None)
        exported: set[str] = set()
        with contextlib.suppress(Exception):
            exported = {each for each in listed or () if isinstance(each, str)}
        package = hasattr(module, "__path__")
        names = [
            each
            for each in vars(module)
            if isinstance(each, str) and not each.startswith("_")
        ]
        names += sorted(exported.difference(names))
        for attribute in names:
            try:
                value = getattr(module, attribute)
                hidden = bool(exported) and attribute not in exported
                if hidden and not (package and _listed_at_home(attribute, value)):
                    continue
            except BaseException:
                continue
            with self._telling(f"{name}.{attribute}"):
                self._collect_attribute(
                    f"{name}.{attribute}", value, bool(exported), module
                )

    def _collect_attribute(
        self, name: str, value: Any, exported: bool, module: types.ModuleType
    ) -> None:
        if isinstance(value, types.ModuleType):
            # os.path is a module of another name: a submodule by attribute only.
            if name in sys.modules and name not in self.seen_modules and exported:
                self.seen_modules.add(name)
                self._collect_module(name, value)
            return
        home = getattr(value, "__module__", None)
        if not exported and not self._belongs(name, home, module):
            return
        if isinstance(value, type):
            if self._add(name, value, "class", class_doc(value)):
                self.classes.setdefault(id(value), []).append(name)
        elif callable(value):
            self._add(name, value, "function", own_doc(value))
        elif has_own_doc(value):
            self._add(name, value, "attribute", own_doc(value))

    def _belongs(self, name: str, home: object, module: types.ModuleType) -> bool:
        """Whether a name in a module without `__all__` is more than an import."""
        package = hasattr(module, "__path__")
        if not isinstance(home, str):
            return not package
        if not self._ours(home):
            third_party = home.partition(".")[0] not in sys.stdlib_module_names
            root = package and module.__name__ in self.roots
            return root and third_party and home != "builtins"
        if package or home == module.__name__:
            return True
        # What a module of one package imports of another (pylab) stays the other's.
        top = module.__name__.partition(".")[0]
        return _is_private(home) and home.partition(".")[0] in (top, f"_{top}")

    def _collect_members(self, cls: type, class_names: list[str]) -> None:
        preferred = min(self.names[id(cls)]).name
        if class_names[0].startswith(f"{preferred}."):
            preferred = class_names[0]
        seen: set[str] = set()
        for base in mro_of(cls):
            if base is not cls and self._foreign(base):
                continue
            for attribute, raw in list(dict_of(base).items()):
                if attribute.startswith("_") or attribute in seen:
                    continue
                seen.add(attribute)
                with self._telling(f"{preferred}.{attribute}"):
                    self._collect_member(
                        cls, base, attribute, raw, preferred, class_names
                    )

    def _foreign(self, base: type) -> bool:
        """Whether a base class's members say nothing about this package."""
        home = base.__module__.partition(".")[0]
        if any(home == root.partition(".")[0] for root in self.roots):
            return False
        return base is object or home in sys.stdlib_module_names or home == "builtins"

    def _collect_member(
        self,
        cls: type,
        base: type,
        attribute: str,
        raw: Any,
        preferred: str,
        class_names: list[str],
    ) -> None:
        accessor = self._accessor(cls, attribute, raw)
        if accessor is not None:
            name = f"{preferred}.{attribute}"
            if self._add(name, accessor, "class", class_doc(accessor)):
                self._collect_members(accessor, [name])
            return
        target, kind = unwrap_member(raw)
        if kind is None:
            return
        text = own_doc(target) or inherited_doc(cls, attribute)
        names = class_names if base is cls else [preferred]
        for name in names:
            self._add(f"{name}.{attribute}", target, kind, text, cls)

    def _accessor(self, cls: type, attribute: str, raw: Any) -> type | None:
        """Return the class behind a descriptor such as `pandas.Series.str`."""
        if isinstance(raw, _PLAIN_MEMBERS):
            return None
        try:
            value = getattr(cls, attribute)
        except BaseException:
            return None
        if isinstance(value, type) and value.__dict__.get("__doc__"):
            return value if self._ours(value.__module__) else None
        return None

    def _add(
        self, name: str, value: Any, kind: str, text: str, cls: type | None = None
    ) -> bool:
        key = id(value)
        if not text and kind != "class":
            return False
        known = self.names.setdefault(key, [])
        if key not in self.objects:
            self.objects[key] = value
            self.kinds[key] = kind
        if text:
            self.docs.setdefault(key, text)
        if len(known) < MAX_NAMES and all(each.name != name for each in known[-50:]):
            known.append(
                _Found(
                    sum(map(_is_private, name.split("."))),
                    name.count("."),
                    0,
                    -(self.descendants.get(cls, 0) // 4) if cls is not None else 0,
                    len(known),
                    name,
                )
            )
        return True

    def documents(self) -> Iterator[dict[str, Any]]:
        """Yield a record an object, in the order of discovery."""
        for text in self.docs.values():
            self.mentions.update(set(_DOTTED.findall(text)))
        described = self._descriptions()
        taken: set[str] = set()
        for key, text in self.docs.items():
            known = [
                each._replace(not_mentioned=-self._mentions_of(each.name))
                for each in self.names[key]
            ]
            names = [each.name for each in sorted(known)]
            value = self.objects[key]
            text += attribute_section(value)
            if names[0] in taken:
                continue
            taken.add(names[0])
            if len(text) > MAX_TEXT_CHARS:
                self.say(
                    type="problem",
                    name=names[0],
                    error=f"its documentation has {len(text):,} characters; only the "
                    f"first {MAX_TEXT_CHARS:,} are kept",
                )
            yield {
                "type": "document",
                "title": names[0],
                "aliases": sorted(set(names[1:])),
                "kind": self.kinds[key],
                "signature": signature_of(value),
                "text": text[:MAX_TEXT_CHARS],
                "mentions": -sum(
                    each.not_mentioned
                    for each in {_short(each.name): each for each in known}.values()
                ),
                "described": described.get(key, []),
            }

    def _descriptions(self) -> dict[int, list[str]]:
        """Return what other objects' "See Also" sections say of each object."""
        by_suffix: dict[str, list[tuple[str, int]]] = {}
        for key in self.docs:
            for found in self.names[key][:MAX_SUFFIX_NAMES]:
                parts = found.name.split(".")
                for start in range(len(parts)):
                    suffix = ".".join(parts[start:])
                    by_suffix.setdefault(suffix, []).append((found.name, key))
        described: dict[int, list[str]] = {}
        for key, text in self.docs.items():
            own = min(self.names[key]).name.rpartition(".")[0]
            for name, description in see_also(text):
                target = _nearest(by_suffix.get(name, []), own)
                known = described.setdefault(target, []) if target else []
                if description not in known:
                    known.append(description)
        return described

    def _mentions_of(self, name: str) -> int:
        """Return how many docstrings of the package name this object, qualified."""
        short = _short(name)
        return self.mentions[short] + (self.mentions[name] if name != short else 0)


def _one_line(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:300]
    except BaseException:
        return ""


def _describe(error: BaseException) -> str:
    text = _one_line(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum: int, frame: object) -> None:
        raise _ImportTookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def see_also(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and description of each entry of a NumPy-style "See Also"."""
    section = _SEE_ALSO.search(text)
    if section is None:
        return
    for entry in _ENTRY.finditer(section["body"]):
        yield entry["name"], " ".join(entry["description"].split())


def _nearest(candidates: list[tuple[str, int]], own: str) -> int | None:
    """Return the candidate next to the referring object, else the shortest name's."""
    if not candidates:
        return None
    return min(
        candidates,
        key=lambda each: (each[0].rpartition(".")[0] != own, each[0].count(".")),
    )[1]


def mro_of(cls: type) -> tuple[type, ...]:
    """Return a class's bases past a metaclass that refuses to tell."""
    return type.__getattribute__(cls, "__mro__")  # type: ignore[no-any-return]


def dict_of(cls: type) -> dict[str, Any]:
    """Return a class's own members, past a metaclass likewise."""
    return type.__dict__["__dict__"].__get__(cls)  # type: ignore[no-any-return]


def _text(value: object) -> str:
    return inspect.cleandoc(value) if isinstance(value, str) else ""


def own_doc(value: object) -> str:
    """Return an object's own docstring, dedented, or nothing."""
    try:
        return _text(value.__doc__)
    except BaseException:
        return ""


def has_own_doc(value: object) -> bool:
    """Whether an instance says more of itself than its type does."""
    try:
        text = value.__doc__
        return isinstance(text, str) and text != type(value).__doc__
    except BaseException:
        return False


def class_doc(cls: type) -> str:
    """Return a class's docstring with that of its `__init__` where it differs."""
    try:
        text = _text(cls.__dict__.get("__doc__"))
        if issubclass(cls, enum.Enum) and text == "An enumeration.":
            text = ""
        own = cls.__dict__.get("__init__")
        # From Python 3.13 on None has a docstring, too.
        init = "" if own is None else _text(getattr(own, "__doc__", None))
    except BaseException:
        return ""
    if init and init not in text and not init.startswith("Initialize self."):
        text = f"{text}\n\n{init}".strip()
    return text


def inherited_doc(cls: type, attribute: str) -> str:
    """Return the docstring of the nearest base that documents `attribute`."""
    for base in cls.__mro__:
        raw = base.__dict__.get(attribute)
        if raw is not None:
            text = own_doc(unwrap_member(raw)[0])
            if text:
                return text
    return ""


def unwrap_member(raw: Any) -> tuple[Any, str | None]:
    """Return the object that carries a class member's docstring, and its kind."""
    if isinstance(raw, (classmethod, staticmethod)):
        return raw.__func__, "method"
    if isinstance(raw, type):
        return raw, "class"
    if isinstance(raw, property):
        return raw, "property"
    if inspect.isdatadescriptor(raw) or type(raw).__name__ == "cached_property":
        return (raw, "property") if has_own_doc(raw) else (raw, None)
    if inspect.isroutine(raw) or inspect.ismethoddescriptor(raw):
        return raw, "method"
    if callable(raw) and has_own_doc(raw):
        return raw, "method"
    return raw, None


def signature_of(value: Any) -> str:
    """Return a callable's parameters without annotations, or nothing."""
    if isinstance(value, (types.ModuleType, property)) or not callable(value):
        return ""
    try:
        found = inspect.signature(value)
        bare = found.replace(
            parameters=[
                each.replace(annotation=inspect.Parameter.empty)
                for each in found.parameters.values()
            ],
            return_annotation=inspect.Signature.empty,
        )
        return _ADDRESS.sub("", str(bare))[:MAX_SIGNATURE_CHARS]
    except BaseException:
        return ""


def attribute_section(value: Any) -> str:
    """Return descriptions of a class's declared fields (traitlets, pydantic)."""
    if not isinstance(value, type):
        return ""
    lines = []
    with contextlib.suppress(BaseException):
        for name, field in vars(value).items():
            text = getattr(field, "help", None)
            if not name.startswith("_") and isinstance(text, str) and text:
                lines.append(f"{name} : {text}")
    with contextlib.suppress(BaseException):
        for name, field in (getattr(value, "model_fields", None) or {}).items():
            text = getattr(field, "description", None)
            if isinstance(text, str) and text:
                lines.append(f"{name} : {text}")
    return "\n\nAttributes\n----------\n" + "\n".join(lines) if lines else ""


def _end_with_parent(lifeline: int) -> None:
    """End when the other end of standard input goes: its kernel was killed."""
    os.read(lifeline, 1)
    os._exit(1)


def main() -> None:
    """Answer one request."""
    # A script's folder comes first on sys.path, where our files could shadow others'.
    sys.path.pop(0)
    request = json.loads(sys.stdin.readline())
    lifeline = os.dup(0)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    answer: TextIO = os.fdopen(os.dup(1), "w", encoding="ascii")
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    warnings.simplefilter("ignore")
    sys.path[:] = request["path"]
    sys.argv = ["contexter_nb"]

    dumps = json.JSONEncoder().encode  # a package may patch the module

    def say(**message: Any) -> None:
        answer.write(dumps(message) + "\n")
        if message["type"] != "document":
            answer.flush()

    collector = Collector(
        request["modules"], request["skip"], say, request["module_seconds"]
    )
    collector.collect()
    for document in collector.documents():
        say(**document)
    say(type="done")
    # Threads and exit hooks that the packages left behind must not hold us up.
    os._exit(0)


if __name__ == "__main__":
    main()
