"""A bar for indexing, where a person looks at it."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from contexter_nb.core import Clock
from contexter_nb.retrieval import Progress

_PATIENCE_SECONDS = 2.0


def in_kernel() -> bool:
    """Whether this runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _tqdm() -> Any:
    with warnings.catch_warnings():
        # Without ipywidgets it says so and falls back to text, which is what we want.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

        return tqdm


def _undisplayed() -> dict[str, bool]:
    """Return what keeps a widget bar from displaying itself; a text bar has none."""
    from tqdm.notebook import tqdm_notebook

    return {"display": False} if issubclass(_tqdm(), tqdm_notebook) else {}


class ProgressBar:
    """Shows documents, passages and the time left; gone when the library is done.

    Parameters
    ----------
    whose : str
        Put in front, where the index is not the session's own.
    """

    def __init__(self, whose: str = "") -> None:
        self._whose = whose
        self._bar: Any = None
        self._handle: Any = None
        self._library = ""

    def __call__(self, progress: Progress) -> None:
        """Draw one step."""
        if progress.library != self._library:
            self.close()
            self._library = progress.library
        if progress.stage == "done":
            self.close()
            return
        if self._bar is None:
            self._begin()
        bar = self._bar
        if progress.stage == "embedding":
            if bar.total != progress.chunks:
                bar.reset(total=progress.chunks)
            bar.set_description_str(
                f"{self._whose}{progress.library}: {progress.documents:,} documents",
                refresh=False,
            )
            bar.update(progress.chunks_done - bar.n)
        else:
            seen = f" {progress.documents:,} documents" if progress.documents else ""
            verb = "reading" if progress.stage == "collecting" else "cutting"
            bar.set_description_str(f"{self._whose}{progress.library}: {verb}{seen}")

    def _begin(self, unit: str = " passages", total: int | None = None) -> None:
        options: dict[str, Any] = {"unit": unit, "leave": False, "total": total}
        if not in_kernel():
            self._bar = _tqdm()(**options, dynamic_ncols=True, disable=None)
            return
        self._bar = _tqdm()(**options, disable=False, **_undisplayed())
        container = getattr(self._bar, "container", None)
        if container is not None:
            from IPython.display import display

            self._handle = display(container, display_id=True)

    def close(self) -> None:
        """Take the bar away, also from the notebook as it will be saved."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._handle is not None:
            # A closed widget would be an error message when the notebook is reopened.
            self._handle.update({"text/plain": ""}, raw=True)
            self._handle = None


class SearchBar(ProgressBar):
    """Shows the searches of a job that takes a while; a short one has no bar.

    Parameters
    ----------
    total : int
        How many searches there will be.
    clock : Clock
        Tells when it has taken a while.
    """

    def __init__(self, total: int, clock: Clock) -> None:
        super().__init__()
        self._total = total
        self._clock = clock
        self._started = clock.now()
        self._done = 0

    def step(self) -> None:
        """Count one search."""
        self._done += 1
        if self._bar is None:
            if self._clock.now() - self._started < _PATIENCE_SECONDS:
                return
            self._begin(" searches", self._total)
        self._bar.update(self._done - self._bar.n)
