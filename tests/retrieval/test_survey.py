"""A sample of the collection is spread, repeatable and carries true vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from contexter_nb import connect
from contexter_nb.bridge import default_bridge
from contexter_nb.retrieval._survey import sample


def index_of(session: Any) -> Any:
    """Return the index that a session searches."""
    return session._verbs.index_store


def test_a_sample_depends_on_the_ids_alone() -> None:
    """The order in which the engine lists ids does not change which are chosen."""
    ids = np.random.default_rng(3).integers(0, 2**63, 5_000).astype(np.uint64)
    assert sample(ids, 100) == sample(ids[::-1].copy(), 100)


def test_a_sample_of_neighbours_is_spread() -> None:
    """Of ids that follow one another every part gives some."""
    chosen = np.array(sample(np.arange(10_000, dtype=np.uint64), 200))
    assert np.histogram(chosen, 10, (0, 10_000))[0].min() > 5


def test_a_small_collection_is_surveyed_whole(small_session: Any) -> None:
    """Where there are fewer passages than asked for, each comes once."""
    survey = index_of(small_session).survey(1_000_000)
    assert survey.chunks == len(set(survey.chunk_ids)) == len(survey.vectors)
    assert set(survey.libraries) == {"textwrap", "json", "httpx"}
    assert survey.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(survey.vectors, axis=1), 1, atol=1e-4)


def test_a_survey_keeps_to_its_limit_and_repeats(small_session: Any) -> None:
    """Two surveys of the same collection are the same."""
    one, other = (index_of(small_session).survey(25) for _ in range(2))
    assert one.chunk_ids == other.chunk_ids
    assert len(one.chunk_ids) == len(one.titles) == 25


def test_vectors_come_for_what_is_stored(small_session: Any) -> None:
    """A passage's vector is that of the survey; an unknown id is left out."""
    index = index_of(small_session)
    survey = index.survey(5)
    found = index.vectors([survey.chunk_ids[3], "0" * 16, survey.chunk_ids[0]])
    assert list(found) == [survey.chunk_ids[3], survey.chunk_ids[0]]
    assert np.array_equal(found[survey.chunk_ids[0]], survey.vectors[0])


def test_a_collection_of_a_server_is_surveyed_too(tmp_path: Path) -> None:
    """The same questions to Qdrant's client give a sample and its vectors."""
    with connect(home=tmp_path, qdrant_url=":memory:") as nb:
        nb.index("textwrap")
        index = index_of(nb)
        survey = default_bridge().run(index.survey(5))
        assert len(survey.chunk_ids) == len(survey.vectors) == 5
        assert survey.chunks == nb.contents()["chunks"].sum()
        wanted = [survey.chunk_ids[2], "0" * 16]
        found = default_bridge().run(index.vectors(wanted))
        assert list(found) == wanted[:1]
        assert np.allclose(found[wanted[0]], survey.vectors[2])
