"""The type of a value is said as a person would say it."""

from __future__ import annotations

import uuid
from collections import OrderedDict

import numpy as np
import pytest

from contexter_nb.core import type_in_words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "an int"),
        (1.5, "a float"),
        ("text", "a str"),
        (None, "None"),
        (object(), "an object"),
        (OrderedDict(), "an OrderedDict"),
        (np.zeros(2), "an ndarray"),
        (np.uint8(1), "a uint8"),
        (uuid.UUID(int=1), "a UUID"),
    ],
)
def test_a_type_has_the_article_of_its_sound(value: object, words: str) -> None:
    """An int and an ndarray, but a UUID; None is said as it is written."""
    assert type_in_words(value) == words
