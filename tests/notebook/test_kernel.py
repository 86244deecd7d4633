"""What a person in a notebook types and sees: magics, cards, errors of one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.notebook.markup import read


def only_html(said: Any) -> Any:
    """Return the one piece of HTML that a cell showed, as it reads."""
    assert (said.status, said.error) == ("ok", "")
    (bundle,) = said.shown
    return read(bundle["text/html"])


def test_docs_shows_cards_and_keeps_the_frame(person: Any) -> None:
    """A question with options shows cards; -o keeps the hits in a variable."""
    said = person.type(
        "%docs shorten a text to a width --library textwrap -n 2 -o found"
    )
    page = only_html(said)
    assert page.tags.count("pre") == 2
    assert "Hits for shorten a text to a width" in page.text
    assert "textwrap.shorten" in said.shown[0]["text/plain"]
    kept = person.type(
        "print(found.contexter.kind, len(found), set(found['library']), "
        "found.attrs['query'])"
    )
    assert kept.stdout == "search 2 {'textwrap'} shorten a text to a width\n"


def test_docs_asks_the_session_in_nb(person: Any, small_home: Path) -> None:
    """The magic uses the person's own session, found by the variable nb."""
    person.type("%docs request timeout -l httpx -o found")
    said = person.type("print(set(found['library']), nb.aio)")
    assert said.stdout.startswith("{'httpx'} ")
    assert str(small_home.resolve()) in said.stdout


def test_docs_as_a_cell_asks_its_text(person: Any) -> None:
    """A whole cell is the question, with the options on its first line."""
    said = person.type("%%docs -l json -n 1 -o found\nHow do I parse\na JSON document?")
    assert only_html(said).tags.count("pre") == 1
    kept = person.type("print(found.attrs['query'])")
    assert kept.stdout == "How do I parse a JSON document?\n"


@pytest.mark.parametrize(
    "question",
    [
        "what's a timeout",
        "don't shorten a user's text",
        "'tis a text",
        "the users' text",
        'a 5" text',
        "why doesn't dedent's text change",
    ],
)
def test_docs_takes_apostrophes_as_letters(person: Any, question: str) -> None:
    """A question is asked as it was written, and its options are still options."""
    said = person.type(f"%docs {question} -n 2 -o found")
    assert only_html(said).tags.count("pre") == 2
    kept = person.type("print(found.attrs['query'])")
    assert kept.stdout == f"{question}\n"


def test_docs_takes_options_before_the_question(person: Any) -> None:
    """Options may stand first, whatever quotes the question holds."""
    said = person.type("%docs -n 1 -m text why doesn't dedent's text change")
    assert only_html(said).tags.count("pre") == 1


def test_docs_explains_itself(person: Any) -> None:
    """A question mark shows what the magic does and every option."""
    said = person.type("%docs?")
    for words in ("Search the indexed documentation", "--library", "--limit", "-o"):
        assert words in said.pager


def test_docs_works_without_a_session_of_ones_own(
    person: Any, small_home: Path
) -> None:
    """Without nb the magic opens its own session, on the home of the environment."""
    said = person.type(
        "import os\n"
        "own, before = nb, os.environ['CONTEXTER_HOME']\n"
        f"nb, os.environ['CONTEXTER_HOME'] = None, {str(small_home)!r}\n"
    )
    assert said.status == "ok"
    said = person.type("%docs shorten a text -n 1")
    restored = person.type("nb, os.environ['CONTEXTER_HOME'] = own, before")
    assert restored.status == "ok"
    assert only_html(said).tags.count("pre") == 1


def test_a_session_and_cards_display_themselves(person: Any) -> None:
    """The last line of a cell shows the status card, or the cards."""
    assert "indexed" in only_html(person.type("nb")).text
    said = person.type("nb.search('shorten').contexter.cards(limit=2)")
    assert only_html(said).tags.count("pre") == 2


