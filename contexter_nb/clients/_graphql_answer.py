"""What a GraphQL answer means: data, errors, and pages of a connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contexter_nb.clients._graphql_errors import errors_of, graphql_error, said
from contexter_nb.core import APIResponse, InvalidArgumentError, scrub

_SHOWN_CHARS = 4_000
_SHOWN_ERRORS = 5
_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GraphQLResult:
    """The answer to an operation.

    Attributes
    ----------
    data : dict or None
        As the service answered; parts that failed are None.
    errors : tuple of mapping
        As the service sent them; empty where nothing failed.
    extensions : mapping
    response : APIResponse
        With the trace of the call.
    """

    data: dict[str, Any] | None
    errors: tuple[Mapping[str, Any], ...]
    extensions: Mapping[str, Any]
    response: APIResponse

    def __repr__(self) -> str:
        shown = scrub(f"data={self.data!r}, errors={list(self.errors)!r}")
        more = "..." if len(shown) > _SHOWN_CHARS else ""
        return f"GraphQLResult({shown[:_SHOWN_CHARS]}{more})"

    @property
    def partial(self) -> bool:
        """Whether there is data, but not all that was asked for."""
        return self.data is not None and bool(self.errors)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GraphQLPage:
    """One page of a connection.

    Attributes
    ----------
    number : int
        From 1.
    nodes : tuple
        What the page lists.
    errors : tuple of mapping
        Of the whole answer.
    node_errors : mapping of int to str
        What failed in which node, by its place in `nodes`.
    unplaced_errors : tuple of str
        What failed elsewhere.
    end_cursor : str or None
    has_next : bool or None
        None where the service does not say, as without ``pageInfo``.
    """

    number: int
    nodes: tuple[Any, ...]
    errors: tuple[Mapping[str, Any], ...]
    node_errors: Mapping[int, str]
    unplaced_errors: tuple[str, ...]
    end_cursor: str | None
    has_next: bool | None
    response: APIResponse

    def __repr__(self) -> str:
        return (
            f"<GraphQLPage {self.number} of {len(self.nodes)} nodes, "
            f"{len(self.errors)} errors, has_next={self.has_next}>"
        )


def result_of(response: APIResponse, *, on_errors: str) -> GraphQLResult:
    """Return an answer as a result, or raise what it says.

    Parameters
    ----------
    response : APIResponse
        Inspected already, so that it has data or no errors.
    on_errors : str
        ``keep`` returns what data there is beside the errors; ``raise`` raises.

    Raises
    ------
    GraphQLError
        There are errors and ``raise``.
    """
    body = response.data
    errors = errors_of(body)
    if errors and on_errors == "raise":
        raise graphql_error(
            body,
            {
                "service": response.service,
                "operation": response.operation,
                "request_id": response.request_id,
                "trace": response.trace,
            },
        )
    extensions = body.get("extensions")
    return GraphQLResult(
        data=body.get("data"),
        errors=errors,
        extensions=extensions if isinstance(extensions, dict) else {},
        response=response,
    )


def connection_at(data: Mapping[str, Any] | None, path: Sequence[str]) -> Any:
    """Return what stands at a path of an answer.

    Parameters
    ----------
    data : mapping or None
    path : sequence of str
        Field names, outermost first.

    Raises
    ------
    InvalidArgumentError
        There is no such field; the message lists those there are.
    """
    found: Any = data
    for depth, name in enumerate(path):
        if not isinstance(found, dict) or name not in found:
            if found is None:
                return None  # it failed, and what is above it with it
            names = [str(each)[:100] for each in found] if found else []
            known = ", ".join(names[:_SHOWN_NAMES]) if isinstance(found, dict) else ""
            raise InvalidArgumentError(
                f"The answer has no {'.'.join(path[: depth + 1])[:200]!r}; at that "
                f"place there is: {known or 'nothing'}."
            )
        found = found[name]
    return found


def page_of(result: GraphQLResult, path: Sequence[str], number: int) -> GraphQLPage:
    """Return a page of a connection (``nodes`` or ``edges``, and ``pageInfo``).

    Parameters
    ----------
    result : GraphQLResult
    path : sequence of str
        Where the connection stands; empty for the whole answer as one node.
    number : int
        Of the page, from 1.

    Raises
    ------
    InvalidArgumentError
        There is no list at that place.
    """
    connection = connection_at(result.data, path)
    inner: tuple[str, ...] = ()
    nodes: list[Any]
    if connection is None:
        nodes = []
    elif not path:
        nodes = [connection]
    elif isinstance(connection, list):
        nodes = connection
    elif isinstance(connection, dict) and isinstance(connection.get("nodes"), list):
        nodes, inner = connection["nodes"], ("nodes",)
    elif isinstance(connection, dict) and isinstance(connection.get("edges"), list):
        nodes = [
            each.get("node") if isinstance(each, dict) else each
            for each in connection["edges"]
        ]
        inner = ("edges",)
    else:
        raise InvalidArgumentError(
            f"There is no list at {'.'.join(path)!r}: ask for nodes or for edges {{ "
            "node }} there."
        )
    info = connection.get("pageInfo") if isinstance(connection, dict) else None
    info = info if isinstance(info, dict) else {}
    cursor = info.get("endCursor")
    by_node, unplaced = _by_node(result.errors, (*path, *inner), len(nodes))
    return GraphQLPage(
        number=number,
        nodes=tuple(nodes),
        errors=result.errors,
        node_errors=by_node,
        unplaced_errors=unplaced,
        end_cursor=cursor if isinstance(cursor, str) else None,
        has_next=_has_next(connection, info, inner),
        response=result.response,
    )


def _has_next(
    connection: Any, info: Mapping[str, Any], inner: tuple[str, ...]
) -> bool | None:
    """Tell whether more pages follow; None where that cannot be known."""
    told = info.get("hasNextPage")
    if isinstance(told, bool):
        return told
    return None if inner or connection is None else False


def _by_node(
    errors: Sequence[Mapping[str, Any]], prefix: tuple[str, ...], count: int
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return which node each error concerns, by its path, and what concerns none."""
    found: dict[int, list[str]] = {}
    unplaced: list[str] = []
    for error in errors:
        at = _place_of(error.get("path"), prefix)
        if at is not None and 0 <= at < count:
            found.setdefault(at, []).append(said(error))
        else:
            unplaced.append(said(error))
    return {at: _together(each) for at, each in found.items()}, tuple(unplaced)


