"""What every live panel does: show itself, keep itself up to date, stop, and freeze.

Callbacks may come on any thread. They change the view, a frozen value, under a lock;
only the loop thread writes to widgets, since traitlets are not made for two writers.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from contexter_nb.core import InvalidArgumentError, SessionClosedError, scrub
from contexter_nb.dashboards._look import escape, stylesheet
from contexter_nb.dashboards._refresher import Reading, refresher_of
from contexter_nb.notebook import Feed

View = TypeVar("View")

BEAT_SECONDS = 10.0
# A tab in the background may be let run once a minute only.
PAGE_GONE_SECONDS = 150.0
FIRST_READING_SECONDS = 10.0
_HANDLES = 20
_log = logging.getLogger(__name__)


def load_widgets() -> Any:
    """Return ipywidgets.

    Raises
    ------
    InvalidArgumentError
        It is not installed.
    """
    try:
        return import_module("ipywidgets")
    except ImportError as exc:
        raise InvalidArgumentError(
            "Dashboards need ipywidgets; install it with "
            'pip install "contexter_nb[lab]".'
        ) from exc


class Panel(ABC):
    """A live panel over a session. Shows itself as the last line of a cell.

    It looks once a second while one of its views is on a page, and not otherwise.

    Parameters
    ----------
    feed : Feed
        The session's.
    view : object
        What is chosen to begin with, a frozen value.

    Raises
    ------
    InvalidArgumentError
        ipywidgets is not installed.
    SessionClosedError
        The session is closed.
    """

    title = ""
    verb = ""

    def __init__(self, feed: Feed, view: Any) -> None:
        if feed.closed:
            raise SessionClosedError(
                "This session is closed; open a new one with contexter_nb.connect()."
            )
        self._widgets = load_widgets()
        self._feed = feed
        self._refresher = refresher_of(feed)
        # Reentrant: a widget's callback may run while this thread draws.
        self._lock = threading.RLock()
        self._view = view
        self._seen: Any = None
        self._problem = ""
        self._failing = ""
        self._paused = False
        self._closed = False
        self._beat_at = float("-inf")
        self._handles: deque[Any] = deque(maxlen=_HANDLES)
        self._build()
        feed.run(self.refresh(Reading()), FIRST_READING_SECONDS)

    # What a panel is made of

    @abstractmethod
    def _parts(self) -> Iterable[Any]:
        """Return the widgets of the body, from top to bottom."""

    @abstractmethod
    async def _read(self, reading: Reading) -> Any:
        """Return what is to be shown, a frozen value."""

    def _look_back(self, seen: Any) -> Any:
        """Return what was read last, for the view as it is now: the session closed."""
        return seen

    @abstractmethod
    def _draw(self) -> None:
        """Write what was read into the widgets; on the loop thread only."""

    @abstractmethod
    def _column_style(self) -> str:
        """Return the rules of the columns of the tables as CSS."""

    @abstractmethod
    def _picture(self) -> str:
        """Return the body as HTML that needs no kernel, no script and no style."""

    @abstractmethod
    def _text(self) -> str:
        """Return the panel for a terminal."""

    def _build(self) -> None:
        widgets = self._widgets
        style = self._html(self._style())
        style.add_class("cx-hidden")
        self._status = self._html("", "cx-status")
        # A page that is gone cannot say so: it beats, and then it beats no more.
        self._beat = widgets.Play(min=0, max=10**9, interval=round(BEAT_SECONDS * 1000))
        self._beat.add_class("cx-hidden")
        self._beat._view_count = 0
        self._beat.observe(self._guarded(self._start_beat), "_view_count")
        self._beat.observe(self._guarded(self._hear_beat), "value")
        self._pause_button = widgets.Button(
            description="Pause", tooltip="Stop refreshing, or go on"
        )
        self._pause_button.on_click(self._guarded(self._toggle_pause))
        self._root = widgets.VBox([style, self._beat, *self._parts()])
        self._root.add_class("cx")
        self._root.add_class("cx-panel")
        self._root._view_count = 0
        self._root.observe(self._guarded(self._see_views), "_view_count")

    def _html(self, value: str, *classes: str) -> Any:
        found = self._widgets.HTML(value)
        for each in classes:
            found.add_class(each)
        return found

    def _row(self, *children: Any, kind: str) -> Any:
        row = self._widgets.Box(children)
        row.add_class("cx-row")
        row.add_class(kind)
        return row

    # What a person may do with it

    @property
    def widget(self) -> Any:
        """The widget itself, to be put into a layout of one's own."""
        return self._root

    @property
    def paused(self) -> bool:
        """Whether `pause` was called."""
        return self._paused

    @property
    def closed(self) -> bool:
        """Whether it was closed or frozen."""
        return self._closed

    @property
    def problem(self) -> str:
        """What went wrong last and is still shown; empty where nothing is."""
        return self._problem or self._failing

    def pause(self) -> None:
        """Refresh no more until `resume`."""
        self._paused = True
        self._redraw()

    def resume(self) -> None:
        """Refresh again, while it is shown."""
        self._paused = False
        self._watch()
        self._redraw()

    def close(self) -> None:
        """Stop, and leave one line where it was shown; again does nothing."""
        if not self._closed:
            note = f"{self.title}: closed; nb.{self.verb}() opens it again."
            self._end({"text/html": f"<p>{escape(note)}</p>", "text/plain": note})

    def freeze(self) -> None:
        """Replace the panel, wherever it is shown, by a picture of it as it is now.

        The picture needs no kernel: it stays readable in a notebook that is saved, put
        on GitHub or opened by somebody else. Afterwards the panel is closed.
        """
        if not self._closed:
            self._look_again()
            self._end({"text/html": self._static(), "text/plain": self._text()})

    def to_html(self, path: str | Path) -> Path:
        """Write a picture of the panel into a file that opens anywhere, offline.

        Parameters
        ----------
        path : path-like
            Replaced where it exists.

        Returns
        -------
        pathlib.Path
            The file.
        """
        if not self._closed:
            self._look_again()
        file = Path(path)
        file.write_text(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{escape(self.title)}</title></head>"
            f'<body class="cx cx-page">{self._static()}</body></html>\n',
            encoding="utf-8",
        )
        return file

    # How it shows itself

    def _ipython_display_(self) -> None:
        from IPython.display import display

        self._look_again()
        handle = display(self._repr_mimebundle_(), raw=True, display_id=True)
        if not self._closed:
            self._handles.append(handle)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, Any]:
        bundle = {"text/plain": self._text(), "text/html": self._static()}
        if not self._closed:
            bundle |= self._root._repr_mimebundle_() | {"text/plain": self._text()}
        return bundle

    def __repr__(self) -> str:
        """Return the panel for a terminal."""
        return self._text()

    def _style(self) -> str:
        columns = f"<style>{self._column_style()}</style>"
        return stylesheet() + stylesheet("panels") + columns

    def _static(self) -> str:
        return (
            f'<div class="cx cx-panel cx-static">{self._style()}{self._picture()}</div>'
        )

    # How it is kept up to date

    def is_watched(self, now: float) -> bool:
        """Tell whether somebody looks at it and it is to be refreshed.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        return (
            not self._closed
            and not self._paused
            and bool(self._root._view_count)
            and now - self._beat_at < PAGE_GONE_SECONDS
        )

    async def refresh(self, reading: Reading) -> None:
        """Read and draw; what fails is shown in the panel, and raised nowhere.

        Parameters
        ----------
        reading : Reading
            Of this beat.
        """
        if self._closed:
            return
        try:
            if not self._feed.closed:
                self._seen = await self._read(reading)
            elif self._seen is not None:
                self._seen = self._look_back(self._seen)
            self._failing = ""
        except Exception as exc:
            _log.debug("A panel could not be refreshed.", exc_info=True)
            self._failing = sentence(exc)
        self._draw_safely()

    def _draw_safely(self) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                if self._seen is not None:
                    self._draw()
            except Exception as exc:
                _log.debug("A panel could not be drawn.", exc_info=True)
                self._failing = sentence(exc)
            if self._feed.closed:
                self._paused = True
            self._pause_button.description = "Resume" if self._paused else "Pause"
            self._pause_button.disabled = self._feed.closed
            self._status.value = status_html(
                session_closed=self._feed.closed,
                paused=self._paused,
                problem=self.problem,
            )

    def _redraw(self) -> None:
        """Read and draw now, whether anybody looks or not; returns at once."""
        self._feed.submit(self.refresh(Reading()))

    def _look_again(self) -> None:
        """Read and draw now, and wait for it; keep what was there where that fails."""
        try:
            self._feed.run(self.refresh(Reading()), FIRST_READING_SECONDS)
        except Exception as exc:
            self._problem = sentence(exc)

    def _watch(self) -> None:
        if self.is_watched(self._feed.clock.now()):
            self._refresher.watch(self)

    # What the front end tells, on any thread

    def _guarded(self, react: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a callback whose failure is shown: ipywidgets would hide it."""

        def callback(event: Any) -> None:
            try:
                react(event)
            except Exception as exc:
                _log.debug("A callback of a panel failed.", exc_info=True)
                self._problem = sentence(exc)
                self._redraw()

        return callback

    def _choose(self, change: Callable[[Any], Any]) -> None:
        """Put the view through a pure transition and show what that gives."""
        with self._lock:
            self._view = change(self._view)
            self._problem = ""
        self._redraw()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that takes time on the loop thread; its failure is shown."""

        async def done() -> None:
            try:
                await work
            except Exception as exc:
                _log.debug("What a panel was asked to do failed.", exc_info=True)
                self._problem = sentence(exc)
                self._redraw()

        self._feed.submit(done())

    def _see_views(self, event: Any) -> None:
        now = self._feed.clock.now()
        gone = now - self._beat_at >= PAGE_GONE_SECONDS
        self._beat_at = now
        if gone and event["new"] > 1:
            # Those counted before were on a page that went without a word.
            self._root._view_count = 1
        elif 0 < event["new"] < event["old"]:
            self._begin(self._call_the_roll())
        self._watch()

    async def _call_the_roll(self) -> None:
        """Let only pages that still have a view go on beating.

        Those that are counted may be of a page that was loaded anew. Every page stops
        at its next beat; where there is a view, it begins again.
        """
        self._beat.playing = False
        await self._feed.clock.sleep(self._beat.interval / 1000 + 1.0)
        if not self._closed:
            self._beat.playing = True

    def _start_beat(self, event: Any) -> None:
        if event["new"] > event["old"]:
            # A page begins to count when it is told, not when it finds it so.
            self._beat.playing = False
            self._beat.playing = True

    def _hear_beat(self, event: Any) -> None:
        self._beat_at = self._feed.clock.now()
        self._watch()

    def _toggle_pause(self, event: Any) -> None:
        if self._paused:
            self.resume()
        else:
            self.pause()

    def _end(self, bundle: dict[str, str]) -> None:
        with self._lock:
            self._closed = True
        for handle in self._handles:
            handle.update(bundle, raw=True)
        self._handles.clear()
        close_all(self._root)


def close_all(widget: Any) -> None:
    """Close a widget and all that it holds, so that the kernel forgets them.

    Parameters
    ----------
    widget : ipywidgets.Widget
    """
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in ("layout", "style"):
        if widget.has_trait(part):
            getattr(widget, part).close()
    widget.close()


def sentence(error: BaseException) -> str:
    """Return what an error says, without secrets, at most 300 characters."""
    said = scrub(str(error)).strip() or "no more is known"
    return f"{type(error).__name__}: {said}"[:300]


def status_html(*, session_closed: bool, paused: bool, problem: str) -> str:
    """Return the line that says whether the panel lives and what went wrong.

    Parameters
    ----------
    session_closed, paused : bool
    problem : str
        Empty where nothing went wrong.
    """
    if session_closed:
        state, kind = "session closed: these are its last numbers", "off"
    elif paused:
        state, kind = "paused", "off"
    else:
        state, kind = "live", "live"
    shown = f'<span class="cx-dot cx-{kind}"></span><span>{state}</span>'
    if problem:
        shown += f'<span class="cx-problem" role="alert">▲ {escape(problem)}</span>'
    return f'<div class="cx-state" role="status">{shown}</div>'
