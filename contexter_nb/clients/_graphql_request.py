"""What is sent to a GraphQL service, checked before it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from contexter_nb.clients._graphql_document import chosen_operation
from contexter_nb.core import APIMethod, APIRequest, InvalidArgumentError, type_in_words

MAX_GET_CHARS = 2_000


def split_url(url: str) -> tuple[str, str]:
    """Return a base URL, and below it what it cannot hold: a last slash, a query."""
    if not isinstance(url, str):
        raise InvalidArgumentError(
            f"url is {type_in_words(url)}; give one as 'https://example.org/graphql'."
        )
    path, mark, query = url.strip().partition("?")
    if not mark and not path.endswith("/"):
        return path, ""
    base, _, last = path.rstrip("/").rpartition("/")
    if not base or base.endswith("/"):  # no path: the slashes are the scheme's
        return path, f"{mark}{query}"
    slash = "/" if path.endswith("/") else ""
    return base, f"{last}{slash}{mark}{query}"


def check_on_errors(on_errors: object) -> None:
    if on_errors not in ("keep", "raise"):
        raise InvalidArgumentError(
            f"on_errors is {on_errors!r}; use 'keep' or 'raise'."
        )


def check_pages(max_pages: object) -> None:
    whole = isinstance(max_pages, int) and not isinstance(max_pages, bool)
    if not whole or not max_pages >= 1:  # type: ignore[operator]  # whole
        raise InvalidArgumentError(
            f"max_pages is {max_pages!r}; give a whole number from 1 on."
        )


def operation_name_of(document: str | None, name: str | None, wanted: str) -> str:
    """Return what an operation is called in the metrics, once its kind is checked."""
    if document is None:
        return name or wanted
    operation = chosen_operation(document, name)
    if operation.kind == "subscription":
        raise InvalidArgumentError(
            "Subscriptions are not answered over plain HTTP; ask with a query."
        )
    if operation.kind != wanted:
        method = "execute_mutation" if operation.kind == "mutation" else "execute_query"
        raise InvalidArgumentError(
            f"The document is a {operation.kind}; send it with {method}(...)."
        )
    return operation.name or wanted


def body_of(
    document: str | None,
    variables: Mapping[str, Any] | None,
    operation_name: str | None,
    document_id: str | None,
    extensions: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the request's fields, those that are set."""
    if (document is None) == (document_id is None):
        raise InvalidArgumentError("Give a document or a document_id, one of them.")
    for what, value in (("variables", variables), ("extensions", extensions)):
        if value is not None and not isinstance(value, Mapping):
            raise InvalidArgumentError(
                f"{what} is {type_in_words(value)}; give a mapping of names to values."
            )
    texts = {"document_id": document_id, "operation_name": operation_name}
    for what, text in {"The document": document, **texts}.items():
        if text is not None and (not isinstance(text, str) or not text.strip()):
            kind = "empty" if isinstance(text, str) else type_in_words(text)
            raise InvalidArgumentError(f"{what} is {kind}; give a text.")
    fields = {
        "query": document,
        "documentId": document_id,
        "operationName": operation_name,
        "variables": dict(variables) if variables else None,
        "extensions": dict(extensions) if extensions else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def posted(body: dict[str, Any], name: str, *, repeatable: bool) -> APIRequest:
    return APIRequest(
        method=APIMethod.POST, json_data=body, operation=name, idempotent=repeatable
    )


def gotten(body: dict[str, Any], name: str) -> APIRequest | None:
    """Return a query as a GET, or None where its URL would be too long."""
    try:
        params = {
            key: json.dumps(
                value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
            )
            if isinstance(value, dict)
            else value
            for key, value in body.items()
        }
        length = len(urlencode(params))
    except (TypeError, ValueError, RecursionError):
        return None  # writing the POST says what is wrong
    if length > MAX_GET_CHARS:
        return None
    return APIRequest(method=APIMethod.GET, params=params, operation=name)


def tag_of(body: dict[str, Any]) -> str:
    """Return by what the cached answers to a document are found."""
    said = str(body.get("query") or body.get("documentId"))
    named = f"{body.get('operationName')} {said}".encode("utf-8", "replace")
    return f"graphql:{hashlib.blake2b(named, digest_size=16).hexdigest()}"


def fields_of(path: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    parts = path.split(".") if isinstance(path, str) else path
    named = isinstance(parts, Sequence) and all(
        isinstance(each, str) and each for each in parts
    )
    if not named or not parts:
        raise InvalidArgumentError(
            f"path is {str(path)[:100]!r}; give field names, as 'repository.issues'."
        )
    return tuple(parts)
