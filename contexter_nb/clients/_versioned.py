"""A client whose service offers its endpoints in several versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from contexter_nb.clients._client import APIClient
from contexter_nb.core import (
    APIRequest,
    APIResponse,
    Clock,
    InvalidArgumentError,
    SystemClock,
    VersionError,
)
from contexter_nb.policies import (
    APIVersion,
    DeprecationWarner,
    ResolvedEndpoint,
    VersionedEndpoint,
    VersionTable,
    join_version,
    read_deprecation,
)


class VersionedAPIClient(APIClient):
    """An `APIClient` that knows which endpoint stands where in which version.

    The version is placed once, in the path below the base URL. An endpoint whose end is
    announced, by its table or by the service's ``Deprecation`` and ``Sunset`` fields,
    is warned of once.

    Parameters
    ----------
    service : str
    base_url : str
        With or without a version at its end.
    endpoints : iterable of VersionedEndpoint
        What there is, and in which versions.
    version : APIVersion or str
        Used where a call names none.
    version_in_path : bool, default True
        Whether the version is a part of the path; without it, an endpoint's path
        stands below the base URL as it is.
    strict : bool, default False
        Whether an endpoint past its announced end is refused.
    **options
        As of `APIClient`.

    Raises
    ------
    VersionError
        No endpoint is in `version`.
    InvalidArgumentError
        An argument cannot be used.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        endpoints: Iterable[VersionedEndpoint],
        version: APIVersion | str,
        version_in_path: bool = True,
        strict: bool = False,
        **options: Any,
    ) -> None:
        version = APIVersion.of(version)
        segment = str(version)
        if version_in_path:
            # Without the version, which each endpoint brings.
            base_url, _, segment = join_version(base_url, version, "").rpartition("/")
        super().__init__(service, base_url, **options)
        self._table = VersionTable(endpoints, version)
        # As the service spells them, whatever the spelling of a call: 2 is v2.
        self._segments = {each: str(each) for each in self._table.versions}
        self._segments[self._table.version] = segment
        self._version_in_path = version_in_path
        self._strict = strict
        self._warner = DeprecationWarner()
        self._wall: Clock = options.get("clock") or SystemClock()

    @property
    def api_version(self) -> APIVersion:
        """The version used where a call names none."""
        return self._table.version

    @property
    def api_versions(self) -> tuple[APIVersion, ...]:
        """All versions that have an endpoint, the oldest first."""
        return self._table.versions

    async def execute_endpoint(
        self,
        name: str,
        *,
        version: APIVersion | str | None = None,
        ids: Mapping[str, str | int] | None = None,
        keep_slash: Collection[str] = (),
        request: APIRequest | None = None,
    ) -> APIResponse:
        """Send a request to an endpoint by its name.

        Parameters
        ----------
        name : str
            Of the endpoint.
        version : APIVersion or str, optional
            The client's where None.
        ids : mapping, optional
            A value for each place in its path; quoted, so that none can leave it.
        keep_slash : collection of str
            The places whose value keeps its slashes.
        request : APIRequest, optional
            Method, parameters, body and so on; its endpoint stays empty.

        Returns
        -------
        APIResponse

        Raises
        ------
        VersionError
            There is no such endpoint in this version, or it is past its end and the
            client is strict.
        InvalidArgumentError
            A value for a place is missing, or the request names an endpoint itself.
        APIIntegrationError
            As of `execute_request`.

        Warns
        -----
        APIDeprecationWarning
            Its end is announced; once for each endpoint and version.
        """
        asked = request or APIRequest()
        if asked.endpoint:
            raise InvalidArgumentError(
                f"The request names the endpoint {asked.endpoint!r}; leave it empty, "
                f"since {name!r} says where it stands."
            )
        wall = self._wall.wall()
        try:
            found = self._table.resolve(name, version)
            notice = found.notice(wall, strict=self._strict)
        except VersionError as exc:
            exc.service, exc.operation = self.service, name
            raise
        if notice is not None:
            self._warner.warn(self.service, name, found.version, notice, wall)
        path = found.path(keep_slash=keep_slash, **(ids or {}))
        response = await self.execute_request(
            asked.with_(
                endpoint=self._placed(found, path),
                operation=asked.operation or name,
            )
        )
        announced = read_deprecation(response.headers, wall)
        if announced is not None:
            self._warner.warn(self.service, name, found.version, announced, wall)
        return response

    def _placed(self, found: ResolvedEndpoint, path: str) -> str:
        """Return a path below the base URL that holds the version once."""
        if not self._version_in_path:
            return path
        segment = self._segments[found.version]
        template = found.endpoint.paths[found.version]
        if "{" in template.lstrip("/").partition("/")[0]:
            return f"/{segment}{path}"  # an id may look like a version
        return join_version(self.base_url, segment, path)[len(self.base_url) :]

    async def migrate_to_version(
        self,
        version: APIVersion | str,
        *,
        probe: str | None = None,
        allow_missing: bool = False,
    ) -> APIVersion:
        """Use another version from now on, if the service offers it.

        Calls under way keep theirs. Nothing changes where this raises.

        Parameters
        ----------
        version : APIVersion or str
        probe : str, optional
            An endpoint without places, to be asked by GET in that version first.
        allow_missing : bool, default False
            Whether the version may lack endpoints that the present one has.

        Returns
        -------
        APIVersion
            The version used so far.

        Raises
        ------
        VersionError
            It is not offered, or lacks endpoints.
        APIIntegrationError
            The probe failed.
        """
        before = self._table.version
        table = self._table.with_version(version, allow_missing=allow_missing)
        if probe is not None:
            try:
                await self.execute_endpoint(
                    probe, version=version, request=APIRequest(max_attempts=2)
                )
            except VersionError:
                raise
            except Exception as exc:
                exc.add_note(f"{self.service} stays with version {before}.")
                raise
        self._table = table
        return before
