"""HTTP header fields: case-blind, immutable, and silent about credentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from contexter_nb.core._secret import HIDDEN, is_sensitive, scrub


class Headers(Mapping[str, str]):
    """Header fields by lower-case name; several of one name are joined by a comma.

    Parameters
    ----------
    fields : mapping or iterable of pairs
        Names in any case.

    Examples
    --------
    >>> Headers({"Retry-After": "2", "Authorization": "Bearer x"})
    Headers({'retry-after': '2', 'authorization': '***'})
    """

    __slots__ = ("_fields",)

    def __init__(
        self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    ) -> None:
        if isinstance(fields, Headers):
            self._fields: dict[str, str] = fields._fields
            return
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        mine: dict[str, str] = {}
        for name, value in pairs:
            lower = name.lower()
            mine[lower] = f"{mine[lower]}, {value}" if lower in mine else value
        self._fields = mine

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self._fields == Headers(other)._fields
        except AttributeError:  # a key that is no text
            return False

    __hash__ = None  # type: ignore[assignment]

    def with_fields(self, fields: Mapping[str, str]) -> Headers:
        """Return these fields with others set over them.

        Parameters
        ----------
        fields : mapping
            A field of a name that is there already replaces it.
        """
        added = {name.lower(): value for name, value in fields.items()}
        return Headers({**self._fields, **added})

    def shown(self) -> dict[str, str]:
        """Return the fields with the values of credentials hidden."""
        return {
            name: HIDDEN if is_sensitive(name) else scrub(value)
            for name, value in self._fields.items()
        }

    def __repr__(self) -> str:
        return f"Headers({self.shown()!r})"
