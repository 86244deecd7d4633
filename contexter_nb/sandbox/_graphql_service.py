"""GraphQL over HTTP on loopback: a real schema, with the statuses of the draft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contexter_nb.core import Headers, Secret
from contexter_nb.sandbox._catalog import SUMMARIES
from contexter_nb.sandbox._graphql_schema import SCHEMA, Graph, graphql_core
from contexter_nb.sandbox._routes import Route, Routes
from contexter_nb.sandbox._service import Reply, Request

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
_FIELDS = ("query", "operationName", "variables", "extensions")
_MAX_TOKENS = 2_000
_PARTIAL = 294


class _RefusedError(Exception):
    """A request that is not executed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, checked in its shape."""

    query: str
    operation: str | None
    variables: dict[str, Any] | None


class GraphQLService:
    """The catalog's libraries as a graph, with pages, a counter and failing fields.

    Its schema is told by introspection, and by `schema`. Served are POST with JSON and,
    for queries, GET. Who accepts ``application/graphql-response+json`` gets the draft's
    statuses (294 where there are data and errors, 400, 422), who accepts
    ``application/json`` alone gets 200 for whatever is well-formed.

    Parameters
    ----------
    api_key : Secret, optional
        Demanded as ``Authorization: Bearer`` or ``X-Api-Key``; None for nobody's.

    Raises
    ------
    InvalidArgumentError
        `graphql-core` is not installed.

    Source
    ------
    GraphQL over HTTP, stage 2 draft, github.com/graphql/graphql-over-http, read
    2026-11-23.
    """

    def __init__(self, api_key: Secret | None = None) -> None:
        self._core = graphql_core()
        self._schema = self._core.build_schema(SCHEMA)
        self._graph = Graph(SUMMARIES, self._core.GraphQLError)
        routes = [
            Route("POST", "/", self._post),
            Route("GET", "/", self._get),
        ]
        self._routes = Routes(routes, self.refuse, api_key)

    @property
    def name(self) -> str:
        """``graphql``."""
        return "graphql"

    @property
    def schema(self) -> str:
        """The schema, in GraphQL's own language."""
        return SCHEMA.strip()

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Reply
        """
        try:
            return await self._routes.answer(request)
        except _RefusedError as error:
            return self.refuse(error.status, str(error))

    def refuse(self, status: int, message: str) -> Reply:
        """Return a request error: errors, and no data.

        Parameters
        ----------
        status : int
        message : str

        Returns
        -------
        Reply
        """
        return _reply({"errors": [{"message": message}]}, status, GRAPHQL)

    async def _post(self, request: Request, _: Mapping[str, str]) -> Reply:
        accepted = _accepted(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise _RefusedError(415, f"send {JSON}")
        try:
            body = request.json()
        except ValueError as error:
            raise _RefusedError(400, "the body is no JSON") from error
        return self._execute(_question(body), accepted, allows_mutation=True)

    async def _get(self, request: Request, _: Mapping[str, str]) -> Reply:
        accepted = _accepted(request)
        told: dict[str, Any] = {
            name: text for name, text in request.query.items() if text
        }
        for name in ("variables", "extensions"):
            if name in told:
                told[name] = _decoded(name, told[name])
        return self._execute(_question(told), accepted, allows_mutation=False)

    def _execute(
        self, asked: _Question, accepted: str, *, allows_mutation: bool
    ) -> Reply:
        core = self._core
        try:
            document = core.parse(asked.query, max_tokens=_MAX_TOKENS)
        except core.GraphQLError as error:
            return _not_executed([error], 400, accepted)
        faults = core.validate(self._schema, document)
        if faults:
            return _not_executed(faults, 422, accepted)
        operation = core.get_operation_ast(document, asked.operation)
        if operation is None:
            told = f"there is no one operation {asked.operation or 'to choose'}"
            return _not_executed([core.GraphQLError(told)], 422, accepted)
        if operation.operation.value != "query" and not allows_mutation:
            refused = self.refuse(405, "a mutation is sent by POST")
            return refused.with_headers({"Allow": "POST"})
        done = core.execute_sync(
            self._schema,
            document,
            root_value=self._graph,
            operation_name=asked.operation,
            variable_values=asked.variables,
        )
        return _executed(done, accepted)


def _accepted(request: Request) -> str:
    """Return the better of the two media types that a client takes."""
    told = request.headers.get("accept", "").lower()
    weights = dict(map(_weight, told.split(","))) if told.strip() else {}
    offers = [each for each in (GRAPHQL, JSON) if _weight_of(each, weights) > 0]
    if not weights:
        return JSON  # a client of before the draft
    if not offers:
        raise _RefusedError(406, f"accept {GRAPHQL} or {JSON}")
    return max(offers, key=lambda each: _weight_of(each, weights))


def _weight(told: str) -> tuple[str, float]:
    """Return a media range and its weight.

    >>> _weight("application/json;q=0.9")
    ('application/json', 0.9)
    """
    media, *parameters = (each.strip() for each in told.split(";"))
    for each in parameters:
        name, _, value = each.partition("=")
        if name.strip() == "q":
            try:
                return media, float(value)
            except ValueError:
                return media, 0.0
    return media, 1.0


def _weight_of(media: str, weights: Mapping[str, float]) -> float:
    for each in (media, "application/*"):
        if each in weights:
            return weights[each]
    # Who takes anything may not know the newer type.
    return weights.get("*/*", 0.0) * (1.0 if media == JSON else 0.5)


def _question(body: object) -> _Question:
    """Return what is asked; null counts as absent."""
    if not isinstance(body, dict):
        raise _RefusedError(422, "the body is no object; batches are not served")
    for name in body:
        if name not in _FIELDS:
            raise _RefusedError(422, f"{name[:100]!r} is no parameter of a request")
    query, operation = body.get("query"), body.get("operationName")
    variables = body.get("variables")
    if not isinstance(query, str) or not query:
        raise _RefusedError(422, "query is missing or no text")
    if operation is not None and not isinstance(operation, str):
        raise _RefusedError(422, "operationName is no text")
    if not isinstance(variables, dict | None):
        raise _RefusedError(422, "variables is no object")
    if not isinstance(body.get("extensions"), dict | None):
        raise _RefusedError(422, "extensions is no object")
    return _Question(query, operation or None, variables)


def _decoded(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, f"{name} is no JSON") from error


def _not_executed(errors: list[Any], status: int, accepted: str) -> Reply:
    body = {"errors": [each.formatted for each in errors]}
    return _reply(body, status if accepted == GRAPHQL else 200, accepted)


def _executed(done: Any, accepted: str) -> Reply:
    if not done.errors:
        return _reply({"data": done.data}, 200, accepted)
    if done.data is None and all(each.path is None for each in done.errors):
        return _not_executed(done.errors, 422, accepted)  # a variable is unfit
    body = {"data": done.data, "errors": [each.formatted for each in done.errors]}
    return _reply(body, _PARTIAL if accepted == GRAPHQL else 200, accepted)


def _reply(body: Any, status: int, media: str) -> Reply:
    written = Reply.of(body, status)
    return Reply(
        status=status, body=written.body, headers=Headers({"Content-Type": media})
    )
