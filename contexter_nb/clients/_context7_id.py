"""A Context7 library id: owner, name and perhaps a tag, checked in one sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from contexter_nb.core import InvalidArgumentError, type_in_words

MAX_ID_CHARS = 300
_SHAPE = re.compile(r"/(?P<owner>[^/]+)/(?P<name>[^/]+)(?:/(?P<tag>[^/]+))?")


@dataclass(frozen=True, slots=True)
class LibraryId:
    """Which library, and which tag of it.

    An id without a tag means the branch that Context7 follows, not the version that is
    installed here.

    Attributes
    ----------
    owner, name : str
    tag : str
        Empty for the branch that is followed.
    separator : str
        Before the tag: ``/`` or ``@``.
    """

    owner: str
    name: str
    tag: str = ""
    separator: str = "/"

    @classmethod
    def parse(cls, text: str) -> LibraryId:
        """Return a checked id.

        Parameters
        ----------
        text : str
            ``/owner/name``, ``/owner/name/tag`` or ``/owner/name@tag``.

        Raises
        ------
        InvalidArgumentError
            It is none.

        Examples
        --------
        >>> str(LibraryId.parse("/acme/widgetlib@v3.1.0").base)
        '/acme/widgetlib'
        """
        found = _SHAPE.fullmatch(text) if isinstance(text, str) else None
        if found is None or len(text) > MAX_ID_CHARS or not _is_plain(text):
            raise InvalidArgumentError(
                f"library_id is {_shown(text)}; give '/owner/name', '/owner/name/tag' "
                "or '/owner/name@tag', as list_libraries(...) shows it."
            )
        owner, name, tag = found["owner"], found["name"], found["tag"] or ""
        # An "@" in front belongs to the name of a scope.
        before, at, behind = name[1:].partition("@")
        if tag or not at:
            return cls(owner, name, tag)
        if not behind or not before:
            return cls(owner, name)
        return cls(owner, name[0] + before, behind, "@")

    @property
    def base(self) -> LibraryId:
        """The same without a tag."""
        return LibraryId(self.owner, self.name)

    def with_tag(self, tag: str | None) -> LibraryId:
        """Return the id of a tag of this library.

        Parameters
        ----------
        tag : str or None
            None leaves the id as it is.

        Raises
        ------
        InvalidArgumentError
            The id names another tag already, or the tag is no plain word.
        """
        if tag is None or (tag and tag == self.tag):
            return self
        if self.tag:
            raise InvalidArgumentError(
                f"library_id names the tag {self.tag!r} and version_tag is {tag!r}; "
                "give one of them."
            )
        if not isinstance(tag, str) or not tag or "/" in tag or not _is_plain(tag):
            raise InvalidArgumentError(
                f"version_tag is {_shown(tag)}; give a tag of the library, as 'v3.1.0'."
            )
        return replace(self, tag=tag)

    def __str__(self) -> str:
        end = f"{self.separator}{self.tag}" if self.tag else ""
        return f"/{self.owner}/{self.name}{end}"


def _is_plain(text: str) -> bool:
    """Tell whether no segment is blank, invisible, or a way to another path."""
    is_visible = text.isprintable() and " " not in text
    return is_visible and not {".", ".."} & set(text.split("/"))


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return type_in_words(value)
    return repr(value[:100])
