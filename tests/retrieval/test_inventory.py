"""What is installed, by the names people use for it."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from contexter_nb.core import UnknownLibraryError
from contexter_nb.retrieval import (
    find,
    installed_versions,
    inventory,
    standard_modules,
)
from contexter_nb.retrieval._inventory import (
    fingerprint,
    import_names,
    normalized,
    python_version,
)
from tests.retrieval.distribution import write_distribution


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder that is first on sys.path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Scikit_Learn", "scikit-learn"),
        ("zope.interface", "zope-interface"),
        ("A.-_b", "a-b"),
        ("httpx", "httpx"),
    ],
)
def test_names_are_compared_as_pypi_does(name: str, same: str) -> None:
    """Case, dots, dashes and underscores do not tell names apart (PEP 503)."""
    assert normalized(name) == same


@pytest.mark.parametrize(
    ("name", "files", "top_level", "expected"),
    [
        pytest.param(
            "fake-learn", ["fklearn/__init__.py"], None, ("fklearn",), id="other-name"
        ),
        pytest.param("fake-six", ["fksix.py"], None, ("fksix",), id="one-file"),
        pytest.param(
            "fake-c",
            ["fkc.cpython-311-x86_64-linux-gnu.so"],
            None,
            ("fkc",),
            id="extension",
        ),
        pytest.param(
            "fake-two",
            ["fka/__init__.py", "fkb/x.py", "tests/__init__.py", "docs/conf.py"],
            None,
            ("fka", "fkb"),
            id="tests-left-out",
        ),
        pytest.param(
            "fake-tests", ["tests/__init__.py"], None, ("tests",), id="tests-alone"
        ),
        pytest.param(
            "fake-private",
            ["_fkp/__init__.py", "fkp/__init__.py", "__pycache__/fkp.pyc"],
            None,
            ("fkp",),
            id="private-left-out",
        ),
        pytest.param(
            "fake-data",
            ["fkd/__init__.py", "fkd-1.data/x.py", "../bin/run.py", "share/x.txt"],
            None,
            ("fkd",),
            id="data-left-out",
        ),
        pytest.param("fake-listed", [], "fkl\n_fkl\n", ("fkl",), id="top-level"),
        pytest.param("fake-none", [], None, ("fake_none",), id="nothing-listed"),
        pytest.param(
            "fake-editable",
            ["_editable_impl_fake_editable.py", "fake_editable.pth"],
            None,
            ("fake_editable",),
            id="editable",
        ),
        pytest.param(
            "fake-mypyc",
            ["81d243bd__mypyc.cpython-311-x86_64-linux-gnu.so", "fkm/__init__.py"],
            None,
            ("fkm",),
            id="no-identifier",
        ),
    ],
)
def test_import_names_are_read_from_the_files(
    site: Path,
    name: str,
    files: list[str],
    top_level: str | None,
    expected: tuple[str, ...],
) -> None:
    """What to import is told by what was installed, without importing it."""
    folder = write_distribution(
        site, name, dict.fromkeys(files, ""), top_level=top_level
    )
    assert import_names(metadata.Distribution.at(folder)) == expected


@pytest.mark.parametrize(
    "name", ["fake-learn", "Fake_Learn", "FAKE.LEARN", "fklearn", "fklearn.linear"]
)
def test_a_distribution_is_found_by_each_of_its_names(site: Path, name: str) -> None:
    """The name on PyPI in any spelling, and the name it is imported by."""
    write_distribution(site, "fake-learn", {"fklearn/__init__.py": ""}, version="2.5")
    found = find(name)
    assert isinstance(found, metadata.Distribution)
    assert (found.metadata["Name"], found.version) == ("fake-learn", "2.5")


@pytest.mark.parametrize("name", ["json", "os.path", "math", "python"])
def test_the_standard_library_is_found_by_module(name: str) -> None:
    """A module of the standard library, or all of it, is called by its name."""
    assert find(name) == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pandsa", "Did you mean 'pandas'"),
        ("jsn", "'json'"),
        ("fake-lern", "Did you mean 'fake-learn'"),
        ("no such thing at all", "nb.libraries() lists what is here"),
        ("", "nb.libraries() lists what is here"),
        ("../x", "nb.libraries() lists what is here"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_close_ones(
    site: Path, name: str, says: str
) -> None:
    """A slip of the finger is answered by what was meant."""
    write_distribution(site, "fake-learn", {"fklearn/__init__.py": ""})
    with pytest.raises(UnknownLibraryError) as caught:
        find(name)
    assert says in str(caught.value)
    assert repr(name) in str(caught.value)


def test_a_misspelt_folder_is_meant_rather_than_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder or file beside the notebook is a close name, too."""
    (tmp_path / "mydocs").mkdir()
    (tmp_path / "recipes.md").touch()
    monkeypatch.chdir(tmp_path)
    for name, meant in (("mydoc", "'mydocs'"), ("recipe.md", "'recipes.md'")):
        with pytest.raises(UnknownLibraryError) as caught:
            find(name)
        assert f"Did you mean {meant}" in str(caught.value)


