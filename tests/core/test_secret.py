"""A credential shows itself nowhere, and the scrubber finds it wherever it stands."""

from __future__ import annotations

import base64
import copy
import gc
import json
import logging
import pickle
import pprint
import threading
import traceback
import urllib.parse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import (
    InvalidArgumentError,
    Secret,
    is_sensitive,
    scrub,
    without_frames,
)

KEY = "pa-" + "0123456789" + "abcdef"
PRINTABLE = "".join(chr(code) for code in range(33, 127) if chr(code) != "*")
credentials = st.text(PRINTABLE, min_size=6, max_size=60)


@dataclass
class Holder:
    """Anything that keeps a credential as a field."""

    key: Secret


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        "{:>40}".format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!s:>30}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - logging does this
        lambda secret: secret._repr_html_(),
        lambda secret: repr(Holder(secret)),
        lambda secret: repr(asdict(Holder(secret))),
        lambda secret: repr([secret, {secret: secret}]),
        lambda secret: pprint.pformat({"key": secret}),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: repr(copy.deepcopy({"key": secret})),
    ],
)
def test_no_display_gives_a_secret_away(show: Callable[[Any], str]) -> None:
    """Each way Python or a notebook shows a value shows three stars and a tail."""
    shown = show(Secret(KEY))
    assert KEY[:-4] not in shown
    assert "***cdef" in shown


def test_a_short_secret_shows_nothing_of_itself() -> None:
    """The last four characters are much of a short password, so they are hidden."""
    assert str(Secret("pass12345word")) == "***"


def test_logging_does_not_write_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """A secret as an argument of a log line is written as it is shown."""
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("key %s in %r", Secret(KEY), [Secret(KEY)])
    assert KEY not in caplog.text
    assert "***cdef" in caplog.text


