"""``ttsbench sentences``: write what is to be synthesised for an experiment, for systems that run elsewhere.

``sentences.csv`` has the columns id, text, speaker, language, prompt_audio and prompt_text. ``sentences.lst`` holds the
same sentences as zero-shot benchmarks publish them: ``id|prompt text|prompt audio|text``. The wavs, named by id, are
then a ``folder`` in the section ``external`` of the experiment, or a folder for ``ttsbench score``.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ttsbench.config.schema import Experiment
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.data.prompts import Prompts
from ttsbench.engine.engines import EngineChoice
from ttsbench.engine.job import Run
from ttsbench.engine.store import locked, write_json, write_text
from ttsbench.errors import TtsbenchError
from ttsbench.pipeline.commands import run_jobs
from ttsbench.pipeline.plan import make_plan

COLUMNS = ("id", "text", "speaker", "language", "prompt_audio", "prompt_text")


def write_sentences(experiment: Experiment, folder: Path, engine: EngineChoice, quiet: bool) -> list[Path]:
    """Prepare the corpus in the run folder, write the sentences of the test split beside it, and return the files."""
    run = Run(folder.resolve(), experiment)
    prepare = make_plan(experiment)[0]
    with locked(run.folder):
        write_json(run.layout.experiment, experiment.model_dump(mode="json"))
        if run_jobs(run, [prepare], quiet, engine):
            raise TtsbenchError("The corpus could not be prepared, for the reason above.")
    corpus = PreparedCorpus(run.layout.prepare)
    prompts = Prompts(corpus)
    rows = []
    for utterance in corpus.split("test"):
        prompt = prompts.of(utterance)
        language = str(utterance.attributes.get("language", ""))
        rows.append([utterance.id, utterance.text, utterance.speaker, language,
                     prompt.audio if prompt else "", prompt.text if prompt else ""])  # fmt: skip
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    table, listing = folder / "sentences.csv", folder / "sentences.lst"
    write_text(table, buffer.getvalue())
    lines = (f"{id_}|{prompt_text}|{audio}|{text}\n" for id_, text, _, _, audio, prompt_text in rows)
    write_text(listing, "".join(lines))
    return [table, listing]