def test_the_first_on_the_path_is_the_installed_one(site: Path) -> None:
    """A distribution that shadows another is the one that would be imported."""
    write_distribution(site, "httpx", {"httpx/__init__.py": ""}, version="99.0")
    assert installed_versions(["HTTPX", "httpx"]) == {"HTTPX": "99.0", "httpx": "99.0"}


def test_installed_versions_leave_out_what_is_not_there() -> None:
    """A name without a version was removed since; modules have Python's."""
    found = installed_versions(["json", "os.path", "python", "gone"])
    assert found == dict.fromkeys(["json", "os.path", "python"], python_version())


def test_the_inventory_lists_distributions_and_modules(site: Path) -> None:
    """Each can be indexed by the name in its row."""
    write_distribution(
        site,
        "fake-learn",
        {"fklearn/__init__.py": "", "fklearn/x.py": ""},
        headers="Summary: Learns\n    to fake.\n",
    )
    rows = {row.library: row for row in inventory()}
    learn = rows["fake-learn"]
    assert (learn.source, learn.version, learn.modules) == ("installed", "1.0", 2)
    assert learn.import_names == ("fklearn",)
    assert learn.summary == "Learns to fake."
    assert rows["json"].source == "stdlib"
    assert rows["json"].modules > 1
    assert rows["json"].size_bytes > 1_000
    assert rows["pandas"].size_bytes > 1_000_000
    assert list(rows).index("pandas") < list(rows).index("json")


def test_a_broken_dist_info_hides_nothing(site: Path) -> None:
    """Folders that an installer left half made are passed over."""
    contents = [None, "", "Version: 1.0\n", "Summary: x\n\nText", "\x00\n\n:"]
    for number, content in enumerate(contents):
        folder = site / f"broken{number}-1.0.dist-info"
        folder.mkdir()
        if content is not None:
            (folder / "METADATA").write_text(content)
    rows = [row.library for row in inventory()]
    assert {"pandas", "json"} <= set(rows)
    assert all(rows)


def test_a_dist_info_without_a_version_is_listed(site: Path) -> None:
    """What has a name can be shown, whatever else is missing."""
    folder = site / "half-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: half\n")
    assert [row.version for row in inventory() if row.library == "half"] == [""]


def test_standard_modules_leave_out_what_acts_on_import() -> None:
    """Nothing that opens a browser or prints a poem is ever imported."""
    modules = standard_modules()
    assert {"json", "math", "asyncio", "sqlite3"} <= set(modules)
    assert not {"antigravity", "this", "idlelib", "_thread"} & set(modules)


def touch(site: Path) -> None:
    """Change a file's time only."""
    os.utime(site / "fk" / "deep" / "x.py", ns=(1, 1))


def grow(site: Path) -> None:
    """Change a file."""
    (site / "fk" / "__init__.py").write_text("changed = True")


def add(site: Path) -> None:
    """Add a file."""
    (site / "fk" / "new.py").write_text("")


def remove(site: Path) -> None:
    """Remove a file."""
    (site / "fk" / "deep" / "x.py").unlink()


def upgrade(site: Path) -> None:
    """Change the version alone."""
    path = site / "fk-1.0.dist-info" / "METADATA"
    path.write_text(path.read_text().replace("Version: 1.0", "Version: 1.1"))


@pytest.mark.parametrize("change", [touch, grow, add, remove, upgrade])
def test_the_fingerprint_changes_when_a_file_does(site: Path, change: object) -> None:
    """Whatever changes what a package documents changes its fingerprint."""
    assert callable(change)
    files = {"fk/__init__.py": "", "fk/deep/x.py": ""}
    folder = write_distribution(site, "fk", files)
    before = fingerprint(metadata.Distribution.at(folder))
    assert fingerprint(metadata.Distribution.at(folder)) == before
    change(site)
    assert fingerprint(metadata.Distribution.at(folder)) != before


def test_the_fingerprint_stays_when_byte_code_is_made(site: Path) -> None:
    """Importing a package does not make it another."""
    folder = write_distribution(site, "fk", {"fk/__init__.py": ""})
    before = fingerprint(metadata.Distribution.at(folder))
    (site / "fk" / "__pycache__").mkdir()
    (site / "fk" / "__pycache__" / "x.py").write_text("")
    (site / "fk" / "__pycache__" / "x.pyc").write_text("")
    assert fingerprint(metadata.Distribution.at(folder)) == before


def test_nothing_is_imported_to_take_stock(site: Path) -> None:
    """Listing, finding and fingerprinting run no line of a package."""
    folder = write_distribution(site, "fkexit", {"fkexit/__init__.py": "1/0"})
    inventory()
    find("fkexit")
    fingerprint(metadata.Distribution.at(folder))
    assert "fkexit" not in sys.modules
