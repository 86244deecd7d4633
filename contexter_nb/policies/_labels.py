"""Which calls are counted together, in a number of kinds that is bounded."""

from __future__ import annotations

from typing import NamedTuple

from contexter_nb.core import CallRecord, ErrorCategory, Outcome

OTHER = "other"
MAX_NAME_CHARS = 120
MAX_ERROR_TYPES = 64


class Labels(NamedTuple):
    """What the calls of one tally have in common."""

    service: str
    operation: str
    outcome: Outcome
    error_type: str | None
    category: ErrorCategory | None


class LabelBook:
    """Admits so many names, and calls all that come later ``other``.

    Parameters
    ----------
    max_operations : int
        Pairs of service and operation. A later operation of a known service is its
        ``other``; a later service is ``other`` altogether.
    max_error_types : int
        Classes of errors.
    """

    def __init__(
        self, max_operations: int, max_error_types: int = MAX_ERROR_TYPES
    ) -> None:
        self._max_operations = max_operations
        self._max_error_types = max_error_types
        # Error types multiply with operations; that product has a bound of its own.
        self._max_labels = 4 * max_operations + 64
        self._operations: set[tuple[str, str]] = set()
        self._services: set[str] = set()
        self._error_types: set[str] = set()
        self._labels: set[Labels] = set()

    def admit(self, call: CallRecord) -> Labels:
        """Return the labels under which a call is counted.

        Parameters
        ----------
        call : CallRecord
        """
        service, operation = self._operation_of(call)
        error_type = self._error_type_of(call)
        labels = Labels(service, operation, call.outcome, error_type, call.category)
        if labels in self._labels:
            return labels
        if len(self._labels) >= self._max_labels and call.outcome != "ok":
            rest = None if error_type is None else OTHER
            return Labels(OTHER, OTHER, call.outcome, rest, call.category)
        self._labels.add(labels)
        return labels

    def _operation_of(self, call: CallRecord) -> tuple[str, str]:
        service = call.service[:MAX_NAME_CHARS]
        pair = service, call.operation[:MAX_NAME_CHARS]
        if pair not in self._operations:
            if len(self._operations) >= self._max_operations:
                return service if service in self._services else OTHER, OTHER
            self._operations.add(pair)
            self._services.add(service)
        return pair

    def _error_type_of(self, call: CallRecord) -> str | None:
        if call.error_type is None:
            return None
        name = call.error_type[:MAX_NAME_CHARS]
        if name not in self._error_types:
            if len(self._error_types) >= self._max_error_types:
                return OTHER
            self._error_types.add(name)
        return name
