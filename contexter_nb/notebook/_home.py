"""The folder that keeps the index and the embeddings between kernels."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

from contexter_nb.core import HomeError

VARIABLE = "CONTEXTER_HOME"


def shown(home: Path) -> str:
    """Return a home as a person writes it: with ``~`` for their own folder.

    Examples
    --------
    >>> shown(Path.home() / "notes") == str(Path("~", "notes"))
    True
    """
    own = Path.home()
    return (
        str(Path("~", home.relative_to(own))) if home.is_relative_to(own) else str(home)
    )


def find_home(home: str | os.PathLike[str] | None) -> Path:
    """Return the home folder, made where it is missing.

    Parameters
    ----------
    home : path-like or None
        The folder; None takes the environment's ``CONTEXTER_HOME``, else the
        platform's user data folder.

    Raises
    ------
    HomeError
        It is a file, or cannot be made or written.
    """
    chosen = home if home is not None else os.environ.get(VARIABLE) or None
    try:
        path = Path(chosen).expanduser() if chosen else user_data_path("contexter_nb")
    except (TypeError, RuntimeError) as exc:
        raise HomeError(
            f"home {chosen!r} is no folder's path; give one with connect(home=...)."
        ) from exc
    if os.path.isfile(path):
        raise HomeError(
            f"home {path} is a file; give a folder, as connect(home='~/contexter')."
        )
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, ValueError) as exc:
        shown = str(path)[:200].replace("\0", "\\0")
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise HomeError(
            f"home {shown} cannot be created ({reason}); give another folder "
            f"with connect(home=...) or the variable {VARIABLE}."
        ) from exc
    if not os.access(path, os.W_OK | os.X_OK):
        raise HomeError(
            f"home {path} is read-only; give another folder with connect(home=...) or "
            f"the variable {VARIABLE} (readers of an index write locks there)."
        )
    return path.resolve()
