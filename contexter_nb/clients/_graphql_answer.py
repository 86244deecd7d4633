"""What a GraphQL answer means: data, errors, and pages of a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    APIResponse,
    DecodingError,
    GraphQLError,
    InvalidArgumentError,
    RateLimitedError,
    WireResponse,
    scrub,
)

MEDIA_TYPE = "application/graphql-response+json"
ACCEPT = f"{MEDIA_TYPE}, application/json;q=0.9"
# Not said by GraphQL but by what stands before it, whatever the body.
_ABOUT_HTTP = frozenset({401, 403, 407, 408, 425, 429})
_THROTTLED = frozenset({"RATE_LIMITED", "THROTTLED", "TOO_MANY_REQUESTS"})


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @property
    def partial(self) -> bool:
        """Whether there is data, but not all that was asked for."""
        return self.data is not None and bool(self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
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
    has_next : bool
    """

    number: int
    nodes: tuple[Any, ...]
    errors: tuple[Mapping[str, Any], ...]
    node_errors: Mapping[int, str]
    unplaced_errors: tuple[str, ...]
    end_cursor: str | None
    has_next: bool
    response: APIResponse


def is_answer(answer: WireResponse) -> bool:
    """Tell whether an answer is GraphQL's rather than a proxy's.

    Parameters
    ----------
    answer : WireResponse
        With GraphQL's own media type it is, whatever its status but those about the
        connection; plain JSON of a client error is where it lists errors.
        (GraphQL over HTTP, draft of 2026-08-06, section "Response")
    """
    if answer.is_success:
        return True
    status = answer.status_code
    if not 400 <= status <= 499 or status in _ABOUT_HTTP:
        return False
    media_type = (
        answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    )
    if media_type not in (MEDIA_TYPE, "application/json"):
        return False
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and isinstance(body.get("errors"), list)


def hidden_error(
    request: APIRequest, answer: WireResponse, body: Any
) -> APIIntegrationError | None:
    """Return the error in an answer of status 200, where it concerns the sending.

    Parameters
    ----------
    request : APIRequest
    answer : WireResponse
    body : object
        Decoded. A body that is no GraphQL answer is an error; one that says that a
        limit is used up is, where nothing was executed or sending again does no harm.
    """
    where: dict[str, Any] = {"operation": request.name}
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        return DecodingError(
            "The answer is no GraphQL answer: a JSON object with data or errors was "
            "expected; check the URL.",
            **where,
        )
    if not isinstance(body.get("data"), dict | None) or not isinstance(
        body.get("errors"), list | None
    ):
        return DecodingError(
            "The answer's data is no object or its errors are no list; the service "
            "does not speak GraphQL.",
            **where,
        )
    executed = "data" in body
    if body.get("data") is None and (request.is_repeatable or not executed):
        for error in errors_of(body):
            if code_of(error) in _THROTTLED:
                return RateLimitedError(
                    f"The service's limit is used up: {said(error)}",
                    status_code=answer.status_code,
                    retry_after_seconds=_asked_wait(error),
                    **where,
                )
    return None


def _asked_wait(error: Mapping[str, Any]) -> float | None:
    extensions = error.get("extensions")
    found = extensions.get("retryAfter") if isinstance(extensions, dict) else None
    return float(found) if isinstance(found, int | float) and found >= 0 else None


def errors_of(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return an answer's errors; one that is no object becomes one with a message."""
    found = body.get("errors") or ()
    return tuple(
        each if isinstance(each, dict) else {"message": str(each)} for each in found
    )


def code_of(error: Mapping[str, Any]) -> str:
    """Return the code in an error's extensions, empty where there is none."""
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    return str(code).upper() if code is not None else ""


def said(error: Mapping[str, Any]) -> str:
    """Return what an error says and where, scrubbed, at most 300 characters."""
    path = error.get("path")
    where = ".".join(map(str, path)) if isinstance(path, list) and path else ""
    message = str(error.get("message") or code_of(error) or "no message")
    return scrub(f"{message} (at {where})" if where else message)[:300]


def result_of(response: APIResponse, *, on_errors: str) -> GraphQLResult:
    """Return an answer as a result, or raise what it says.

    Parameters
    ----------
    response : APIResponse
        Inspected already.
    on_errors : str
        ``keep`` returns what data there is beside the errors; ``raise`` raises.

    Raises
    ------
    GraphQLError
        There are errors, and no data or ``raise``.
    """
    body = response.data
    errors = errors_of(body)
    data = body.get("data")
    if errors and (data is None or on_errors == "raise"):
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise GraphQLError(
            f"{response.service} answered {response.operation} with an error: "
            f"{said(errors[0])}{more}",
            errors=errors,
            data=data,
            executed="data" in body,
            service=response.service,
            operation=response.operation,
            request_id=response.request_id,
            trace=response.trace,
        )
    extensions = body.get("extensions")
    return GraphQLResult(
        data=data,
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
            known = ", ".join(found) if isinstance(found, dict) else "none"
            raise InvalidArgumentError(
                f"The answer has no {'.'.join(path[: depth + 1])!r}; at that place "
                f"there are: {known}."
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
    if not path:
        nodes = [connection]
    elif connection is None:
        nodes = []
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
    by_node, unplaced = _by_node(result.errors, (*path, *inner))
    return GraphQLPage(
        number=number,
        nodes=tuple(nodes),
        errors=result.errors,
        node_errors=by_node,
        unplaced_errors=unplaced,
        end_cursor=cursor if isinstance(cursor, str) else None,
        has_next=info.get("hasNextPage") is True,
        response=result.response,
    )


def _by_node(
    errors: Sequence[Mapping[str, Any]], prefix: tuple[str, ...]
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return which node each error concerns, by its path, and what concerns none."""
    found: dict[int, str] = {}
    unplaced: list[str] = []
    for error in errors:
        path = error.get("path")
        at = path[len(prefix)] if _leads_below(path, prefix) else None
        if not prefix:
            at = 0
        if isinstance(at, int):
            found[at] = f"{found[at]}; {said(error)}" if at in found else said(error)
        else:
            unplaced.append(said(error))
    return found, tuple(unplaced)


def _leads_below(path: Any, prefix: tuple[str, ...]) -> TypeGuard[list[Any]]:
    return (
        isinstance(path, list)
        and len(path) > len(prefix)
        and tuple(path[: len(prefix)]) == prefix
    )


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
    waiting: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop(0)
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
