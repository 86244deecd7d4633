"""A session on the sandbox: led there by its arguments, apart from real services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contexter_nb import connect
from contexter_nb.core import Secret
from contexter_nb.sandbox import Sandbox, sandbox
from tests.notebook.frame import fruit


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with the services that a session may have."""
    with sandbox("voyage", "context7") as opened:
        yield opened


def test_a_sandboxs_arguments_lead_a_session_to_it(
    box: Sandbox, tmp_path: Path
) -> None:
    """Voyage embeds and Context7 is asked, each at the sandbox, and each is well."""
    with connect(home=tmp_path, **box.arguments()) as nb:
        status = nb.status().set_index("service")
    assert status.loc[["embedder", "context7"], "mode"].eq("local server").all()
    assert status["healthy"].all()


def test_a_sandboxs_arguments_show_no_key(box: Sandbox) -> None:
    """The key is a secret there, and stands readable in the environment only."""
    told = box.arguments()
    key = told["voyage_api_key"]
    assert isinstance(key, Secret)
    assert key.reveal() not in repr(told)
    assert box.environment() == {
        "VOYAGE_API_KEY": key.reveal(),
        "VOYAGE_BASE_URL": box.services["voyage"],
        "CONTEXT7_API_KEY": key.reveal(),
        "CONTEXT7_BASE_URL": box.services["context7"],
    }


def test_what_a_sandbox_embedded_is_not_taken_for_the_real_models(
    box: Sandbox, tmp_path: Path
) -> None:
    """A home that was practised on is empty for a session of the real service."""
    with connect(home=tmp_path, **box.arguments()) as nb:
        nb.index(fruit())
        assert len(nb.contents()) == 1
    key = "pa-" + "0" * 12
    with connect(home=tmp_path, voyage_api_key=key, embedder="voyage") as nb:
        assert nb.contents().empty
    with connect(home=tmp_path, **box.arguments()) as nb:
        assert len(nb.contents()) == 1


def test_a_call_is_booked_once_however_many_sessions_are_open(
    box: Sandbox, tmp_path: Path
) -> None:
    """Another session on the same home, or on another, books nothing of it."""
    there = box.arguments()
    with (
        connect(home=tmp_path / "one", **there) as nb,
        connect(home=tmp_path / "one", **there),
        connect(home=tmp_path / "two", **there) as stranger,
    ):
        paid = int(nb.index(fruit())["tokens"].sum())
        assert paid > 0
        assert int(nb.costs()["tokens"].sum()) == paid
        assert stranger.costs().empty
    with connect(home=tmp_path / "one", **there) as later:
        assert int(later.costs()["tokens"].sum()) == paid


def test_a_limit_says_whose_it_is_in_columns_of_their_own(
    box: Sandbox, tmp_path: Path
) -> None:
    """A service by its name, an account by eight digits, a model where it has one."""
    with connect(home=tmp_path, voyage_tier="tier 1", **box.arguments()) as nb:
        nb.index(fruit())
        nb.rerank("pear", ["apple", "pear"])
        limits = nb.limits().query("service == 'voyage' and kind != 'breaker'")
    assert set(limits["model"]) == {"voyage-4", "rerank-2.5-lite"}
    assert limits["key"].nunique() == 1
    assert re.fullmatch("[0-9a-f]{8}", limits["key"].iloc[0])


def test_a_limit_of_all_models_names_none(box: Sandbox, tmp_path: Path) -> None:
    """Without a payment method they share one."""
    with connect(home=tmp_path, voyage_tier="free", **box.arguments()) as nb:
        nb.index(fruit())
        limits = nb.limits().query("service == 'voyage' and kind != 'breaker'")
    assert limits["kind"].tolist() == ["requests", "tokens"]
    assert limits["key"].str.len().tolist() == [8, 8]
    assert limits["model"].isna().all()
