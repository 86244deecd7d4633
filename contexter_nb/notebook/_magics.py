"""`%docs` and `%%docs`: a question without a line of Python."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from contexter_nb.core import InvalidArgumentError
from contexter_nb.notebook._cards import Cards
from contexter_nb.notebook._session import Session, connect

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_DEFAULT_LIMIT = 5
_USE = (
    "%docs has no question; write it behind, as in: %docs join two tables (%docs? "
    "shows the options)."
)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to a shell: ``%load_ext contexter_nb``.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        Gets `%docs` and `%%docs`; IPython passes its own. Their session is the
        variable `nb` of that shell, else one opened with the first question.
    """
    from IPython.core.magic import Magics, line_cell_magic, magics_class
    from IPython.core.magic_arguments import (
        argument,
        magic_arguments,
    )

    @magics_class
    class DocsMagics(Magics):
        """The magics of contexter_nb."""

        @line_cell_magic
        @magic_arguments()
        @argument("question", nargs="*", help="what is sought, in your own words")
        @argument("-l", "--library", action="append", help="search in this one only")
        @argument("-n", "--limit", type=int, default=_DEFAULT_LIMIT, help="hits")
        @argument("-m", "--mode", default="hybrid", help="hybrid, dense or text")
        @argument("-o", "--output", help="put the frame into this variable")
        def docs(self, line: str, cell: str | None = None) -> Cards:
            """Search the indexed documentation and show the hits as cards.

            Uses the session in the variable `nb` where there is one.
            """
            options = self.docs.parser.parse_args(_words(line))
            words = [*options.question, *(cell or "").split()]
            if not words:
                raise InvalidArgumentError(_USE)
            where = {"library": options.library} if options.library else None
            hits = _session(self.shell).search(
                " ".join(words), limit=options.limit, mode=options.mode, where=where
            )
            if options.output:
                self.shell.user_ns[options.output] = hits
            return Cards(hits, options.limit)

    shell.register_magics(DocsMagics)


def _words(line: str) -> list[str]:
    """Return the words of a line; those in quotes are one, and empty ones none."""
    try:
        words = shlex.split(line, posix=False)
    except ValueError:
        return line.split()
    bare = (
        each[1:-1]
        if each[0] in "'\"" and len(each) > 1 and each[0] == each[-1]
        else each
        for each in words
    )
    return [each for each in bare if each.strip()]


_KEPT: list[Session] = []


def _session(shell: Any) -> Session:
    """Return the person's session, else one of our own."""
    own = shell.user_ns.get("nb")
    if isinstance(own, Session):
        return own
    if not _KEPT:
        _KEPT.append(connect())
    return _KEPT[0]
