"""A sender that plays a script, for tests in virtual time: no sockets, no waiting."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contexter_nb.clients import APIClient
from contexter_nb.core import Headers, Timeouts, WireRequest, WireResponse
from contexter_nb.policies import APIMonitor
from tests.loops import VirtualClock

BASE_URL = "https://api.example.org/v1"


@dataclass(frozen=True, slots=True)
class Later:
    """Answers, or fails, after some seconds."""

    seconds: float
    step: Any = None


Step = WireResponse | BaseException | Later | Callable[[WireRequest], Any]


def ok(data: Any = None, **headers: str) -> WireResponse:
    """Return an answer 200 with JSON; header names are written with ``_``."""
    return status(200, data, **headers)


def status(code: int, data: Any = None, **headers: str) -> WireResponse:
    """Return an answer with a status and JSON."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields.setdefault("content-type", "application/json")
    return WireResponse(code, Headers(fields), json.dumps(data).encode())


class Scripted:
    """Plays one step a request, the last one for all that follow.

    `requests` are as they came, `at` their instants on the loop's clock.
    """

    def __init__(self, *script: Step) -> None:
        self.script = script or (ok(),)
        self.requests: list[WireRequest] = []
        self.timeouts: list[Timeouts] = []
        self.at: list[float] = []
        self.in_use = self.max_in_use = self.cancelled = 0

    @property
    def waits(self) -> list[float]:
        """Seconds between one request and the next."""
        return [later - sooner for sooner, later in itertools.pairwise(self.at)]

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        step = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        self.timeouts.append(timeouts)
        self.at.append(asyncio.get_running_loop().time())
        self.in_use += 1
        self.max_in_use = max(self.max_in_use, self.in_use)
        try:
            return await self._play(step, request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_use -= 1

    async def _play(self, step: Any, request: WireRequest) -> WireResponse:
        if isinstance(step, Later):
            await asyncio.sleep(step.seconds)
            return await self._play(step.step or ok(), request)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, WireResponse):
            return step
        return await self._play(step(request), request)


def client_of(sender: Any, base_url: str = BASE_URL, **options: Any) -> APIClient:
    """Return a client in virtual time, with a monitor of its own and no chance."""
    clock = options.setdefault("clock", VirtualClock())
    options.setdefault("monitor", APIMonitor(clock=clock, telemetry=False))
    options.setdefault("rng", random.Random(7))
    numbers = itertools.count(1)
    options.setdefault("make_id", lambda: f"id-{next(numbers)}")
    return APIClient("demo", base_url, transport=sender, **options)
