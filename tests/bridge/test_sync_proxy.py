"""The synchronous face of any object with async methods."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import copy
import inspect
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Self

import pytest

from contexter_nb.bridge import LoopThread, SyncProxy, default_bridge, sync

SECRET = "sk-very-secret"


class Client:
    """A client of nothing."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.limit = 3

    def __repr__(self) -> str:
        return f"Client(key={SECRET!r})"

    def _repr_html_(self) -> str:
        return SECRET

    async def __aenter__(self) -> Self:
        self.events.append("enter")
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        self.events.append(f"exit {error!r}")

    async def fetch(self, name: str, *, limit: int = 10) -> str:
        """Fetch a thing by its name."""
        await asyncio.sleep(0)
        return f"{name} {limit}"

    async def fail(self) -> None:
        raise LookupError("gone")

    async def items(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield number
        finally:
            self.events.append("items closed")

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[Stream]:
        self.events.append("open")
        try:
            yield Stream()
        finally:
            self.events.append("closed")

    @contextlib.asynccontextmanager
    async def deadline(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(seconds):
            yield

    @contextlib.asynccontextmanager
    async def forgiving(self) -> AsyncIterator[None]:
        with contextlib.suppress(LookupError):
            yield

    def plain(self) -> int:
        return 7

    async def thread(self) -> int:
        return threading.get_ident()


class Stream:
    async def read(self) -> bytes:
        return b"all"


class Cursor:
    """Iterable, indexable, callable: all by special methods."""

    def __init__(self) -> None:
        self._left = 2

    def __aiter__(self) -> Cursor:
        return self

    async def __anext__(self) -> int:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return self._left

    async def __call__(self, number: int) -> int:
        return number + 1

    def __getitem__(self, key: str) -> str:
        return key.upper()

    def __len__(self) -> int:
        return 0


@pytest.fixture
def client() -> Client:
    """Give a client with no events yet."""
    return Client()


def test_a_coroutine_method_becomes_plain(client: Client) -> None:
    """Called, it gives the result, not a coroutine."""
    assert sync(client).fetch("pandas", limit=2) == "pandas 2"


def test_an_exception_passes_through(client: Client) -> None:
    """What the method raises, the plain call raises."""
    with pytest.raises(LookupError, match="gone"):
        sync(client).fail()


def test_the_method_runs_on_the_bridge_given(client: Client) -> None:
    """A proxy uses its own bridge, or the default one."""
    with LoopThread() as bridge:
        there = sync(client, bridge).thread()
    assert there not in (threading.get_ident(), sync(client).thread())


def test_the_client_is_entered_and_left(client: Client) -> None:
    """An async with becomes a with, which gives the proxy and passes the error."""
    with pytest.raises(ValueError, match="in the block"), sync(client) as entered:
        assert isinstance(entered, SyncProxy)
        assert entered.fetch("x") == "x 10"
        raise ValueError("in the block")
    assert client.events == ["enter", "exit ValueError('in the block')"]


def test_a_context_manager_from_a_method_becomes_plain(client: Client) -> None:
    """What such a block gives has a synchronous face, too."""
    with sync(client).stream() as stream:
        assert stream.read() == b"all"
        assert client.events == ["open"]
    assert client.events == ["open", "closed"]


def test_a_context_manager_may_swallow_the_exception(client: Client) -> None:
    """The answer of __aexit__ decides, as it does in an async with."""
    with sync(client).forgiving():
        raise LookupError


def test_a_timeout_block_is_left_by_the_task_that_entered(client: Client) -> None:
    """asyncio.timeout, which insists on one task, works over several calls."""
    with sync(client).deadline(30):
        sync(client).fetch("x")
    with pytest.raises(TimeoutError), sync(client).deadline(0.01):
        threading.Event().wait(0.1)


def test_an_error_while_entering_is_raised(client: Client) -> None:
    """A block that cannot be entered raises at the with."""

    class Broken:
        async def __aenter__(self) -> None:
            raise OSError("no route")

        async def __aexit__(self, *raised: object) -> None: ...

    with pytest.raises(OSError, match="no route"), sync(Broken()):
        pass


def test_closing_the_bridge_leaves_what_was_entered(client: Client) -> None:
    """A client left open is closed by the bridge that carries it."""
    bridge = LoopThread()
    sync(client, bridge).__enter__()
    bridge.close()
    assert client.events == ["enter", "exit CancelledError()"]


def test_an_async_generator_becomes_an_iterator(client: Client) -> None:
    """Its items come one by one, and it is closed at its end."""
    items = sync(client).items(3)
    assert isinstance(items, Iterator)
    assert list(items) == [0, 1, 2]
    assert client.events == ["items closed"]


def test_an_iterator_left_half_way_is_closed(client: Client) -> None:
    """Closing it by hand runs the generator's clean-up."""
    items = sync(client).items(3)
    assert next(items) == 0
    items.aclose()
    assert client.events == ["items closed"]


def test_an_iterator_that_is_dropped_is_closed_too(client: Client) -> None:
    """Breaking out of a loop leaves no generator open on the bridge."""
    closed = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    client.numbers = numbers  # type: ignore[attr-defined]
    for _ in sync(client).numbers():
        break
    assert closed.wait(10)


def test_an_interrupt_in_a_loop_closes_the_generator(client: Client) -> None:
    """A step that is interrupted has ended the generator when it raises."""
    begun = threading.Event()

    async def slow() -> AsyncIterator[int]:
        try:
            yield 1
            begun.set()
            await asyncio.sleep(30)
        finally:
            client.events.append("slow closed")

    def press() -> None:
        if begun.wait(10):
            _thread.interrupt_main()

    client.slow = slow  # type: ignore[attr-defined]
    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        list(sync(client).slow())
    assert client.events == ["slow closed"]


def test_special_methods_are_there_where_the_client_has_them(client: Client) -> None:
    """A cursor can be iterated, indexed, called and measured; a client cannot."""
    cursor = sync(Cursor())
    assert list(cursor) == [1, 0]
    assert cursor["ab"] == "AB"
    assert cursor(1) == 2
    assert len(cursor) == 0
    assert not isinstance(sync(client), Iterable)
    with pytest.raises(TypeError):
        len(sync(client))


def test_attributes_pass_through(client: Client) -> None:
    """Values, plain methods and assignments are those of the client."""
    proxy = sync(client)
    assert (proxy.limit, proxy.plain(), proxy.events) == (3, 7, client.events)
    proxy.limit = 5
    assert client.limit == 5
    del proxy.limit
    assert not hasattr(client, "limit")
    assert not hasattr(proxy, "nothing_of_the_kind")


def test_completion_docstring_and_signature_survive(client: Client) -> None:
    """What Tab and Shift-Tab ask for is the client's."""
    proxy = sync(client)
    assert set(dir(client)) == set(dir(proxy))
    assert proxy.__doc__ == "A client of nothing."
    assert proxy.fetch.__doc__ == "Fetch a thing by its name."
    assert proxy.fetch.__wrapped__ == client.fetch
    assert inspect.signature(proxy.fetch) == inspect.signature(client.fetch)
    assert not inspect.iscoroutinefunction(proxy.fetch)


def test_no_repr_shows_the_client(client: Client) -> None:
    """Only the type is named: the client's own repr may hold a key."""
    proxy = sync(client)
    assert repr(proxy) == f"<sync face of {__name__}.Client>"
    assert SECRET not in str(proxy)
    assert not hasattr(proxy, "_repr_html_")


def test_wrapping_twice_and_copying_do_no_harm(client: Client) -> None:
    """A proxy of a proxy is the proxy, and a copy answers as the original."""
    proxy = sync(client)
    assert sync(proxy) is proxy
    assert copy.copy(proxy).fetch("x") == "x 10"


def test_a_proxy_works_in_every_thread(client: Client) -> None:
    """Called in another thread, the method runs on the same loop."""
    found: list[int] = []
    proxy = sync(client)
    thread = threading.Thread(target=lambda: found.append(proxy.thread()))
    thread.start()
    thread.join(10)
    assert found == [proxy.thread()]
    assert found == [default_bridge().run(client.thread())]
