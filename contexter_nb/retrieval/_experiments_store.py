"""Experiments on disk, a JSON file each: all that is needed to look or run again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contexter_nb.core import (
    HomeError,
    InvalidArgumentError,
    did_you_mean,
    type_in_words,
)
from contexter_nb.retrieval._atomic_file import write_atomically

FORMAT = 1
_ENDING = ".json"


class ExperimentStore:
    """Experiments as JSON files, each replaced as a whole whenever it has grown.

    Parameters
    ----------
    folder : pathlib.Path
        Made with mode 0700 with the first experiment; files have 0600.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = ExperimentStore(Path(folder, "experiments"))
    ...     store.save("20261128-1", {"state": "running"})
    ...     store.load("20261128-1")["state"]
    'running'
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, experiment_id: str, record: Mapping[str, Any]) -> None:
        """Write or replace an experiment; a reader sees the old or the new whole.

        Parameters
        ----------
        experiment_id : str
            Letters, digits and hyphens.
        record : mapping
            What JSON can hold.

        Raises
        ------
        HomeError
            It cannot be written.
        """
        text = json.dumps({"format": FORMAT, **record}, ensure_ascii=False)
        # Half of a pair of surrogates, which a name may hold: JSON escapes it so, too.
        data = text.encode("utf-8", "backslashreplace")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(experiment_id), data)
        except OSError as exc:
            raise HomeError(
                f"The experiment cannot be written to {self._folder} "
                f"({exc.strerror}); free some space, or choose another home with "
                "connect(home=...)."
            ) from exc

    def ids(self) -> list[str]:
        """Return the ids of all experiments, the latest first."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise HomeError(
                f"The experiments in {self._folder} cannot be listed ({exc.strerror})."
            ) from exc
        found = [
            name.removesuffix(_ENDING)
            for name in names
            if name.endswith(_ENDING) and not name.startswith(".")
        ]
        return sorted(found, reverse=True)

    def load(self, experiment_id: str) -> dict[str, Any]:
        """Return an experiment.

        Parameters
        ----------
        experiment_id : str
            One of `ids`.

        Raises
        ------
        InvalidArgumentError
            There is none of this id, or it is no text.
        HomeError
            Its file is damaged, or of a newer version.
        """
        if not isinstance(experiment_id, str):
            raise InvalidArgumentError(
                f"experiment_id is {type_in_words(experiment_id)}; give one as text, "
                "as nb.experiments() lists them."
            )
        known = self.ids()
        if experiment_id not in known:
            raise InvalidArgumentError(
                f"There is no experiment {experiment_id[:60]!r}; nb.experiments() "
                f"lists them.{did_you_mean(experiment_id, known)}"
            )
        path = self._path(experiment_id)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            version = record["format"]
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise HomeError(
                f"The experiment {path.name} is damaged and cannot be read; delete the "
                f"file in {self._folder}, and run it again."
            ) from exc
        if version != FORMAT:
            raise HomeError(
                f"The experiment {path.name} was made by another version of "
                f"contexter_nb (format {version}, here {FORMAT})."
            )
        return dict(record)

    def _path(self, experiment_id: str) -> Path:
        return self._folder / f"{experiment_id}{_ENDING}"
