"""Documents are kept as they were indexed, and read back character for character."""

from __future__ import annotations

import asyncio
import gzip
import sys
from pathlib import Path

import pytest

from contexter_nb.core import HomeError
from contexter_nb.retrieval import Collected, Document, KeptDocuments, KeptSource


def page(title: str, text: str = "Use pip.") -> Document:
    """Return a page with a value in every field."""
    return Document(
        library="the guide",
        version="1.0",
        source="folder",
        title=title,
        kind="page",
        text=text,
        markup="markdown",
        aliases=("a", "b"),
        signature="(x)",
        url="https://example.org",
        described=("what others say",),
        mentions=3,
    )


def collected(*documents: Document, complete: bool = True) -> Collected:
    """Return what a source gave."""
    return Collected(
        library="the guide",
        version="1.0",
        source="folder",
        documents=list(documents),
        complete=complete,
    )


@pytest.fixture
def kept(tmp_path: Path) -> KeptDocuments:
    """Give a folder that is not there yet."""
    return KeptDocuments(tmp_path / "documents" / "index")


def test_every_field_comes_back(kept: KeptDocuments, tmp_path: Path) -> None:
    """Also odd characters; nobody else may read the file."""
    documents = [page("a.md"), page("b.md", "ünï \U0001f600 <b>")]
    kept.save(collected(*documents))
    found = kept.load("the guide")
    assert found is not None
    assert found.documents == documents
    assert (found.library, found.version, found.source) == (
        "the guide",
        "1.0",
        "folder",
    )
    (file,) = (tmp_path / "documents" / "index").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_text_is_kept_as_it_is_indexed(kept: KeptDocuments) -> None:
    """What indexing repairs is repaired here, so that no file grows beyond bounds."""
    kept.save(collected(page("a.md", "x\0y\ud800" + "z" * 300_000)))
    found = kept.load("the guide")
    assert found is not None
    text = found.documents[0].text
    assert text.startswith("xy\ufffdz")
    assert len(text) == 200_000


def test_what_was_not_read_again_stays(kept: KeptDocuments) -> None:
    """A source that gave a part replaces that part; one that gave all replaces all."""
    kept.save(collected(page("a.md", "old"), page("b.md")))
    kept.save(collected(page("a.md", "new"), complete=False))
    found = kept.load("the guide")
    assert found is not None
    assert [(each.title, each.text) for each in found.documents] == [
        ("a.md", "new"),
        ("b.md", "Use pip."),
    ]
    kept.save(collected(page("a.md", "new")))
    found = kept.load("the guide")
    assert found is not None and len(found.documents) == 1


def test_the_digest_follows_the_documents(kept: KeptDocuments) -> None:
    """The same documents have the same one whenever they are saved, others another."""
    assert kept.digest("the guide") == ""
    kept.save(collected(page("a.md")))
    first = kept.digest("the guide")
    kept.save(collected(page("a.md")))
    assert kept.digest("the guide") == first != ""
    kept.save(collected(page("a.md", "other")))
    assert kept.digest("the guide") != first


@pytest.mark.skipif(sys.platform == "win32", reason="it stays there")
def test_what_a_killed_process_began_is_forgotten_too(
    kept: KeptDocuments, tmp_path: Path
) -> None:
    """Documents that are removed lie nowhere, not even by half."""
    kept.save(collected(page("a.md")))
    (path,) = (tmp_path / "documents" / "index").iterdir()
    path.with_name(f"{path.name}.123-0123abcd.tmp").write_text("half")
    kept.forget("the guide")
    assert not list(path.parent.iterdir())


def test_names_that_differ_have_files_that_differ(kept: KeptDocuments) -> None:
    """A library's name may hold anything a path may not."""
    for name in ("../x", "a/b", "a-b", "ä" * 300):
        kept.save(Collected(library=name, version="", source="frame"))
    assert all(kept.load(name) is not None for name in ("../x", "a/b", "a-b"))
    assert kept.load("a b") is None


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", gzip.compress(b"{}"), gzip.compress(b'{"format": 9}')]
)
def test_a_damaged_file_counts_as_none(
    kept: KeptDocuments, tmp_path: Path, content: bytes
) -> None:
    """Its library can be indexed again; as a source it says so."""
    kept.save(collected(page("a.md")))
    (file,) = (tmp_path / "documents" / "index").iterdir()
    file.write_bytes(content)
    assert kept.load("the guide") is None
    source = KeptSource(kept, "the guide", "1.0", "stamp")
    with pytest.raises(HomeError, match="'the guide' are not kept.*index it again"):
        asyncio.run(source.collect())


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Where the folder cannot be made, it is said what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="choose another home"):
        KeptDocuments(tmp_path / "file" / "documents").save(collected(page("a.md")))


def test_a_source_changes_with_the_documents_or_the_entry(kept: KeptDocuments) -> None:
    """Only then is an index of a variant looked through again."""
    kept.save(collected(page("a.md")))
    source = KeptSource(kept, "the guide", "1.0", "stamp")
    assert (
        source.fingerprint() == KeptSource(kept, "the guide", "", "stamp").fingerprint()
    )
    assert (
        source.fingerprint() != KeptSource(kept, "the guide", "", "now").fingerprint()
    )
    assert asyncio.run(source.collect()).fingerprint == source.fingerprint()
