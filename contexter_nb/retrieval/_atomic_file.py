"""A file of ours that is replaced as a whole, whoever reads or writes it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import uuid
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file so that readers see the old or the new, never a part.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that is there; made with mode 0600.
    content : str or bytes
        A text is written as UTF-8.

    Raises
    ------
    OSError
        It cannot be written; what was there stays.

    Notes
    -----
    What a process that was killed had begun lies beside the file until that is written
    the next time; on Windows it stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "note")
    ...     write_atomically(path, "join")
    ...     path.read_text()
    'join'
    """
    data = content.encode() if isinstance(content, str) else content
    clear_unfinished(path)
    temporary, descriptor = _begun(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform != "win32":
                os.replace(temporary, path)  # while the lock holds
        if sys.platform == "win32":
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def clear_unfinished(path: Path) -> None:
    """Delete what was begun of a file by processes that were killed.

    Parameters
    ----------
    path : pathlib.Path
        Of the file; it is left alone itself, and what others are writing as well.
    """
    if sys.platform == "win32":
        return  # whoever writes cannot be told there from who was killed
    ours = re.compile(re.escape(path.name) + r"\.[0-9]+-[0-9a-f]{8}\.tmp")
    with contextlib.suppress(OSError):  # a later one clears it
        for name in os.listdir(path.parent):
            if ours.fullmatch(name):
                _clear(path.with_name(name))


def _clear(unfinished: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(unfinished, os.O_WRONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unfinished.unlink()
        finally:
            os.close(descriptor)


def _begun(path: Path) -> tuple[Path, int]:
    """Return a new file beside one, held by a lock that ends with the process."""
    while True:
        # Named by process and chance: two threads may write the same file at once.
        chance = uuid.uuid4().hex[:8]
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{chance}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if _is_held(descriptor):
            return temporary, descriptor
        os.close(descriptor)  # taken for a killed one's before it was locked


def _is_held(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here: nobody clears anything either
        return True
    return os.fstat(descriptor).st_nlink > 0