ERRORS = {
    "nb.search('')": "InvalidArgumentError: query is empty",
    "nb.search('a', mode='hybird')": "InvalidArgumentError: mode is 'hybird'",
    "nb.search('a', where={'libary': 'x'})": "InvalidArgumentError: where names an",
    "nb.index('textwarp')": "UnknownLibraryError: No installed library",
    "nb.similar('f' * 16)": "UnknownChunkError: No chunk ffffffffffffffff",
    "await nb.aio.search('')": "InvalidArgumentError: query is empty",
    "cx.connect(embedder='statci')": "InvalidArgumentError: embedder is 'statci'",
    "%docs a --library textwarp": "InvalidArgumentError: where names the library",
    "%docs": "InvalidArgumentError: %docs has no question; write it behind",
    "%docs ''": "InvalidArgumentError: %docs has no question; write it behind",
    '%docs -n 3 " "': "InvalidArgumentError: %docs has no question; write it behind",
    "nb.contents().contexter.cards()": "InvalidArgumentError: cards() shows hits",
}


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_is_one_line_without_library_frames(person: Any, code: str) -> None:
    """The front end prints class and sentence, and not a frame of the library."""
    said = person.type(code)
    assert said.status == "error"
    assert len(said.traceback) == 1, said.traceback
    (line,) = said.traceback
    assert line.startswith(ERRORS[code])
    assert line == said.error
    assert "\n" not in line
    assert "Traceback" not in line
    assert ".py" not in line


def test_an_error_with_a_cause_names_it_in_a_second_line(person: Any) -> None:
    """The system's own reason follows the sentence, and no frame."""
    person.type("open('plain_file_here', 'w').close()")
    said = person.type("cx.connect(home='plain_file_here/home')")
    person.type("import os; os.remove('plain_file_here')")
    assert len(said.traceback) == 2, said.traceback
    assert said.traceback[0].startswith("HomeError: home plain_file_here/home cannot")
    assert "caused by NotADirectoryError" in said.traceback[1]


def test_a_closed_session_says_so_in_one_line(person: Any) -> None:
    """Using a session after its end shows what to do."""
    said = person.type(
        "import tempfile\nwith cx.connect(home=tempfile.mkdtemp()) as gone: pass\n"
        "gone.search('a')"
    )
    assert said.traceback == [
        "SessionClosedError: This session is closed; open a new one with "
        "contexter_nb.connect()."
    ]


def test_indexing_leaves_no_noise_in_the_cell(person: Any, tmp_path: Path) -> None:
    """Indexing draws a bar and takes it away; the cell's own output is the report."""
    said = person.type(
        f"other = cx.connect(home={str(tmp_path)!r})\n"
        "report = other.index('textwrap')\n"
        "print(report['library'].tolist(), int(report['failed'].sum()))\n"
        "other.close();"
    )
    assert (said.status, said.stdout) == ("ok", "['textwrap'] 0\n")
    assert "Traceback" not in said.stderr


def test_the_nested_bridge_answers_in_cells_and_next_to_await(
    small_home: Path, tmp_path: Path
) -> None:
    """A session on the nested bridge is used plainly and awaited in one kernel."""
    from tests.fixtures import start_kernel

    with start_kernel(tmp_path) as kernel:
        ran = kernel.queue_cells(
            [
                "import contexter_nb as cx\n"
                f"nb = cx.connect(home={str(small_home)!r}, bridge='nested')\n"
                "one = nb.search('shorten a text')",
                "two = await nb.aio.search('shorten a text')",
                "print(one.equals(two), len(nb.contents()))",
            ],
            timeout=60,
        )
    assert [cell.status for cell in ran] == ["ok", "ok", "ok"], ran
    assert ran[2].stdout == "True 3\n"


_BAR = """
from contexter_nb.notebook._progress import SearchBar

class Hands:
    seconds = 0.0
    def now(self):
        return self.seconds

hands = Hands()
bar = SearchBar(4, hands)
"""


def test_a_bar_comes_only_where_searching_takes_a_while(person: Any) -> None:
    """Below two seconds nothing is shown; above, a bar that is blank when it ends."""
    assert person.type(_BAR + "bar.step()").shown == []
    shown = person.type("hands.seconds = 2.5; bar.step(); bar.step()").shown
    assert len(shown) == 1
    assert person.type("bar.close()").status == "ok"