def _together(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN_ERRORS
    shown = "; ".join(texts[:_SHOWN_ERRORS])
    return f"{shown}; and {more} more" if more > 0 else shown


def _place_of(path: Any, prefix: tuple[str, ...]) -> int | None:
    """Return the place in the list at `prefix` that an error's path leads through."""
    if not prefix:
        return 0  # the whole answer is the one node
    if not isinstance(path, list) or tuple(path[: len(prefix)]) != prefix:
        return None
    at = path[len(prefix)] if len(path) > len(prefix) else None
    return at if isinstance(at, int) and not isinstance(at, bool) else None


def only_list(data: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return where the one list of an answer stands; nowhere where there is none.

    Parameters
    ----------
    data : mapping or None

    Raises
    ------
    InvalidArgumentError
        There are several; the message names them.
    """
    found = lists_in(data)
    if len(found) > 1:
        names = ", ".join(repr(".".join(each)) for each in found[:10])
        raise InvalidArgumentError(
            f"The answer has several lists; choose one with path=..., of {names}."
        )
    return found[0] if found else ()


def lists_in(data: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    """Return the paths of all lists and connections of an answer, outermost first.

    Parameters
    ----------
    data : mapping or None
    """
    found: list[tuple[str, ...]] = []
    waiting: deque[tuple[tuple[str, ...], Any]] = deque([((), data)])
    while waiting:
        path, value = waiting.popleft()
        if isinstance(value, list):
            found.append(path)
        elif isinstance(value, dict):
            if isinstance(value.get("nodes"), list) or isinstance(
                value.get("edges"), list
            ):
                found.append(path)
                continue
            waiting += [((*path, name), each) for name, each in value.items()]
    return found
