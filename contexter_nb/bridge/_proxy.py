"""The synchronous face of an object with async methods."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any

from contexter_nb.bridge._bridge import Bridge
from contexter_nb.bridge._context import OwnedContext
from contexter_nb.bridge._default import default_bridge

_END = object()
_CALL = "__call__"


class SyncProxy:
    """Stand in for an object, its coroutine methods being plain ones.

    Made by `sync`, which says what is changed and what passes through.
    """

    __slots__ = ("__weakref__", "_bridge", "_contexts", "_target")

    _bridge: Bridge
    _contexts: list[OwnedContext]
    _target: Any

    def __init__(self, target: Any, bridge: Bridge) -> None:
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_bridge", bridge)
        object.__setattr__(self, "_contexts", [])

    def __getattr__(self, name: str) -> Any:
        # A rich repr of the target may show a key, which our plain one never does.
        if name.startswith(("_repr_", "_ipython_display_", "__")):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        value = getattr(self._target, name)
        return _plain(value, self._bridge) if _is_method(value) else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._target, name)

    def __dir__(self) -> list[str]:
        return dir(self._target)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, Bridge]]:
        return sync, (self._target, self._bridge)

    def __repr__(self) -> str:
        return f"<sync face of {_name_of(type(self._target))}>"


def sync(target: Any, bridge: Bridge | None = None) -> Any:
    """Return the synchronous face of `target`, for a cell that does not await.

    Coroutine methods become plain methods, an async context manager a plain one, and
    async iterators, also those which methods return, plain iterators. Attributes,
    results and other methods are the target's own; wrap a result in `sync` again
    where its methods are async, too. What a `with` block gives is wrapped already.

    Parameters
    ----------
    target : object
        A client, say; it is used on one loop from every thread.
    bridge : Bridge, optional
        The default bridge if None.

    Returns
    -------
    SyncProxy
        With the target's completion, docstrings and signatures; its repr names the
        type of the target only.

    Examples
    --------
    >>> class Counter:
    ...     async def double(self, number):
    ...         return 2 * number
    >>> sync(Counter()).double(21)
    42
    """
    if isinstance(target, SyncProxy):
        return target
    return _face_of(type(target))(target, bridge or default_bridge())


def _is_method(value: Any) -> bool:
    if inspect.isroutine(value):
        return True
    return inspect.iscoroutinefunction(getattr(type(value), _CALL, None))


def _plain(method: Callable[..., Any], bridge: Bridge) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return _converted(method(*args, **kwargs), bridge)

    return call


def _converted(result: Any, bridge: Bridge) -> Any:
    if isinstance(result, Awaitable):
        result = bridge.run(result)
    return sync(result, bridge) if _is_async_block(type(result)) else result


def _is_async_block(kind: type) -> bool:
    return any(hasattr(kind, name) for name in ("__aenter__", "__aiter__"))


def _is_async(kind: type) -> bool:
    return _is_async_block(kind) or any(
        inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
        for _, value in inspect.getmembers_static(kind)
    )


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _enter(self: SyncProxy) -> Any:
    context = OwnedContext(self._target, self._bridge)
    value = context.enter()
    self._contexts.append(context)
    if value is self._target:
        return self
    return sync(value, self._bridge) if _is_async(type(value)) else value


def _exit(
    self: SyncProxy,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> bool:
    return self._contexts.pop().leave((kind, error, traceback))


def _iter(self: SyncProxy) -> Any:
    iterator = aiter(self._target)
    return self if iterator is self._target else sync(iterator, self._bridge)


def _next(self: SyncProxy) -> Any:
    item = self._bridge.run(_item_of(self._target))
    if item is _END:
        raise StopIteration
    return item


async def _item_of(iterator: AsyncIterator[Any]) -> Any:
    return await anext(iterator, _END)


def _passed(name: str) -> Callable[..., Any]:
    def call(self: SyncProxy, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self._target, name)
        return _converted(method(*args, **kwargs), self._bridge)

    return call


_BLOCKS: dict[str, dict[str, Callable[..., Any]]] = {
    "__aenter__": {"__enter__": _enter, "__exit__": _exit},
    "__aiter__": {"__iter__": _iter},
    "__anext__": {"__next__": _next},
}
_PASSED = ("__call__", "__contains__", "__getitem__", "__len__")


_faces: weakref.WeakKeyDictionary[type, type[SyncProxy]] = weakref.WeakKeyDictionary()


def _face_of(kind: type) -> type[SyncProxy]:
    """Return a proxy type with just the special methods that `kind` can serve.

    Python looks those up on the type, so `__getattr__` would not be asked, and a
    type which had them all would call everything iterable.
    """
    face = _faces.get(kind)
    if face is None:
        face = _faces[kind] = _new_face(kind)
    return face


def _new_face(kind: type) -> type[SyncProxy]:
    special: dict[str, Any] = {
        name: _passed(name) for name in _PASSED if hasattr(kind, name)
    }
    for name, methods in _BLOCKS.items():
        if hasattr(kind, name):
            special |= methods
    return type(
        "SyncProxy",
        (SyncProxy,),
        {"__doc__": kind.__doc__, "__module__": __name__, "__slots__": (), **special},
    )
