"""The verb that gives an experiment away as files of TREC."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from contexter_nb.frames import make_frame
from contexter_nb.notebook._experiment_arguments import id_of
from contexter_nb.notebook._experiment_records import experiment_of
from contexter_nb.notebook._experiment_verbs import ExperimentVerbs
from contexter_nb.notebook._files import check_path, make_folder, write_text
from contexter_nb.retrieval import TrecFile, in_thread, trec_files

if TYPE_CHECKING:
    import pandas as pd


class RunVerbs(ExperimentVerbs):
    """The part of a session's verbs that writes what an experiment found."""

    async def export_runs(
        self, experiment_id: str | pd.DataFrame, folder: str | os.PathLike[str]
    ) -> pd.DataFrame:
        """Write an experiment as TREC files: a run for each variant, and its qrels.

        trec_eval, ir-measures, PyTerrier and ranx find the very values of the
        experiment in them: documents and queries are those that it counts by. A
        document is an object or a section, whichever of its passages was shown; its
        name is what the chunk ids of all have in common.

        Parameters
        ----------
        experiment_id : str or DataFrame
            From `experiments`, or what `experiment` answered.
        folder : path-like
            Made where it is missing. It gets ``judgments.qrels``,
            ``judgments.queries.tsv`` and a ``.run`` named after each variant; files of
            these names are replaced.

        Returns
        -------
        pandas.DataFrame
            A row per file: file, variant (missing for qrels and queries), lines,
            detail. A run says nothing of a query that found nothing: detail counts
            these, and trec_eval is to be told ``-c`` then.

        Raises
        ------
        InvalidArgumentError
            There is no such experiment, or a file cannot be written.
        HomeError
            The experiment's file is damaged.

        Examples
        --------
        >>> import tempfile, contexter_nb as cx
        >>> with tempfile.TemporaryDirectory() as folder, cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     items = nb.known_items(5)
        ...     made = nb.experiment(items, ["text", "dense"], metrics=["RR"])
        ...     files = nb.export_runs(made, folder)
        >>> files["file"].tolist()
        ['judgments.qrels', 'judgments.queries.tsv', 'text.run', 'dense.run']
        """
        self._open()
        place = check_path("folder", folder, "runs")
        record = await in_thread(self._experiments.load, id_of(experiment_id))
        files = await in_thread(_written, place, trec_files(experiment_of(record)))
        return make_frame("export_runs", files)


def _written(folder: Path, files: list[TrecFile]) -> list[dict[str, object]]:
    make_folder(folder)
    for each in files:
        write_text(folder / each.name, each.text)
    return [
        {
            "file": each.name,
            "variant": each.variant,
            "lines": each.lines,
            "detail": _detail(each),
        }
        for each in files
    ]


def _detail(file: TrecFile) -> str:
    if file.name.endswith(".qrels"):
        return "qrels: query id, 0, document, grade"
    if file.variant is None:
        return "queries: query id, tab, text"
    told = "run: query id, Q0, document, rank, score, name"
    return f"{told}; {file.empty} queries found nothing" if file.empty else told
