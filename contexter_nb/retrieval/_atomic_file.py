"""A file of ours that is replaced as a whole, whoever reads or writes it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


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
    # Named by process and chance: two threads may write the same file at once.
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
