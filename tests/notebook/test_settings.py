"""What a session is to use: read from arguments and the environment, and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contexter_nb.core import InvalidArgumentError, Secret
from contexter_nb.notebook._settings import VARIABLES, Settings
from tests.notebook.sentence import refusal
from tests.retrieval.embedder import CountingEmbedder

KEY = "-".join(["pa", "made", "up", "0123456789abcdef"])
SECRETS = ("voyage_api_key", "context7_api_key", "qdrant_api_key", "redis_url")
URLS = ("voyage_base_url", "context7_base_url", "qdrant_url")
GOOD: dict[str, tuple[str, str]] = {
    "voyage_api_key": ("pa-one-0123456789", "pa-two-0123456789"),
    "voyage_base_url": ("http://127.0.0.1:1/v1", "https://two.example/v1"),
    "voyage_tier": ("free", "tier 2"),
    "context7_api_key": ("ctx7sk-one-0123456789", "ctx7sk-two-0123456789"),
    "context7_base_url": ("http://127.0.0.1:2", "https://two.example"),
    "qdrant_url": ("http://127.0.0.1:6333", ":memory:"),
    "qdrant_api_key": ("qd-one-0123456789", "qd-two-0123456789"),
    "redis_url": ("redis://127.0.0.1:6379/0", "redis://:password@two.example/1"),
}


def read(environment: dict[str, str] | None = None, **arguments: Any) -> Settings:
    """Read settings."""
    return Settings.read(arguments, environment or {})


def value_of(settings: Settings, name: str) -> Any:
    """Return a value as it was given."""
    value = getattr(settings, name)
    return value.reveal() if isinstance(value, Secret) else value


def test_every_argument_has_a_variable() -> None:
    """The table of this test knows them all, and each is its name in capitals."""
    assert set(VARIABLES) == set(GOOD)
    assert all(variable == name.upper() for name, variable in VARIABLES.items())


@pytest.mark.parametrize("name", list(GOOD))
def test_an_argument_wins_over_the_environment(name: str) -> None:
    """Each by itself, and what came from where is known."""
    given, set_ = GOOD[name]
    environment = {VARIABLES[name]: set_}
    both = read(environment, **{name: given})
    assert value_of(both, name) == given
    assert name not in both.inherited
    alone = read(environment)
    assert value_of(alone, name) == set_
    assert alone.inherited == {name}
    assert value_of(read(), name) is None


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_variable_counts_as_none(name: str, empty: str) -> None:
    """``export VOYAGE_API_KEY=`` is how people unset a key."""
    assert read({VARIABLES[name]: empty}) == Settings()


@pytest.mark.parametrize("name", list(GOOD))
def test_a_variable_may_have_space_around_it(name: str) -> None:
    """A key that was pasted with its line's end works."""
    _, set_ = GOOD[name]
    assert value_of(read({VARIABLES[name]: f" {set_}\n"}), name) == set_


@pytest.mark.parametrize(
    ("arguments", "environment", "embedder"),
    [
        ({}, {}, "static"),
        ({"voyage_api_key": KEY}, {}, "voyage"),
        ({}, {"VOYAGE_API_KEY": KEY}, "voyage"),
        ({"embedder": "static"}, {"VOYAGE_API_KEY": KEY}, "static"),
        ({"embedder": "voyage:voyage-4-lite@512"}, {"VOYAGE_API_KEY": KEY}, None),
        ({"embedder": "fastembed:BAAI/bge-small-en-v1.5"}, {}, None),
        ({}, {"VOYAGE_BASE_URL": "http://127.0.0.1:1/v1"}, "static"),
    ],
)
def test_the_embedder_is_that_of_the_key_unless_it_is_named(
    arguments: dict[str, Any], environment: dict[str, str], embedder: str | None
) -> None:
    """A key makes Voyage the default; what is named is taken."""
    expected = arguments["embedder"] if embedder is None else embedder
    assert read(environment, **arguments).embedder == expected


def test_an_embedder_that_is_an_object_is_taken_as_it_is() -> None:
    """Whatever the keys say."""
    embedder = CountingEmbedder()
    assert read({"VOYAGE_API_KEY": KEY}, embedder=embedder).embedder is embedder


