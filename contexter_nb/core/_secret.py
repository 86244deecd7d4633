"""A credential that shows itself nowhere, and the scrubber that looks for it."""

from __future__ import annotations

import base64
import hmac
import json
import re
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NoReturn, SupportsIndex
from urllib.parse import quote

from contexter_nb.core._causes import causes_of
from contexter_nb.core._errors import InvalidArgumentError

HIDDEN = "***"
SHOWN_FROM_CHARS = 16
SCRUBBED_FROM_CHARS = 6

_NAMES = (
    r"(?:[\w-]*[-_])?(?:token|secret)|[\w-]*[-_]key|api[-_]?key|clientsecret|"
    r"(?:access|refresh|id|session)token|(?:client_)?assertion|(?:proxy-)?authorization|"
    r"(?:set-)?cookie|passw(?:or)?d|passphrase|credentials?|signature|sig"
)
_SENSITIVE = re.compile(rf"^(?:{_NAMES}|key)$", re.IGNORECASE)
# Plain words follow "basic" and "token" in sentences; a credential has more than that.
_SCHEMES = re.compile(
    r"\b((?i:Bearer)|(?i:Basic|Token)(?=\s+[A-Za-z._~+/=-]*[0-9A-Z]))"
    r"\s+[A-Za-z0-9._~+/=-]{8,}"
)
_USER_INFO = re.compile(r"(?<=://)[^\s/?#@]+@")
# These hold several parts, so the rest of the line is theirs.
_WHOLE_LINES = re.compile(
    r"""(?P<name>\b(?:(?:set-)?cookie\s*[=:]|"""
    r"""(?:proxy-)?authorization\s*[=:]\s*Digest\b)\s*)[^\r\n"']+""",
    re.IGNORECASE,
)
_PAIRS = re.compile(
    rf"""(?P<name>(?<![\w-])\\?["']?(?:{_NAMES}|(?<=[?&])key)\\?["']?"""
    r"""\s{0,8}[=:]\s{0,8})"""
    r"""(?P<value>\\"[^"\\]*\\?"?|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|"""
    r"""(?:(?:Bearer|Basic|Token)\s+)?[^\s&,;"'}\])]+)""",
    re.IGNORECASE,
)
_lock = threading.Lock()
# By identity: of two equal ones each is known for as long as it lives.
_known: weakref.WeakValueDictionary[int, Secret] = weakref.WeakValueDictionary()


class Secret:
    """A key, token or password; only `reveal` gives it away.

    Every display (repr, str, format, HTML) shows ``***`` and, of a long one, its last
    four characters. It cannot be pickled, and while it lives `scrub` removes it from
    texts.

    Parameters
    ----------
    value : str
        The credential; spaces round it, a common slip of copying, are taken off.

    Raises
    ------
    InvalidArgumentError
        It is no text, empty, or holds a control character or a blank, which no HTTP
        header can carry.

    Examples
    --------
    >>> Secret("pa-0123456789abcdef")
    Secret('***cdef')
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        if not isinstance(value, str) or not value.strip():
            del value  # rich tracebacks show variables
            raise InvalidArgumentError(
                "A key is no text or empty; give the key itself."
            )
        stripped = value.strip()
        if any(not "!" <= character <= "~" for character in stripped):
            del value, stripped
            raise InvalidArgumentError(
                "A key holds a blank, a control character or a letter outside ASCII; "
                "copy it again."
            )
        self._value = stripped
        with _lock:
            _known[id(self)] = self

    @classmethod
    def of(cls, value: str | Secret) -> Secret:
        """Return `value` as a secret; one that is a secret already as it is.

        Parameters
        ----------
        value : str or Secret
        """
        try:
            return value if isinstance(value, Secret) else cls(value)
        finally:
            del value  # rich tracebacks show variables

    def reveal(self) -> str:
        """Return the credential, for the wire only."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def __str__(self) -> str:
        tail = self._value[-4:] if len(self._value) >= SHOWN_FROM_CHARS else ""
        return HIDDEN + tail

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def _repr_html_(self) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret cannot be pickled; pass the key by the environment")


def is_sensitive(name: str) -> bool:
    """Tell whether a header, parameter or field of this name holds a credential.

    Parameters
    ----------
    name : str
        In any case.

    Examples
    --------
    >>> is_sensitive("X-Api-Key"), is_sensitive("Content-Type")
    (True, False)
    """
    return _SENSITIVE.search(name) is not None


def scrub(text: str) -> str:
    """Return a text without credentials.

    Takes out every living `Secret` (plain and as the base64 of Basic authorization),
    what follows ``Bearer`` and its like, and the values of fields whose name says that
    they are secret.

    Parameters
    ----------
    text : str
        An error message, a header dump, a line of a log.

    Returns
    -------
    str
        The same with ``***`` in their places.

    Examples
    --------
    >>> scrub("POST failed: Authorization: Bearer abcdefgh12345678")
    'POST failed: Authorization: ***'
    """
    with _lock:
        values = {each.reveal() for each in _known.values()}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= SCRUBBED_FROM_CHARS:
            for spelling in _spellings(value):
                text = text.replace(spelling, HIDDEN)
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    text = _WHOLE_LINES.sub(lambda found: f"{found['name']}{HIDDEN}", text)
    text = _SCHEMES.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    return _PAIRS.sub(_without_value, text)


def _spellings(value: str) -> Iterator[str]:
    """Yield how a credential is written: plain, in JSON, in a URL, within base64."""
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    for before in range(3):  # what precedes it shifts the groups of three bytes
        encoded = base64.b64encode(b"\0" * before + value.encode()).decode()
        yield encoded.rstrip("=")[(0, 2, 3)[before] : -1]


def _without_value(found: re.Match[str]) -> str:
    value = found["value"]
    mark = '\\"' if value.startswith("\\") else value[0] if value[0] in "\"'" else ""
    return f"{found['name']}{mark}{HIDDEN}{mark}"


def without_frames(error: BaseException) -> BaseException:
    """Return an error whose chain of causes carries no stack frames.

    The frames of an HTTP library hold headers as local variables, and rich tracebacks
    show local variables; the classes and messages say enough.

    Parameters
    ----------
    error : BaseException
        Changed in place.
    """
    for each in causes_of(error, suppressed=True):
        each.__traceback__ = None
    return error