def test_a_secret_is_not_found_in_its_attributes() -> None:
    """There is no dictionary of attributes for tools to print."""
    with pytest.raises(TypeError):
        vars(Secret(KEY))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    """It never reaches a file or another process that way."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps({"key": Secret(KEY)}, protocol)


def test_json_refuses_a_secret() -> None:
    """Writing it as JSON by accident is an error."""
    with pytest.raises(TypeError):
        json.dumps({"key": Secret(KEY)})


def test_a_copy_is_the_same_secret() -> None:
    """Copying makes no second object that would have to be looked after."""
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert Secret.of(secret) is secret


def test_secrets_are_equal_by_value_and_unequal_to_text() -> None:
    """Comparing works between secrets only."""
    assert Secret(KEY) == Secret(f" {KEY}\n")
    assert hash(Secret(KEY)) == hash(Secret.of(KEY))
    assert Secret(KEY) != Secret(KEY + "x")
    assert Secret(KEY) != KEY
    assert Secret(KEY).reveal() == KEY


@pytest.mark.parametrize("value", ["", "  ", "two words", "tab\there", "é", "a\nb", 5])
def test_what_no_header_can_carry_is_refused_unshown(value: Any) -> None:
    """A wrong key is named as wrong, and its text is not in the message."""
    with pytest.raises(InvalidArgumentError) as caught:
        Secret(value)
    assert str(value).strip() == "" or f" {value} " not in f" {caught.value} "


@given(credentials, st.text(max_size=40), st.text(max_size=40))
def test_no_living_secret_survives_scrubbing(key: str, before: str, after: str) -> None:
    """Whatever stands round a secret in a text, the secret is not in it any more."""
    secret = Secret(key)
    assert key not in scrub(f"{before}{secret.reveal()}{after}")


@given(credentials, st.integers(0, 9))
def test_a_secret_is_found_in_every_spelling(key: str, user_chars: int) -> None:
    """In JSON, in a URL, and within the base64 of Basic authorization, too."""
    secret = Secret(key)
    basic = base64.b64encode(f"{'u' * user_chars}:{key}".encode()).decode()
    for spelling in (json.dumps(key)[1:-1], urllib.parse.quote(key, safe="")):
        assert spelling not in scrub(f"<<{spelling}>>")
    scrubbed = scrub(f"<<{basic}>>")[2:-2]
    kept = max(len(each) for each in scrubbed.split("***"))
    assert kept < len(basic) - len(key)
    del secret


def test_of_two_equal_secrets_the_one_that_lives_is_found() -> None:
    """That an equal one was there before and has gone changes nothing."""
    first, second = Secret("equal-credential"), Secret("equal-credential")
    del first
    gc.collect()
    assert scrub("see equal-credential here") == "see *** here"
    del second


def test_a_secret_that_is_gone_is_not_kept_for_the_scrubber() -> None:
    """Knowing secrets does not keep them alive."""
    secret = Secret("short-lived-credential")
    assert "short" not in scrub("short-lived-credential")
    del secret
    gc.collect()
    assert scrub("short-lived-credential") == "short-lived-credential"


def test_the_longer_of_two_nested_secrets_leaves_no_tail() -> None:
    """Where one secret begins like another, none of the longer one stays."""
    secrets = Secret("abcdef123"), Secret("abcdef123-and-more")
    assert scrub("x abcdef123-and-more y") == "x *** y"
    del secrets


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: ***"),
        ("sent Basic dXNlcjpwYXNzd29yZA== to it", "sent Basic *** to it"),
        ("Authorization: Digest user=a, response=b", "Authorization: *** ***"),
        ("Cookie: a=b; session=c\nnext", "Cookie: ***\nnext"),
        ("X-Api-Key: zzz", "X-Api-Key: ***"),
        ("x?api_key=zzz&a=1", "x?api_key=***&a=1"),
        ("x?key=zzz&a=1", "x?key=***&a=1"),
        ("my_secret=zzz", "my_secret=***"),
        ('{"access_token": "zz\\"zz", "a": 1}', '{"access_token": "***", "a": 1}'),
        ("{'accessToken': 'zzz'}", "{'accessToken': '***'}"),
        ('\\"token\\": \\"zzz\\"', '\\"token\\": \\"***\\"'),
        ("https://me:zzz@host/p", "https://***@host/p"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, scrubbed: str) -> None:
    """Also where nobody registered it: by the scheme or the name before it."""
    assert scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication failed",
        "invalid token supplied",
        "Token limit exceeded",
        "max_tokens: 12",
        "monkey: banana",
        "",
    ],
)
def test_sentences_stay_readable(text: str) -> None:
    """Words that only sound like credentials are left alone."""
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [
        ("Authorization", True),
        ("proxy-authorization", True),
        ("X-API-KEY", True),
        ("x-goog-api-key", True),
        ("X-Auth-Token", True),
        ("Set-Cookie", True),
        ("client_secret", True),
        ("password", True),
        ("key", True),
        ("Content-Type", False),
        ("x-request-id", False),
        ("keyboard", False),
    ],
)
def test_names_of_credentials_are_known(name: str, sensitive: bool) -> None:
    """Header and field names that hold a credential, in any case."""
    assert is_sensitive(name) is sensitive


@given(st.sampled_from(["token=", '"key":"', "Cookie:", "a-", "\\", '"', "://", " "]))
def test_scrubbing_a_hostile_text_takes_no_more_than_its_length(piece: str) -> None:
    """A text made to slow a pattern down is done at once."""
    done = threading.Event()

    def work() -> None:
        scrub(piece * 20_000)
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(20)


def test_secrets_may_be_made_and_scrubbed_in_several_threads() -> None:
    """Neither side meets a registry that changes under it."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for each in range(200):
                secret = Secret(f"credential-{number}-{each}")
                assert secret.reveal() not in scrub(f"<{secret.reveal()}>")
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []


def test_errors_lose_the_frames_that_hold_credentials() -> None:
    """Causes, contexts and members of groups have no stack left, and circles end."""

    def fail() -> None:
        header = "Bearer something"
        raise ValueError(len(header))

    try:
        try:
            fail()
        except ValueError as exc:
            raise ExceptionGroup("several", [exc, KeyError("x")]) from exc
    except ExceptionGroup as group:
        error = group
    error.exceptions[1].__context__ = error
    stripped = without_frames(error)
    assert stripped is error
    assert error.__traceback__ is None
    assert error.exceptions[0].__traceback__ is None
    error.exceptions[1].__context__ = None
    assert "header" not in "".join(traceback.format_exception(error))
