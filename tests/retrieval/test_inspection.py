"""Packages read in a child process, most of them out to break it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from contexter_nb.core import SystemClock
from contexter_nb.retrieval import Collected, ModulesSource, _child, library_source
from contexter_nb.retrieval._inventory import import_names
from contexter_nb.retrieval._sources import MAX_RESTARTS
from tests.retrieval.distribution import write_distribution

GOOD = '''
"""A good package."""

def good(x):
    """Do good."""

class Other:
    """Another."""

    def method(self):
        """Act."""
'''
GOOD_TITLES = {"fk", "fk.good", "fk.Other", "fk.Other.method"}


class Site:
    """A folder on sys.path to write one package into and collect it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(
        self,
        files: dict[str, str],
        module_seconds: float = 30.0,
        headers: str = "",
        readme: str = "",
    ) -> ModulesSource:
        """Write a distribution and return its source."""
        told = write_distribution(
            self.folder, "fake-pkg", files, headers=headers, readme=readme
        )
        found = metadata.Distribution.at(told)
        return ModulesSource(
            library="fake-pkg",
            version="1.0",
            modules=import_names(found),
            distribution=found,
            module_seconds=module_seconds,
        )

    def collect(
        self, files: dict[str, str], module_seconds: float = 30.0, readme: str = ""
    ) -> Collected:
        """Write a distribution and collect its documents."""
        source = self.source(files, module_seconds, readme=readme)
        return asyncio.run(source.collect())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a place for a package; the parent must never import it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return Site(folder)


@pytest.fixture(autouse=True)
def _parent_untouched(capfd: pytest.CaptureFixture[str]) -> object:
    """Fail a test in which the parent printed or imported anything."""
    yield
    assert capfd.readouterr() == ("", "")
    assert not [name for name in sys.modules if name.partition(".")[0] == "fk"]


def titles(collected: Collected) -> set[str]:
    """Return the names of all documents."""
    return {document.title for document in collected.documents}


def errors(collected: Collected) -> str:
    """Return all that went wrong, in lines."""
    return "\n".join(f"{each.title}: {each.error}" for each in collected.problems)


def aliases(collected: Collected) -> dict[str, tuple[str, ...]]:
    """Return each document's other names."""
    return {document.title: document.aliases for document in collected.documents}


@pytest.mark.parametrize(
    ("code", "says", "complete"),
    [
        pytest.param(
            "import os, sys\nprint(1)\nprint(2, file=sys.stderr)\nos.write(1, b'3')",
            "",
            True,
            id="prints",
        ),
        pytest.param(
            "import warnings as w\nw.warn('x')\nw.warn('y', DeprecationWarning)",
            "",
            True,
            id="warns",
        ),
        pytest.param(
            "raise ValueError('bo\\nom')",
            "import of fk.bad failed: ValueError: bo om",
            True,
            id="raises",
        ),
        pytest.param(
            "class Odd(Exception):\n def __str__(self): 1/0\nraise Odd",
            "import of fk.bad failed: Odd",
            True,
            id="raises-oddly",
        ),
        pytest.param(
            "def (", "import of fk.bad failed: SyntaxError", True, id="syntax"
        ),
        pytest.param(
            "import fk_nowhere",
            "fk.bad (No module named 'fk_nowhere')",
            True,
            id="optional",
        ),
        pytest.param(
            "raise KeyboardInterrupt",
            "failed: KeyboardInterrupt",
            True,
            id="interrupts",
        ),
        pytest.param(
            "import sys\nsys.exit('bye')",
            "failed: SystemExit: bye",
            True,
            id="sys-exit",
        ),
        pytest.param(
            "import os\nos._exit(7)",
            "ended the process (exit code 7) while importing fk.bad",
            False,
            id="os-exit",
        ),
        pytest.param(
            "import ctypes\nctypes.string_at(0)",
            "crashed (SIGSEGV) while importing fk.bad",
            False,
            id="segfault",
        ),
        pytest.param(
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            "crashed (SIGKILL) while importing fk.bad",
            False,
            id="killed",
        ),
        pytest.param(
            "while True: pass",
            "fk.bad failed: its import took longer",
            True,
            id="spins",
        ),
        pytest.param(
            "import time\ntime.sleep(600)",
            "fk.bad failed: its import took longer than 1 s",
            True,
            id="sleeps",
        ),
        pytest.param(
            "import os\nos.closerange(0, 50)",
            "while importing fk.bad",
            False,
            id="closes",
        ),
        pytest.param(
            "import os, sys\nos.chdir('/')\nsys.path.clear()\nsys.argv.clear()",
            "",
            True,
            id="upsets-sys",
        ),
        pytest.param(
            "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(600,)).start()",
            "",
            True,
            id="leaves-a-thread",
        ),
        pytest.param(
            "import atexit, time\natexit.register(time.sleep, 600)",
            "",
            True,
            id="leaves-an-exit-hook",
        ),
        pytest.param(
            "import json\njson.dumps = lambda *a, **k: 'mine'",
            "",
            True,
            id="patches-json",
        ),
    ],
)
def test_a_bad_submodule_costs_only_itself(
    site: Site, code: str, says: str, complete: bool
) -> None:
    """Whatever one module does at import is told, and all others are there."""
    files = {
        "fk/__init__.py": GOOD,
        "fk/bad.py": code,
        "fk/rest.py": '"""The rest."""',
        "fk/a/__init__.py": '"""Before."""',
    }
    collected = site.collect(files, module_seconds=1)
    assert titles(collected) - {"fk.bad"} == GOOD_TITLES | {"fk.rest", "fk.a"}
    assert says in errors(collected)
    assert len(collected.problems) == bool(says)
    assert collected.complete == complete
    assert bool(collected.fingerprint) == complete


