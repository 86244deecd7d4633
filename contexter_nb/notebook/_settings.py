"""What `connect` was told, by its arguments or by the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from contexter_nb.core import InvalidArgumentError, Secret, is_sensitive

VARIABLES = (
    "CONTEXTER_HOME",
    "VOYAGE_API_KEY",
    "VOYAGE_BASE_URL",
    "CONTEXT7_API_KEY",
    "CONTEXT7_BASE_URL",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "REDIS_URL",
)
_SCHEMES = {
    "voyage_base_url": ("http", "https"),
    "context7_base_url": ("http", "https"),
    "qdrant_url": ("http", "https", "grpc"),
    "redis_url": ("redis", "rediss", "unix"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Keys and places of the services; what is None is not used.

    An argument wins over the environment's variable of the same name.
    """

    voyage_api_key: Secret | None = None
    voyage_base_url: str | None = None
    context7_api_key: Secret | None = None
    context7_base_url: str | None = None
    qdrant_url: str | None = None
    qdrant_api_key: Secret | None = None
    redis_url: Secret | None = None

    @classmethod
    def read(
        cls,
        given: Mapping[str, str | Secret | None],
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """Return the settings, checked.

        Parameters
        ----------
        given : mapping of str to str, Secret or None
            Arguments by name; None or an empty text asks the environment.
        environment : mapping of str to str, optional
            That of the process where None.

        Raises
        ------
        InvalidArgumentError
            A URL or a key cannot be used; the message does not show it.
        """
        variables = os.environ if environment is None else environment
        found: dict[str, str | Secret | None] = {}
        for name in cls.__dataclass_fields__:
            value = given.get(name) or variables.get(name.upper()) or None
            if value is None:
                continue
            where = name if given.get(name) else f"the variable {name.upper()}"
            found[name] = _checked(name, value, where)
        return cls(**found)  # type: ignore[arg-type]  # by name, checked above


def _checked(name: str, value: str | Secret, where: str) -> str | Secret:
    """Return a key as a secret and a URL as it is, or say what is wrong with it."""
    if name in _SCHEMES:
        text = value.reveal() if isinstance(value, Secret) else value
        _check_url(text, _SCHEMES[name], where)
        # Redis has its password in the URL.
        return Secret.of(value) if name == "redis_url" else text.strip().rstrip("/")
    if not is_sensitive(name):
        raise AssertionError(name)
    try:
        return Secret.of(value)
    except InvalidArgumentError as exc:
        raise InvalidArgumentError(f"{where}: {exc}") from None


def _check_url(text: object, schemes: tuple[str, ...], where: str) -> None:
    example = f"{schemes[-1] if 'https' not in schemes else 'https'}://host/path"
    if not isinstance(text, str):
        raise InvalidArgumentError(
            f"{where} is {type(text).__name__}; give a URL, as {example!r}."
        )
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in schemes and bool(parts.netloc or parts.path)
    except ValueError:
        usable = False
    if not usable:
        raise InvalidArgumentError(
            f"{where} is no URL of {' or '.join(schemes)}; give one, as {example!r}."
        )
