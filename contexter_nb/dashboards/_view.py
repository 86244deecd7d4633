"""What a person holds in a cell: shown live where that can be, and as a picture."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from contexter_nb.bridge import default_bridge
from contexter_nb.core import InvalidArgumentError
from contexter_nb.dashboards._freeze import Displays

if TYPE_CHECKING:
    import pandas as pd

    from contexter_nb.notebook import Session


class Desk(Protocol):
    """Owns a state, and changes it on the loop of the session's clients."""

    @property
    def state(self) -> Any:
        """Everything that is shown."""

    def take(self, message: Mapping[str, Any]) -> Coroutine[Any, Any, None]:
        """Do what a browser asks."""

    def refresh(self) -> Coroutine[Any, Any, None]:
        """Show the state once more."""

    def leave(self) -> Coroutine[Any, Any, None]:
        """End what is under way."""


class View(ABC):
    """A desk's state on display: its widget, its picture, its text.

    Parameters
    ----------
    session : Session
        Who answers.
    """

    _desk: Desk

    def __init__(self, session: Session) -> None:
        self._session = session
        self._displays = Displays()
        self._screen: Any = None

    @abstractmethod
    def _new_screen(self) -> Any:
        """Return the widget's owner; ImportError where anywidget is not installed."""

    @abstractmethod
    def _snapshot(self) -> str:
        """Return the picture as a piece of HTML."""

    @abstractmethod
    def _page(self) -> str:
        """Return the picture as a page."""

    @property
    def judgments(self) -> pd.DataFrame:
        """Return what was judged in this home, as ``nb.judgments()`` does."""
        return self._session.judgments()

    @property
    def widget(self) -> Any:
        """Return the widget itself, for a layout of ipywidgets.

        Raises
        ------
        InvalidArgumentError
            anywidget is not installed.
        """
        if self._screen is None:
            try:
                self._screen = self._new_screen()
            except ImportError as exc:
                raise InvalidArgumentError(
                    "The live view needs anywidget; pip install anywidget. The frames, "
                    "as explorer.judgments, are there without it."
                ) from exc
            # What changed while it was made.
            default_bridge().submit(self._desk.refresh())
        return self._screen.widget

    def freeze(self) -> None:
        """Replace the view, wherever it is displayed, by a still picture of itself.

        The picture holds no script and needs no kernel: a saved notebook keeps it. The
        explorer stays usable and can be displayed again.
        """
        self._displays.replace(self._snapshot(), repr(self))

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the picture as a page of its own, which loads nothing.

        Parameters
        ----------
        path : path-like, optional
            Where to write it, too.
        """
        page = self._page()
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def close(self) -> None:
        """End what is under way and take the live view out of the notebook."""
        default_bridge().run(self._desk.leave())
        if self._screen is not None:
            self._screen.widget.close()
            self._screen = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        try:
            bundle = self.widget._repr_mimebundle_()
        except InvalidArgumentError:
            bundle = None
        if isinstance(bundle, tuple):
            data, metadata = map(dict, bundle)
        elif bundle is not None:
            data = dict(bundle)
        data["text/html"] = self._snapshot()
        data["text/plain"] = repr(self)
        return data, metadata

    def _ipython_display_(self) -> None:
        self._displays.show(*self._repr_mimebundle_())

    def _show(self, state: Any) -> None:
        if self._screen is not None:
            self._screen.show(state)

    def _take(self, message: Mapping[str, Any]) -> None:
        """Hand a message to the desk; the callback must neither wait nor fail."""
        default_bridge().submit(self._desk.take(message))
