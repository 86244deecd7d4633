"""Files that a person names for a verb to write."""

from __future__ import annotations

import os
from pathlib import Path

from contexter_nb.core import InvalidArgumentError, type_in_words


def check_path(name: str, value: object, example: str) -> Path:
    """Return where a file or folder is, as a person names it."""
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"{name} is {type_in_words(value)}; name one, as {example!r}."
        )
    if not os.fspath(value):
        raise InvalidArgumentError(f"{name} is empty; name one, as {example!r}.")
    return Path(value).expanduser()


def make_folder(path: Path) -> None:
    """Make a folder where there is none."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidArgumentError(
            f"The folder {path.name} cannot be made ({exc.strerror}); name another."
        ) from exc


def write_text(path: Path, text: str) -> None:
    """Write or replace a file."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidArgumentError(
            f"{path.name} cannot be written ({exc.strerror}); name a file in a folder "
            "that is there."
        ) from exc
