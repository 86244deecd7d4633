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
    path = os.fspath(value)
    if not path:
        raise InvalidArgumentError(f"{name} is empty; name one, as {example!r}.")
    if not isinstance(path, str) or "\0" in path:
        raise InvalidArgumentError(
            f"{name} is {path[:60]!r}, which names nothing; name one, as {example!r}."
        )
    try:
        return Path(path).expanduser()
    except RuntimeError:  # it begins with the home of somebody unknown
        return Path(path)


def check_file(name: str, value: object, example: str) -> Path:
    """Return where a file is or will be, as a person names it; a folder is refused."""
    path = check_path(name, value, example)
    if os.path.isdir(path):
        raise InvalidArgumentError(
            f"{name} is {os.fspath(path)[-60:]!r}, a folder; name a file in it, as "
            f"{example!r}."
        )
    return path


def make_folder(path: Path) -> None:
    """Make a folder where there is none."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidArgumentError(
            f"The folder {path.name[:60]} cannot be made ({exc.strerror}); name "
            "another."
        ) from exc


def write_text(path: Path, text: str) -> None:
    """Write or replace a file."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidArgumentError(
            f"{path.name[:60]} cannot be written ({exc.strerror}); name a file in a "
            "folder that is there."
        ) from exc
