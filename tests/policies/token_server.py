"""A token endpoint and an API that takes its tokens, on a loopback port."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus

CLIENT_ID = "note book/1"
CLIENT_SECRET = "s3cret+/%:0123456789abcdef"

Answer = tuple[int, dict[str, str], bytes]


class TokenServer:
    """Issues tokens by both grants; every knob may be turned while it runs."""

    def __init__(self) -> None:
        self.token_requests: list[dict[str, str]] = []
        self.api_requests: list[dict[str, str]] = []
        self.connections = 0
        self.expires_in: Any = 300
        self.valid: set[str] = set()
        self.refresh_token: str | None = None
        self.rotates = False
        self.scripted: list[Answer] = []
        self.before_token: Callable[[], Any] | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def grants(self) -> list[str]:
        return [each["grant_type"] for each in self.token_requests]

    def revoke(self) -> None:
        """Refuse every access token issued so far."""
        self.valid.clear()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                _, path, _ = line.decode().split()
                headers = {}
                while (field := (await reader.readline()).decode().strip()) != "":
                    name, _, value = field.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, extra, content = await self._answer(path, headers, body)
                head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in extra.items())
                writer.write(head.encode() + b"\r\n" + content)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path == "/api":
            self.api_requests.append(headers)
            token = headers.get("authorization", "").removeprefix("Bearer ")
            if token in self.valid:
                return 200, {}, body or b"welcome"
            return 401, {"www-authenticate": "Bearer"}, b"no"
        if path.startswith("/go?"):
            return 307, {"location": path[4:]}, b""
        fields = {name: each[0] for name, each in parse_qs(body.decode()).items()}
        self.token_requests.append(fields)
        if self.before_token is not None:
            await self.before_token()
        if self.scripted:
            return self.scripted.pop(0)
        return self._issue(fields, headers)

    def _issue(self, fields: dict[str, str], headers: dict[str, str]) -> Answer:
        if _client(fields, headers) != (CLIENT_ID, CLIENT_SECRET):
            return _json(401, {"error": "invalid_client"})
        if fields["grant_type"] == "refresh_token":
            if fields["refresh_token"] != self.refresh_token:
                return _json(400, {"error": "invalid_grant"})
            if self.rotates:
                self.refresh_token = f"refresh-{len(self.token_requests):04}"
        token = f"access-token-{len(self.token_requests):04}"
        self.valid.add(token)
        issued = {"access_token": token, "token_type": "bearer"}
        if self.expires_in is not None:
            issued["expires_in"] = self.expires_in
        if self.rotates and self.refresh_token:
            issued["refresh_token"] = self.refresh_token
        return _json(200, issued)


def _client(fields: dict[str, str], headers: dict[str, str]) -> tuple[str, str]:
    scheme, _, coded = headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        name, _, secret = base64.b64decode(coded).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)
    return fields.get("client_id", ""), fields.get("client_secret", "")


def _json(status: int, value: Any) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(value).encode()