@pytest.mark.parametrize(
    ("embedder", "says"),
    [
        ("statik", "Did you mean 'static'?"),
        ("voyege", "Did you mean 'voyage'?"),
        ("fastembd:BAAI/bge-small-en-v1.5", "Did you mean 'fastembed'?"),
        ("fastembed", "name its model"),
        ("fastembed:", "use one of"),
        ("voyage:", "use one of"),
        ("static:256", "use one of"),
        ("", "use one of"),
        ("Voyage", "'voyage'"),
        ("voyage", "set VOYAGE_API_KEY, pass voyage_api_key=..."),
        ("voyage:voyage-4", "there is no key"),
    ],
)
def test_an_embedder_that_there_is_not_is_one_sentence(
    embedder: str, says: str
) -> None:
    """It says what there is, and what was probably meant."""
    assert says in refusal(lambda: read(embedder=embedder))


WRONG_URLS: list[tuple[str, Callable[[str], bool]]] = [
    (KEY, lambda told: KEY not in told),
    ("localhost:6333", lambda told: "http:// or https://" in told),
    ("ftp://host.example", lambda told: "http:// or https://" in told),
    ("http://", lambda told: "http:// or https://" in told),
    ("//host.example", lambda told: "http:// or https://" in told),
    (f"https://me:{KEY}@host.example", lambda told: "its own argument" in told),
    (f"https://{KEY}@host.example", lambda told: "its own argument" in told),
    ("https://host.example:port", lambda told: "is no address" in told),
    ("https://[::1", lambda told: "is no address" in told),
]


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("inherited", [False, True])
@pytest.mark.parametrize(
    ("url", "fits"), WRONG_URLS, ids=[url[:20] for url, _ in WRONG_URLS]
)
def test_an_address_that_is_none_is_refused_and_shows_no_key(
    name: str, inherited: bool, url: str, fits: Callable[[str], bool]
) -> None:
    """Named as it was given, argument or variable; a key in its place is not shown."""
    if inherited:
        told = refusal(lambda: read({VARIABLES[name]: url}))
    else:
        told = refusal(lambda: read(**{name: url}))
    assert told.startswith(VARIABLES[name] if inherited else name)
    assert fits(told)
    assert KEY not in told


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize(
    ("value", "kind"),
    [(7, "an int"), (b"bytes", "a bytes"), (["a"], "a list"), (True, "a bool")],
)
def test_a_value_that_is_no_text_is_refused(name: str, value: Any, kind: str) -> None:
    """By its name and its type, without the value."""
    told = refusal(lambda: read(**{name: value}))
    assert told.startswith(f"{name} is {kind};")


@pytest.mark.parametrize("tier", ["tier 4", "gratis"])
def test_a_tier_that_there_is_not_is_refused_by_its_name(tier: str) -> None:
    """Before anything is made, and by the variable where that set it."""
    assert refusal(lambda: read(voyage_tier=tier)).startswith("voyage_tier ")
    told = refusal(lambda: read({"VOYAGE_TIER": tier}))
    assert told.startswith("VOYAGE_TIER ")
    assert "'tier 1'" in told


@pytest.mark.parametrize("name", ["embedder", "voyage_tier"])
def test_a_key_in_the_place_of_a_word_is_not_shown(name: str) -> None:
    """Positions are mixed up easily, and messages are kept in notebooks."""
    assert KEY not in refusal(lambda: read(**{name: KEY}))


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_in_no_repr(name: str) -> None:
    """Neither in that of the settings nor by way of the values."""
    for given in (GOOD[name][1], Secret.of(GOOD[name][1])):
        settings = read(**{name: given})
        assert value_of(settings, name) == GOOD[name][1]
        shown = f"{settings!r} {settings!s} {settings.inherited!r}"
        assert GOOD[name][1] not in shown
        assert "password" not in shown


@pytest.mark.parametrize("name", SECRETS)
def test_an_empty_key_as_an_argument_is_refused(name: str) -> None:
    """Given on purpose, it is a mistake, where an empty variable is none."""
    with pytest.raises(InvalidArgumentError):
        read(**{name: ""})


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ({}, False),
        ({"context7_api_key": GOOD["context7_api_key"][0]}, True),
        ({"context7_base_url": "http://127.0.0.1:2"}, True),
    ],
)
def test_context7_is_asked_where_it_is_set(
    arguments: dict[str, Any], asked: bool
) -> None:
    """Its key or its address does."""
    assert read(**arguments).uses_context7 is asked
