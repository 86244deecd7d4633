"""The error tree.

ContexterError
├── InvalidArgumentError (ValueError)   an argument cannot be used as it is
│   ├── UnknownLibraryError             no such installed library, module or file
│   └── UnknownChunkError               no such chunk in the index
├── SourceError                         documentation could not be collected
├── EmbedderError                       a text could not be embedded
├── EmptyIndexError                     nothing is indexed yet
├── IndexMismatchError                  the index was built by other means
├── HomeError (OSError)                 the home folder cannot be used
├── BridgeError (RuntimeError)          a synchronous call was made where it cannot be
└── SessionClosedError (RuntimeError)   the session was closed
"""

from __future__ import annotations


class ContexterError(Exception):
    """Root of every error this package raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show one sentence and its cause, not library frames."""
        lines = [f"{type(self).__name__}: {self}"]
        cause = self.__cause__
        while cause is not None:
            lines.append(f"  caused by {type(cause).__name__}: {str(cause)[:500]}")
            cause = cause.__cause__
        return lines


class InvalidArgumentError(ContexterError, ValueError):
    """An argument cannot be used as it is; the message says what would do."""


class UnknownLibraryError(InvalidArgumentError):
    """No installed library, module, file or folder has this name."""


class UnknownChunkError(InvalidArgumentError):
    """No chunk with this id is in the index."""


class SourceError(ContexterError):
    """Documentation could not be collected from a source."""


class EmbedderError(ContexterError):
    """An embedder failed, or answered vectors of the wrong count or dimension."""


class EmptyIndexError(ContexterError):
    """Nothing is indexed yet, so there is nothing to search."""


class IndexMismatchError(ContexterError):
    """The index was built with another embedder, dimension or chunking."""


class HomeError(ContexterError, OSError):
    """The home folder cannot be created, read or written."""


class BridgeError(ContexterError, RuntimeError):
    """A synchronous call was made from a place where it would never return."""


class SessionClosedError(ContexterError, RuntimeError):
    """The session was closed; open a new one."""
