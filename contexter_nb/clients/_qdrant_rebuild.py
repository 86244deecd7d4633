"""A collection built anew beside the old one, and an alias that switches to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from contexter_nb.core import InvalidArgumentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did.

    Attributes
    ----------
    collection : str
        Which the alias names now.
    previous : str or None
        Which it named before; None where it is new.
    dropped : bool
        Whether the previous collection was deleted.
    """

    alias: str
    collection: str
    previous: str | None
    dropped: bool


class Collections(Protocol):
    """What a rebuild needs of a client."""

    async def collections(self) -> tuple[str, ...]:
        """Return the names of all collections."""

    async def switch_alias(self, alias: str, to_collection: str) -> str | None:
        """Have an alias name a collection; return which it named before.

        Parameters
        ----------
        alias, to_collection : str
        """

    async def drop_collection(self, name: str) -> bool:
        """Delete a collection; return whether there was one.

        Parameters
        ----------
        name : str
        """


async def rebuild(
    client: Collections,
    alias: str,
    name: str,
    build: Callable[[str], Awaitable[object]],
    *,
    keep_previous: bool,
) -> Rebuilt:
    """Build a collection, then have the alias name it.

    Parameters
    ----------
    client : Collections
    alias : str
    name : str
        Of the new collection.
    build : callable
        Takes the name, and makes and fills that collection.
    keep_previous : bool
        Whether the previous collection stays.

    Raises
    ------
    InvalidArgumentError
        A collection itself has the alias's name, or nothing was built.
    Exception
        What `build` raised; the alias is as it was, and what was built is deleted.
    """
    if alias in await client.collections():
        raise InvalidArgumentError(
            f"{alias!r} is a collection itself, and no alias can have its name; take "
            "another alias, or delete the collection first."
        )
    try:
        await build(name)
        if name not in await client.collections():
            raise InvalidArgumentError(
                f"build made no collection {name!r}; have it make the one whose name "
                "it is given."
            )
        previous = await client.switch_alias(alias, name)
    except BaseException as exc:
        await _clean(client, name, exc)
        raise
    if previous is None or previous == name or keep_previous:
        return Rebuilt(alias=alias, collection=name, previous=previous, dropped=False)
    try:
        await client.drop_collection(previous)
    except Exception as exc:
        exc.add_note(
            f"{alias!r} names {name!r} already; {previous!r} is left, delete it."
        )
        raise
    return Rebuilt(alias=alias, collection=name, previous=previous, dropped=True)


async def _clean(client: Collections, name: str, error: BaseException) -> None:
    """Delete what was begun; where that fails, say so beside what went wrong."""
    try:
        await client.drop_collection(name)
    except Exception as exc:
        error.add_note(f"{name!r} may be left ({type(exc).__name__}); delete it.")
