"""GraphQL over HTTP to the letter of its newest draft, and against the letter.

`DraftGraphQL` executes the schema and answers as the draft wants it, which ariadne
does not: both media types by Accept, 294 for errors beside data, 422 for a document
that does not validate, 400 for one that does not parse, 405, 406 and 415.
`GRAPHQL_FAULTS` are answers that gateways, proxies and odd services give.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from tests.world.behaviours import Behaviour, ByRequest, HTMLWith200, Ok, Status
from tests.world.exchange import Exchange, Seen
from tests.world.schema import Counts, make_schema

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"
_SCHEMA = make_schema()
_KNOWN_KEYS = {"query", "operationName", "variables", "extensions"}


class _Refused(Exception):
    """A request that is not executed."""

    def __init__(self, code: int, *errors: Any) -> None:
        super().__init__(code)
        self.code = code
        self.errors = [
            each.formatted if isinstance(each, GraphQLError) else {"message": each}
            for each in errors
        ]


@dataclass(frozen=True)
class DraftGraphQL:
    """A behaviour that is a GraphQL service after the draft of 2026.

    With `legacy`, it is one of before: ``application/json``, 200 for everything.
    """

    counts: Counts = field(default_factory=Counts)
    legacy: bool = False

    async def play(self, exchange: Exchange) -> None:
        status = await self._answer(exchange.seen)
        await status.play(exchange)

    async def _answer(self, seen: Seen) -> Status:
        accept = seen.headers.get("accept", "*/*")
        media_type = GRAPHQL_JSON if GRAPHQL_JSON in accept else JSON
        if self.legacy:
            media_type = JSON
        elif media_type == JSON and JSON not in accept and "*/*" not in accept:
            return Status(406, body={"errors": [{"message": "not acceptable"}]})
        said = f"{media_type}; charset=utf-8"
        try:
            result = await self._execute(seen)
        except _Refused as refused:
            code = 200 if self.legacy and refused.code in (400, 422) else refused.code
            allow = (("Allow", "POST"),) if code == 405 else ()
            return Status(code, allow, {"errors": refused.errors}, said)
        code = 294 if result.errors and media_type == GRAPHQL_JSON else 200
        return Status(code, body=result.formatted, content_type=said)

    async def _execute(self, seen: Seen) -> ExecutionResult:
        params = _params(seen)
        try:
            document = parse(params["query"])
        except GraphQLError as error:
            raise _Refused(400, error) from error
        if errors := validate(_SCHEMA, document):
            raise _Refused(422, *errors)
        operation = get_operation_ast(document, params.get("operationName"))
        if operation is None:
            raise _Refused(422, "no such operation")
        if seen.method == "GET" and operation.operation is not OperationType.QUERY:
            raise _Refused(405, "a mutation wants POST")
        given = params.get("variables") or {}
        values = get_variable_values(
            _SCHEMA, operation.variable_definitions or (), given
        )
        if isinstance(values, list):
            raise _Refused(422, *values)
        result = execute(
            _SCHEMA,
            document,
            context_value={"counts": self.counts, "headers": seen.headers},
            variable_values=given,
            operation_name=params.get("operationName"),
        )
        if not isinstance(result, ExecutionResult):
            result = await result
        return result


def _params(seen: Seen) -> dict[str, Any]:
    """Return the request's fields, or refuse."""
    if seen.method == "GET":
        params: Any = dict(seen.query)
        for name in ("variables", "extensions"):
            params[name] = json.loads(params[name]) if params.get(name) else None
    elif seen.method == "POST":
        if not seen.headers.get("content-type", "").startswith(JSON):
            raise _Refused(415, "send application/json")
        try:
            params = seen.json()
        except ValueError as error:
            raise _Refused(400, "the body is no JSON") from error
    else:
        raise _Refused(405, "use GET or POST")
    if not isinstance(params, dict) or not isinstance(params.get("query"), str):
        raise _Refused(422, "query is missing")
    if unknown := set(params) - _KNOWN_KEYS:
        raise _Refused(422, f"unknown keys: {sorted(unknown)}")
    return params


def _error(code: str | None = None, **more: Any) -> dict[str, Any]:
    extensions = {"extensions": {"code": code, **more}} if code else {}
    return {"message": "it went wrong", **extensions}


GRAPHQL_FAULTS: dict[str, Behaviour] = {
    "a page of a gateway": Status(
        502, body=b"<html>Bad Gateway</html>", content_type="text/html"
    ),
    "a page with 200": HTMLWith200(),
    "errors of a proxy": Status(
        503, body={"errors": [{"message": "upstream is away"}]}, content_type=JSON
    ),
    "throttled with 429": Status(
        429,
        (("Retry-After", "2"),),
        {"errors": [_error("THROTTLED")]},
        GRAPHQL_JSON,
    ),
    "throttled with 200": Status(200, body={"errors": [_error("THROTTLED")]}),
    "unauthenticated with 200": Status(
        200, body={"errors": [_error("UNAUTHENTICATED")]}
    ),
    "unauthenticated with 401": Status(
        401, body={"errors": [_error("UNAUTHENTICATED")]}, content_type=GRAPHQL_JSON
    ),
    "errors with data of null": Status(
        294, body={"data": None, "errors": [_error()]}, content_type=GRAPHQL_JSON
    ),
    "errors with data of null and 200": Status(
        200, body={"data": None, "errors": [_error()]}
    ),
    "data of null without errors": Status(200, body={"data": None}),
    "errors of null": Status(200, body={"data": {"a": 1}, "errors": None}),
    "no errors in the list of errors": Status(200, body={"data": {}, "errors": []}),
    "errors that are a text": Status(200, body={"errors": "it went wrong"}),
    "errors that are texts": Status(200, body={"errors": ["it went wrong", None]}),
    "an error with an odd path": Status(
        200,
        body={
            "data": {"books": [None]},
            "errors": [{"message": "x", "path": ["books", 0, None, {}]}],
        },
    ),
    "data without a type": Status(200, body={"data": {"a": 1}}, content_type=None),
    "neither data nor errors": Status(200, body={"message": "hello"}),
    "an empty object": Status(200, body={}),
    "an empty body": Status(200, content_type=GRAPHQL_JSON),
    "a list": Status(200, body=[{"data": {}}]),
    "a number": Status(200, body=7),
    "cut JSON": Status(200, body=b'{"data": {"a": ', content_type=GRAPHQL_JSON),
    "an unknown persisted document": Status(
        200, body={"errors": [_error("PERSISTED_QUERY_NOT_FOUND")]}
    ),
    "a login page": Status(302, (("Location", "/login"),), content_type="text/html"),
}


def endless_pages(same_cursor: bool) -> Behaviour:
    """Return a service whose list never ends: by one cursor for ever, or by new ones.

    A client that follows pages must notice the first, and bound the second.
    """

    def choose(seen: Seen) -> Behaviour:
        end = "same" if same_cursor else f"after-{seen.number}"
        page = {
            "nodes": [{"id": f"book-{seen.number}"}],
            "pageInfo": {"hasNextPage": True, "endCursor": end},
        }
        return Ok({"data": {"books": page}})

    return ByRequest(choose)
