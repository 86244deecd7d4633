"""After an error: each fitting means once, and never a retry on top of retries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from contexter_nb.core import Clock, ErrorContext, SystemClock
from contexter_nb.policies._arrival import may_have_arrived
from contexter_nb.policies._classify import ErrorClassifier, message_of
from contexter_nb.policies._recovery_plan import (
    MAX_WAIT_SECONDS,
    RecoveryAction,
    RecoveryPlan,
    plan_recovery,
)

T = TypeVar("T")


class ErrorRecoveryManager:
    """Make a call and, where it fails, try each fitting means once.

    It does not retry: that is the client's, under the client's budget. Nothing is
    wrapped and nothing swallowed: what is raised in the end is the error of the call
    itself, the very object, with notes on what was tried.

    Parameters
    ----------
    clock : Clock, optional
        For waits.
    classifier : ErrorClassifier, optional
    max_wait_seconds : float, default 60
        No wait is longer.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import ServerError
    >>> async def search():
    ...     raise ServerError("The service failed.", status_code=500)
    >>> async def older_answer():
    ...     return ["from the cache"]
    >>> run(ErrorRecoveryManager().run(search, fallback=older_answer))
    ['from the cache']
    """

    def __init__(
        self,
        clock: Clock | None = None,
        classifier: ErrorClassifier | None = None,
        *,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> None:
        self._clock = clock or SystemClock()
        self._classifier = classifier or ErrorClassifier(self._clock)
        self._max_wait_seconds = max_wait_seconds

    def plan(
        self,
        context: ErrorContext,
        *,
        remaining_seconds: float | None = None,
        can_refresh: bool = False,
        can_wait: bool = True,
        can_split: bool = False,
        has_fallback: bool = False,
    ) -> RecoveryPlan:
        """Return what `run` would do next; see `plan_recovery`.

        Parameters
        ----------
        context : ErrorContext
            The error, classified.
        remaining_seconds : float, optional
            Until the deadline.
        can_refresh, can_wait, can_split, has_fallback : bool
            What is at hand.
        """
        return plan_recovery(
            context,
            remaining_seconds=remaining_seconds,
            can_refresh=can_refresh,
            can_wait=can_wait,
            can_split=can_split,
            has_fallback=has_fallback,
            max_wait_seconds=self._max_wait_seconds,
        )

    async def run(
        self,
        call: Callable[[], Awaitable[T]],
        *,
        split: Callable[[], Awaitable[T]] | None = None,
        fallback: Callable[[], Awaitable[T]] | None = None,
        refresh: Callable[[], Awaitable[object]] | None = None,
        remaining_seconds: float | None = None,
        repeatable: bool = False,
    ) -> T:
        """Return what `call` returns, or what helped in its place.

        Parameters
        ----------
        call : callable
            Makes the call; made twice or more only after a means was tried.
        split : callable, optional
            Makes the same call in parts (`run_split`).
        fallback : callable, optional
            Gets another answer: an older one, another service's.
        refresh : callable, optional
            Gets a newer credential.
        remaining_seconds : float, optional
            Until the deadline, from now.
        repeatable : bool, default False
            Whether the call may be made again after it may have reached the service
            (`APIRequest.is_repeatable`).

        Raises
        ------
        BaseException
            What the last `call` or `split` raised, the same object, with notes. A
            cancellation is raised at once.
        """
        started = self._clock.now()
        at_hand = {RecoveryAction.WAIT}
        at_hand |= {RecoveryAction.REFRESH} if refresh else set()
        at_hand |= {RecoveryAction.SPLIT} if split else set()
        at_hand |= {RecoveryAction.FALL_BACK} if fallback else set()
        attempt: Callable[[], Awaitable[T]] | None = call
        notes: list[str] = []
        error = Exception()
        try:
            while True:
                if attempt is not None:
                    try:
                        return await attempt()
                    except Exception as exc:
                        error = exc
                left = remaining_seconds
                if left is not None:
                    left -= self._clock.now() - started
                plan = self._next(error, at_hand, left, repeatable)
                if plan.action is RecoveryAction.GIVE_UP:
                    raise _noted(error, notes)
                at_hand.discard(plan.action)
                notes.append(f"{_named(error)} Tried: {plan.reason}.")
                if plan.action is RecoveryAction.FALL_BACK and fallback:
                    return await _fall_back(fallback, error, notes)
                attempt = split if plan.action is RecoveryAction.SPLIT else call
                if plan.action is RecoveryAction.WAIT:
                    await self._clock.sleep(plan.wait_seconds)
                if plan.action is RecoveryAction.REFRESH and refresh:
                    attempt = call if await _succeeds(refresh, notes) else None
        finally:
            # Its traceback holds this frame, and this frame would hold it.
            del error

    def _next(
        self,
        error: Exception,
        at_hand: set[RecoveryAction],
        remaining_seconds: float | None,
        repeatable: bool,
    ) -> RecoveryPlan:
        again = repeatable or not may_have_arrived(error)
        return self.plan(
            self._classifier.classify(error),
            remaining_seconds=remaining_seconds,
            can_refresh=again and RecoveryAction.REFRESH in at_hand,
            can_wait=again and RecoveryAction.WAIT in at_hand,
            can_split=again and RecoveryAction.SPLIT in at_hand,
            has_fallback=RecoveryAction.FALL_BACK in at_hand,
        )


async def _fall_back(
    fallback: Callable[[], Awaitable[T]], error: Exception, notes: list[str]
) -> T:
    """Return the other answer; where there is none the call's own error counts."""
    try:
        return await fallback()
    except Exception as exc:
        notes.append(f"That failed: {_named(exc)}")
    raise _noted(error, notes)


async def _succeeds(means: Callable[[], Awaitable[object]], notes: list[str]) -> bool:
    try:
        await means()
    except Exception as exc:
        notes.append(f"That failed: {_named(exc)}")
        return False
    return True


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {message_of(error)}"


def _noted(error: Exception, notes: list[str]) -> Exception:
    """Write on an error what was tried; what it says itself stays as it is."""
    for note in notes:
        error.add_note(note)
    return error