def test_a_module_deaf_to_the_alarm_is_stopped(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hang that no signal ends costs the module, after the grace."""
    monkeypatch.setattr(_child, "_GRACE_SECONDS", 0.5)
    code = (
        "import signal, time\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
        "time.sleep(600)"
    )
    files = {"fk/__init__.py": GOOD, "fk/bad.py": code, "fk/rest.py": '"""Rest."""'}
    collected = site.collect(files, module_seconds=1)
    assert "and was stopped while importing fk.bad" in errors(collected)
    assert titles(collected) == GOOD_TITLES | {"fk.rest"}
    assert not collected.complete


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("1/0", "import of fk failed: ZeroDivisionError: division by zero"),
        ("import fk_nowhere", "import of fk failed: ModuleNotFoundError: No module"),
        ("import sys\nsys.exit()", "import of fk failed: SystemExit"),
        (
            "import os\nos._exit(0)",
            "ended the process (exit code 0) while importing fk",
        ),
        ("import ctypes\nctypes.string_at(0)", "crashed (SIGSEGV) while importing fk"),
        ("while True: pass", "import of fk failed: its import took longer than 1 s"),
    ],
)
def test_a_package_that_cannot_be_imported_leaves_its_readme(
    site: Site, code: str, says: str
) -> None:
    """The problem says why, what can be read is read, and nothing is complete."""
    collected = site.collect({"fk/__init__.py": code}, 1, readme="Hello.")
    assert [document.title for document in collected.documents] == ["fake-pkg README"]
    assert says in errors(collected)
    assert not collected.complete
    assert collected.fingerprint == ""


def test_a_distribution_of_two_packages_loses_only_the_bad_one(site: Site) -> None:
    """One root that cannot be imported does not hide the other."""
    collected = site.collect({"fk/__init__.py": GOOD, "fkbad/__init__.py": "1/0"})
    assert titles(collected) == GOOD_TITLES
    assert "import of fkbad failed" in errors(collected)
    assert not collected.complete


def test_a_distribution_of_two_packages_loses_only_the_crashing_one(
    site: Site,
) -> None:
    """A root that ends the process does not hide the other either."""
    code = "import os\nos._exit(1)"
    collected = site.collect({"fk/__init__.py": GOOD, "fkbad/__init__.py": code})
    assert titles(collected) == GOOD_TITLES
    assert "while importing fkbad" in errors(collected)


def test_many_crashes_end_the_attempts(site: Site) -> None:
    """Each crash costs a restart, and there are only so many."""
    files = {f"fk/bad{number}.py": "import os\nos._exit(1)" for number in range(9)}
    collected = site.collect({"fk/__init__.py": GOOD, **files})
    assert len(collected.problems) == MAX_RESTARTS
    assert not collected.complete


HOSTILE = {
    "instance-getattr": """
class Hostile:
    def __getattr__(self, name): raise RuntimeError(name)
thing = Hostile()
""",
    "instance-getattribute": """
class Hostile:
    def __getattribute__(self, name): raise RuntimeError(name)
thing = Hostile()
""",
    "instance-class": """
class Hostile:
    __class__ = property(lambda self: 1 / 0)
thing = Hostile()
""",
    "instance-doc": """
class Hostile:
    __doc__ = property(lambda self: 1 / 0)
thing = Hostile()
""",
    "metaclass-getattribute": """
class Meta(type):
    def __getattribute__(cls, name): raise RuntimeError(name)
class Hostile(metaclass=Meta):
    '''Documented.'''
""",
    "metaclass-getattr": """
class Meta(type):
    def __getattr__(cls, name): raise RuntimeError(name)
class Hostile(metaclass=Meta):
    '''Documented.'''
    def f(self): pass
""",
    "metaclass-doc": """
class Meta(type):
    __doc__ = property(lambda cls: 1 / 0)
class Hostile(metaclass=Meta): pass
""",
    "metaclass-dir-and-dict": """
class Meta(type):
    __dict__ = property(lambda cls: 1 / 0)
    __dir__ = lambda cls: 1 / 0
class Hostile(metaclass=Meta):
    '''Documented.'''
""",
    "class-module": """
class Hostile:
    '''Documented.'''
    __module__ = None
    def f(self):
        '''Act.'''
""",
    "descriptor": """
class Descriptor:
    def __get__(self, instance, owner): raise RuntimeError('no')
class Hostile:
    '''Documented.'''
    field = Descriptor()
""",
    "member-class": """
class Odd:
    __class__ = property(lambda self: 1 / 0)
class Hostile:
    '''Documented.'''
    field = Odd()
""",
    "signature": """
class Hostile:
    '''Documented.'''
    __signature__ = property(lambda self: 1 / 0)
    def __call__(self): pass
thing = Hostile()
""",
    "doc-is-no-text": """
class Hostile: pass
Hostile.__doc__ = 5
def f(): pass
f.__doc__ = ['x']
""",
    "all-is-no-list": "__all__ = 5\n",
    "all-lies": "__all__ = ['good', 'Other', 'nothing', 5, None]\n",
    "module-getattr": """
def __getattr__(name): raise RuntimeError(name)
__all__ = ['good', 'Other', 'lazy']
""",
    "name-is-no-text": "globals()[5] = 1\n",
    "comparisons": """
class Hostile:
    '''Documented.'''
    def _no(self, *args): raise RuntimeError('no')
    __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __str__ = __repr__ = _no
thing = Hostile()
def f(x=thing):
    '''Take it.'''
""",
    "path": "__path__ = 5\n",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_object_costs_only_itself(site: Site, code: str) -> None:
    """An object that raises at every touch hides nothing beside it."""
    collected = site.collect({"fk/__init__.py": GOOD + code})
    assert titles(collected) >= GOOD_TITLES, errors(collected)
    assert collected.complete


@pytest.mark.parametrize(
    ("doc", "expected", "says"),
    [
        pytest.param(
            "'<script>alert(1)</script> & <b>'",
            "<script>alert(1)</script> & <b>",
            "",
            id="markup",
        ),
        pytest.param(r"'a\x00b\x1b[31m'", "a\x00b\x1b[31m", "", id="control"),
        pytest.param(r"'a\ud800b'", "a\ud800b", "", id="surrogate"),
        pytest.param(r"'a\u2028b\nc'", "a\u2028b\nc", "", id="newlines"),
        pytest.param(
            "'word ' * 2_000_000",
            "word " * 40_000,
            "10,000,000 characters; only the first 200,000 are kept",
            id="words",
        ),
        pytest.param(
            "'x' * 10_000_000",
            "x" * 200_000,
            "10,000,000 characters; only the first 200,000 are kept",
            id="one-word",
        ),
    ],
)
def test_a_docstring_comes_through_as_it_is(
    site: Site, doc: str, expected: str, says: str
) -> None:
    """Any text a docstring may hold reaches the parent, up to 200,000 characters."""
    code = f"{GOOD}\ngood.__doc__ = {doc}\n"
    collected = site.collect({"fk/__init__.py": code}, module_seconds=1)
    (found,) = [each for each in collected.documents if each.title == "fk.good"]
    assert found.text == expected.replace("\r", "")
    assert says in errors(collected)
    assert titles(collected) == GOOD_TITLES


def test_the_public_name_is_preferred(site: Site) -> None:
    """An object has one document, by its shortest public name, with all others."""
    thing = (
        '"""Inside."""\nclass Thing:\n  """A thing."""\n  def go(self):\n    """Go."""'
    )
    collected = site.collect(
        {
            "fk/__init__.py": '"""Root."""\nfrom fk._impl import Thing',
            "fk/_impl.py": thing,
            "fk/core/__init__.py": "from fk._impl import Thing as Inner",
            "fk/tools.py": "__all__ = ['Thing']\nfrom fk._impl import Thing",
        }
    )
    found = aliases(collected)
    assert set(found) >= {"fk.Thing", "fk.Thing.go"}
    assert "fk.tools.Thing" in found["fk.Thing"]
    assert "fk.tools.Thing.go" in found["fk.Thing.go"]
    assert len([each for each in collected.documents if each.text == "A thing."]) == 1
    assert not [title for title in found if "_impl" in title or ".core" in title]


def test_imports_from_elsewhere_are_not_documented(site: Site) -> None:
    """What a module merely uses is not its own, unless it says so in __all__."""
    collected = site.collect(
        {
            "fk/__init__.py": '"""Root."""\n',
            "fk/uses.py": "from textwrap import dedent\nfrom os.path import join",
            "fk/lists.py": "from textwrap import fill\n__all__ = ['fill']",
        }
    )
    assert titles(collected) == {"fk", "fk.lists.fill"}


MEMBERS = '''
import enum, functools

class _Base:
    """A base."""
    def inherited(self):
        """Come from the base."""
    def silent(self):
        """Be told by the base."""

class Face(_Base):
    """Show it.

    See Also
    --------
    make : Makes a face.
    """
    limit = 5
    def __init__(self, size=3):
        """Set the size."""
    def silent(self): pass
    @property
    def width(self):
        """The width."""
    @functools.cached_property
    def height(self):
        """The height."""
    @classmethod
    def build(cls):
        """Build one."""
    @staticmethod
    def check(x):
        """Check one."""
    def _private(self):
        """Hide."""
    class Inner:
        """Stay inside."""

class Colour(enum.Enum):
    """Colours."""
    RED = 1

def make(a, *, b: int = 1) -> Face:
    """Make a face, as fk.Face.width does."""

'''


def test_members_are_documented_by_their_class(site: Site) -> None:
    """Methods, properties and inherited members have their class's name."""
    collected = site.collect({"fk/__init__.py": MEMBERS})
    kinds = {each.title: each.kind for each in collected.documents}
    assert kinds == {
        "fk.Face": "class",
        "fk.Face.inherited": "method",
        "fk.Face.silent": "method",
        "fk.Face.width": "property",
        "fk.Face.height": "property",
        "fk.Face.build": "method",
        "fk.Face.check": "method",
        "fk.Face.Inner": "class",
        "fk.Colour": "class",
        "fk.make": "function",
    }
    found = {each.title: each for each in collected.documents}
    assert found["fk.Face.silent"].text == "Be told by the base."
    assert found["fk.Face"].text.startswith("Show it.")
    assert found["fk.Face"].text.endswith("Set the size.")
    assert found["fk.Face"].signature == "(size=3)"
    assert found["fk.make"].signature == "(a, *, b=1)"
    assert found["fk.make"].described == ("Makes a face.",)
    assert found["fk.Face.width"].mentions == 1


@pytest.fixture(scope="module")
def pandas() -> Collected:
    """Give the documents of the installed pandas."""
    return asyncio.run(library_source("pandas", SystemClock()).collect())


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("pandas.DataFrame.merge", "method"),
        ("pandas.merge", "function"),
        ("pandas.Series.str", "class"),
        ("pandas.Series.str.contains", "method"),
        ("pandas.Series.dt.tz_convert", "method"),
        ("pandas.DataFrame.loc", "property"),
        ("pandas.DataFrame.plot.bar", "method"),
        ("pandas.read_csv", "function"),
        ("pandas README", "page"),
    ],
)
def test_pandas_is_found_by_the_names_people_use(
    pandas: Collected, title: str, kind: str
) -> None:
    """Functions, methods, indexers and accessors have the names of the manual."""
    assert [each.kind for each in pandas.documents if each.title == title] == [kind]


