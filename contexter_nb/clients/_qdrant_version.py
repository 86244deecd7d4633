"""Whether a server and the library that talks to it go together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVersion:
    """The versions on both sides.

    Attributes
    ----------
    server, library : str
        ``1.19.0``; of Qdrant and of qdrant_client.
    """

    server: str
    library: str

    @property
    def compatible(self) -> bool:
        """Whether the majors are equal and the minors at most one apart.

        Source
        ------
        qdrant_client 1.20.0, ``common/version_check.py``.
        """
        try:
            ours, theirs = _numbers(self.library), _numbers(self.server)
        except ValueError:
            return False
        return ours[0] == theirs[0] and abs(ours[1] - theirs[1]) <= 1


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)
