"""`python -m contexter_nb "question"`: the hits, in a terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contexter_nb.core import ContexterError
from contexter_nb.notebook._cards import shortened
from contexter_nb.notebook._session import Session, connect
from contexter_nb.retrieval import find, name_of

if TYPE_CHECKING:
    import pandas as pd

# What the first question is asked of where nothing is indexed yet: the best known
# libraries of those that are installed.
STARTERS = ("pandas", "numpy")
_TEXT_CHARS = 240


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer a question in the terminal and return the exit code.

    Hits go to standard output, notices and errors to standard error. A library that
    is asked for is indexed first where it is not yet. Where none is asked for and
    nothing is indexed, pandas and numpy are (if neither is installed, ``python``).

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; None takes that of the process.

    Returns
    -------
    int
        0 for an answer, also one without hits; 1 for an error of this package, told in
        one line; 130 for an interrupt.

    Raises
    ------
    SystemExit
        By argparse: code 2 for a wrong command line, 0 after ``--help``.
    """
    options = _parser().parse_args(arguments)
    try:
        with connect(home=options.home) as session:
            asked = [_named(each) for each in options.library or ()] or None
            _index(session, options.library)
            where = {"library": asked} if asked else None
            hits = session.search(
                " ".join(options.question), limit=options.limit, where=where
            )
            print(_page(hits), flush=True)
    except ContexterError as error:
        print(f"contexter_nb: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("contexter_nb: interrupted; run it again to go on.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m contexter_nb",
        description="Ask the documentation of the installed libraries.",
    )
    parser.add_argument("question", nargs="+", help="in your own words")
    parser.add_argument(
        "-l",
        "--library",
        action="append",
        help="ask this library (indexed where it is not yet); may be repeated",
    )
    parser.add_argument("-n", "--limit", type=int, default=5, help="hits (5)")
    parser.add_argument("--home", help="folder of the index (CONTEXTER_HOME)")
    return parser


def _index(session: Session, libraries: list[str] | None) -> None:
    """Index what is asked for, or on first use something to begin with."""
    indexed = set(session.contents()["library"])
    if libraries is None:
        wanted = [] if indexed else _starters()
    else:
        wanted = [name for name in libraries if _named(name) not in indexed]
    if not wanted:
        return
    print(f"Indexing {', '.join(wanted)} (once) …", file=sys.stderr)
    report = session.index(wanted)
    for row in report[report["error"].notna()].itertuples():
        print(f"  {row.document}: {row.error}", file=sys.stderr)


def _named(name: str) -> str:
    try:
        found = find(name)
    except ContexterError:
        return name
    return found if isinstance(found, str) else name_of(found)


def _starters() -> list[str]:
    found = []
    for name in STARTERS:
        try:
            find(name)
        except ContexterError:
            continue
        found.append(name)
    return found or ["python"]


def _page(hits: pd.DataFrame) -> str:
    width = min(shutil.get_terminal_size((88, 24)).columns, 100)
    blocks = []
    for hit in hits.itertuples():
        version = f"{hit.library} {hit.version}".strip()
        head = f"{hit.rank}. {hit.title}  ({version}, {hit.kind})"
        body = " ".join(shortened(str(hit.text), _TEXT_CHARS).split())
        blocks.append(
            f"{head}\n{textwrap.indent(textwrap.fill(body, width - 3), '   ')}"
        )
    return "\n\n".join(blocks) if blocks else "No hits."