def test_pandas_is_read_in_full(pandas: Collected) -> None:
    """The whole of a large library is collected, each name once."""
    assert pandas.complete
    assert len(pandas.documents) > 1_500
    assert len(titles(pandas)) == len(pandas.documents)
    assert not [title for title in titles(pandas) if "._" in title]
    assert all(each.url.startswith("https://pandas") for each in pandas.documents)


@pytest.mark.parametrize(
    ("library", "title", "url"),
    [
        ("math", "math.sqrt", "math.html#math.sqrt"),
        ("textwrap", "textwrap.TextWrapper.fill", "textwrap.html#textwrap.TextWrap"),
        ("json", "json.decoder", "json.html#json.decoder"),
        ("os.path", "os.path.join", "os.path.html#os.path.join"),
        ("collections", "collections.deque.append", "collections.html#coll"),
        ("bisect", "bisect.insort_left", "bisect.html#bisect.insort_left"),
        ("asyncio", "asyncio.TaskGroup", "asyncio.html#asyncio.TaskGroup"),
    ],
)
def test_a_standard_module_is_documented_with_its_page(
    library: str, title: str, url: str
) -> None:
    """Python and C functions alike, each with its anchor at docs.python.org."""
    source = library_source(library, SystemClock())
    collected = asyncio.run(source.collect())
    found = {each.title: each for each in collected.documents}
    assert found[title].source == "stdlib"
    assert found[title].version == ".".join(map(str, sys.version_info[:3]))
    assert url in found[title].url
    assert found[title].url.startswith("https://docs.python.org/3.")
    assert collected.complete
    assert collected.fingerprint == source.fingerprint()


