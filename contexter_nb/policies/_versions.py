"""Which endpoints a service offers in which versions; a table that never changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from contexter_nb.core import InvalidArgumentError, VersionError, did_you_mean
from contexter_nb.policies._api_version import APIVersion
from contexter_nb.policies._deprecation import DeprecationNotice
from contexter_nb.policies._endpoint import VersionedEndpoint, path_for, template_of


@dataclass(frozen=True, slots=True)
class ResolvedEndpoint:
    """An endpoint in one version."""

    endpoint: VersionedEndpoint
    version: APIVersion

    def path(self, *, keep_slash: Collection[str] = (), **ids: str | int) -> str:
        """Return its path with the places filled in; see `path_for`.

        Parameters
        ----------
        keep_slash : collection of str
            The places whose value keeps its slashes.
        **ids : str or int
            A value for each place.
        """
        return path_for(self.endpoint, self.version, keep_slash=keep_slash, **ids)

    def notice(
        self, wall: datetime, *, strict: bool = False
    ) -> DeprecationNotice | None:
        """Return what is announced of its end, or None.

        An announced end is a plan that services put off: past it the endpoint is still
        asked, with a warning, unless `strict`.

        Parameters
        ----------
        wall : datetime
            Aware; the present.
        strict : bool, default False
            Whether to refuse an endpoint past its end.

        Raises
        ------
        VersionError
            It is past its end and `strict`.
        """
        life = self.endpoint.lifetimes.get(self.version)
        if life is None or (life.deprecated is None and life.sunset is None):
            return None
        notice = DeprecationNotice(
            deprecated_at=life.deprecated,
            sunset_at=life.sunset,
            successor=life.successor,
        )
        if strict and notice.is_past_sunset(wall):
            raise VersionError(notice.sentence(self.endpoint.name, self.version, wall))
        return notice if notice.is_deprecated(wall) or life.sunset else None


@dataclass(frozen=True, slots=True)
class VersionTable:
    """All endpoints of a service, and the version used where none is named.

    It never changes: a call under way keeps the table it began with.

    Attributes
    ----------
    endpoints : iterable of VersionedEndpoint
        Each of another name.
    default : APIVersion or str

    Examples
    --------
    >>> table = VersionTable(
    ...     [
    ...         VersionedEndpoint("search", {"v1": "/search", "v2": "/libs/search"}),
    ...         VersionedEndpoint("fetch", {"v1": "/fetch"}),
    ...     ],
    ...     default="v1",
    ... )
    >>> table.resolve("search", "v2").path()
    '/libs/search'
    >>> table.check_migration("v2")
    ('fetch',)
    """

    endpoints: Iterable[VersionedEndpoint]
    default: APIVersion | str

    def __post_init__(self) -> None:
        endpoints = tuple(self.endpoints)
        names = [each.name for each in endpoints]
        if len(set(names)) != len(names) or not names:
            raise InvalidArgumentError(
                "endpoints are none, or two have one name; name each once."
            )
        object.__setattr__(self, "endpoints", endpoints)
        object.__setattr__(self, "default", self._known(self.default))

    @property
    def version(self) -> APIVersion:
        """The default."""
        return APIVersion.of(self.default)

    @property
    def versions(self) -> tuple[APIVersion, ...]:
        """Those that have any endpoint, the oldest first."""
        return tuple(sorted({each for one in self.endpoints for each in one.versions}))

    def resolve(
        self, name: str, version: APIVersion | str | None = None
    ) -> ResolvedEndpoint:
        """Return an endpoint in a version.

        Parameters
        ----------
        name : str
        version : APIVersion or str, optional
            The default where None.

        Raises
        ------
        VersionError
            There is no such endpoint, or not in this version.
        """
        by_name = {each.name: each for each in self.endpoints}
        if name not in by_name:
            raise VersionError(
                f"There is no endpoint {name!r}; there are {', '.join(by_name)}."
                f"{did_you_mean(name, by_name)}"
            )
        wanted = self.version if version is None else APIVersion.of(version)
        template_of(by_name[name], wanted)
        return ResolvedEndpoint(by_name[name], wanted)

    def check_migration(self, to: APIVersion | str) -> tuple[str, ...]:
        """Return the endpoints that the default version has and `to` lacks.

        Parameters
        ----------
        to : APIVersion or str

        Returns
        -------
        tuple of str
            Their names; empty where nothing is missing.

        Raises
        ------
        VersionError
            No endpoint at all is in `to`.
        """
        wanted = self._known(to)
        return tuple(
            each.name
            for each in self.endpoints
            if self.version in each.paths and wanted not in each.paths
        )

    def with_version(
        self, version: APIVersion | str, *, allow_missing: bool = False
    ) -> VersionTable:
        """Return the same table with another default.

        Parameters
        ----------
        version : APIVersion or str
        allow_missing : bool, default False
            Whether it may lack endpoints that the present default has.

        Raises
        ------
        VersionError
            No endpoint is in `version`, or some are missing and that is not allowed.
        """
        missing = self.check_migration(version)
        if missing and not allow_missing:
            raise VersionError(
                f"Version {version} lacks {', '.join(missing)}; do without them "
                "(allow_missing=True) or stay."
            )
        return VersionTable(self.endpoints, version)

    def _known(self, version: APIVersion | str) -> APIVersion:
        wanted = APIVersion.of(version)
        if wanted not in self.versions:
            offered = [str(each) for each in self.versions]
            raise VersionError(
                f"There is no version {wanted}; there are {', '.join(offered)}."
                f"{did_you_mean(str(wanted), offered)}"
            )
        return wanted
