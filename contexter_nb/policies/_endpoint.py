"""One endpoint: its path in each version that has it, and from when to when."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote

from contexter_nb.core import (
    InvalidArgumentError,
    VersionError,
    did_you_mean,
    type_in_words,
)
from contexter_nb.policies._api_version import APIVersion

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """From when to when an endpoint is offered in one version, as announced.

    Attributes
    ----------
    introduced, deprecated, sunset : datetime or None
        Aware. From `sunset` on it may answer no more.
    successor : str
        What to use in its place; empty where nothing is.
    """

    introduced: datetime | None = None
    deprecated: datetime | None = None
    sunset: datetime | None = None
    successor: str = ""

    def __post_init__(self) -> None:
        for name in ("introduced", "deprecated", "sunset"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise InvalidArgumentError(
                    f"{name} has no time zone; give an aware datetime, as "
                    "datetime(2026, 12, 31, tzinfo=UTC)."
                )


@dataclass(frozen=True, slots=True)
class VersionedEndpoint:
    """An endpoint and its path in each version that has it.

    Attributes
    ----------
    name : str
        ``library``, say.
    paths : mapping of APIVersion or str to str
        Templates below the version: ``/libraries/{id}``.
    lifetimes : mapping of APIVersion or str to Lifetime
        Where something is announced.

    Examples
    --------
    >>> library = VersionedEndpoint("library", {"v1": "/libraries/{id}"})
    >>> path_for(library, "v1", id="a?b#c")
    '/libraries/a%3Fb%23c'
    """

    name: str
    paths: Mapping[APIVersion | str, str]
    lifetimes: Mapping[APIVersion | str, Lifetime] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        if not self.name or not self.paths:
            raise InvalidArgumentError(
                f"endpoint {self.name!r} lacks a name or paths; give both."
            )
        for mapping in ("paths", "lifetimes"):
            given = getattr(self, mapping)
            mine = {APIVersion.of(key): value for key, value in given.items()}
            object.__setattr__(self, mapping, MappingProxyType(mine))
        strange = [str(each) for each in self.lifetimes if each not in self.paths]
        if strange:
            raise InvalidArgumentError(
                f"endpoint {self.name!r} has a lifetime of {', '.join(strange)}, but "
                "no path there; give both or neither."
            )

    @property
    def versions(self) -> tuple[APIVersion, ...]:
        """Those that have it, the oldest first."""
        return tuple(sorted(APIVersion.of(each) for each in self.paths))


def path_for(
    endpoint: VersionedEndpoint,
    version: APIVersion | str,
    /,
    *,
    keep_slash: Collection[str] = (),
    **ids: str | int,
) -> str:
    """Return an endpoint's path in a version, with its places filled in.

    Parameters
    ----------
    endpoint : VersionedEndpoint
    version : APIVersion or str
    keep_slash : collection of str
        The places whose value is a path of its own and keeps its slashes.
    **ids : str or int
        A value for each place; it is quoted, so that none ends the path.

    Returns
    -------
    str
        Beginning with a slash, without the version.

    Raises
    ------
    InvalidArgumentError
        A value is missing, too many, empty, or would lead to another path.
    VersionError
        The version does not have this endpoint.

    Examples
    --------
    >>> docs = VersionedEndpoint("docs", {"v2": "docs/{library}"})
    >>> path_for(docs, "v2", library="vercel/next.js")
    '/docs/vercel%2Fnext.js'
    >>> path_for(docs, "v2", library="vercel/next.js", keep_slash=["library"])
    '/docs/vercel/next.js'
    """
    template = template_of(endpoint, APIVersion.of(version))
    places = list(dict.fromkeys(_PLACE.findall(template)))
    for name in ids:
        if name not in places:
            raise InvalidArgumentError(
                f"{name!r} is no place in {template!r}.{did_you_mean(name, places)}"
            )
    for name in places:
        if name not in ids:
            raise InvalidArgumentError(
                f"{name!r} is missing for {template!r}; give it."
            )
    filled = {
        name: _quoted(name, value, name in keep_slash) for name, value in ids.items()
    }
    return "/" + _PLACE.sub(lambda found: filled[found[1]], template).lstrip("/")


def template_of(endpoint: VersionedEndpoint, version: APIVersion) -> str:
    """Return the path as it is written, places and all, or raise VersionError.

    Parameters
    ----------
    endpoint : VersionedEndpoint
    version : APIVersion
    """
    template = endpoint.paths.get(version)
    if template is None:
        offered = [str(each) for each in endpoint.versions]
        raise VersionError(
            f"Endpoint {endpoint.name!r} is not in version {version}, but in "
            f"{', '.join(offered)}.{did_you_mean(str(version), offered)}"
        )
    return template


def _quoted(name: str, value: object, keeps_slash: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        kind = type_in_words(value)
        raise InvalidArgumentError(f"{name} is {kind}; give a text or a number.")
    text = str(value)
    segments = text.strip("/").split("/") if keeps_slash else [text]
    if any(each in ("", ".", "..") for each in segments):
        raise InvalidArgumentError(
            f"{name} is {text[:100]!r}, which is empty or leads to another path; give "
            "a name."
        )
    try:
        return "/".join(quote(each, safe="") for each in segments)
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(
            f"{name} holds half a character (a lone surrogate); mend it."
        ) from exc