def test_a_module_that_is_not_there_is_a_problem() -> None:
    """A misspelt submodule of the standard library is told."""
    collected = asyncio.run(library_source("json.nonsense", SystemClock()).collect())
    assert not collected.documents
    assert "import of json.nonsense failed: ModuleNotFoundError" in errors(collected)


@pytest.mark.parametrize(
    ("headers", "readme", "markup", "text"),
    [
        ("Description-Content-Type: text/markdown\n", "# Hi\n", "markdown", "# Hi\n"),
        ("Description-Content-Type: text/x-rst\n", "Hi\n==\n", "rst", "Hi\n==\n"),
        ("Description: Short.\n", "", "rst", "Short."),
    ],
)
def test_a_readme_is_a_page(
    site: Site, headers: str, readme: str, markup: str, text: str
) -> None:
    """A distribution's long description is a document, with the project's page."""
    told = (
        f"{headers}Project-URL: Homepage, https://home.example\n"
        "Project-URL: Documentation, https://docs.example\n"
    )
    source = site.source({"fk/__init__.py": ""}, headers=told, readme=readme)
    (page,) = asyncio.run(source.collect()).documents
    assert (page.title, page.kind, page.markup) == ("fake-pkg README", "page", markup)
    assert (page.text, page.url) == (text, "https://docs.example")


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ("", ""),
        ("Home-page: http://home.example\n", "http://home.example"),
        ("Project-URL: Documentation, javascript:alert(1)\n", ""),
        (
            "Project-URL: Docs, ftp://x\nHome-page: https://h.example\n",
            "https://h.example",
        ),
        ("Project-URL: Source,https://s.example\n", "https://s.example"),
    ],
)
def test_a_projects_page_is_http_or_nothing(site: Site, headers: str, url: str) -> None:
    """No other scheme ever becomes a link."""
    source = site.source({"fk/__init__.py": GOOD}, headers=headers)
    assert {each.url for each in asyncio.run(source.collect()).documents} == {url}


def test_a_package_without_documentation_says_so(site: Site) -> None:
    """Where nothing is found the answer is a problem, not silence."""
    collected = site.collect({"fk/__init__.py": "x = 1"})
    assert not collected.documents
    assert "it has no documentation that can be read" in errors(collected)


def is_running(process_id: int) -> bool:
    """Whether a process is there (one that was killed but not waited for is not)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2]
        return status.split()[0] != "Z"
    return False


def test_cancelling_the_collection_kills_the_child(site: Site) -> None:
    """A cancel leaves no process behind, neither the child nor what it started."""
    pipe = site.folder / "pipe"
    os.mkfifo(pipe)
    code = (
        "import os, subprocess, sys, time\n"
        "started = subprocess.Popen(['sleep', '600'])\n"
        f"with open({str(pipe)!r}, 'w') as file:\n"
        "    file.write(f'{os.getpid()} {started.pid}')\n"
        "time.sleep(600)\n"
    )
    source = site.source({"fk/__init__.py": code}, module_seconds=600)

    async def main() -> list[int]:
        task = asyncio.create_task(source.collect())
        told = await asyncio.to_thread(pipe.read_text)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [int(each) for each in told.split()]

    child, grandchild = asyncio.run(main())
    assert not Path(f"/proc/{child}").exists()
    assert not is_running(grandchild)


def test_what_a_package_started_ends_with_the_collection(site: Site) -> None:
    """A server that a package starts at import does not outlive its reading."""
    place = site.folder / "pid"
    code = (
        "import subprocess\n"
        "started = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(place)!r}, 'w').write(str(started.pid))\n"
    )
    site.collect({"fk/__init__.py": GOOD + code})
    assert not is_running(int(place.read_text()))
