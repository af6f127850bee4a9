"""Spectrograms show F0 over every clip, and are drawn again from their table without the clips."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from planted_figures import EXPERIMENT
from speechlike import speechlike

from ttsbench import registry
from ttsbench.cli import main
from ttsbench.evaluation.clip_record import Record, write_failure, write_record
from ttsbench.evaluation.test_set import EvaluatedUtterance, write_listing
from ttsbench.reporting.figures import FinishedRun, draw_spectrograms, write_figures
from ttsbench.reporting.figures.spectrograms import spectrograms_frame

SYSTEMS = ("ground-truth", "l1+oracle", "flow+oracle")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three systems on two utterances; a shown system has no clip of the first, and the last one's is silent."""
    folder = tmp_path_factory.mktemp("spectrograms")
    write_listing(folder, [EvaluatedUtterance("u0", "no"), EvaluatedUtterance("u1", "it costs $5 or $6")])
    wavs = {name: folder / "wavs" / name for name in SYSTEMS}
    for name, system in wavs.items():
        for utterance in ("u0", "u1"):
            wav = folder / f"{name}-{utterance}.wav"
            samples = np.full(16000, 1e-9) if name == "flow+oracle" else speechlike(1.0, 150.0, 16000, 0.5)
            soundfile.write(wav, samples, 16000)
            write_record(system, utterance, 0, Record(wav))
    write_failure(wavs["l1+oracle"], "u0", 0, "it diverged")
    return FinishedRun(folder, EXPERIMENT, "Two utterances.", SYSTEMS, {}, wavs)


def test_f0_and_mels_of_the_first_utterance_that_all_shown_systems_have(run):
    frame = spectrograms_frame(run)
    assert set(frame["utterance"]) == {"u1"}
    assert list(frame["system"].unique()) == ["ground-truth", "L1 costs $5 or $6", "flow+oracle"]
    rows = dict(iter(frame.groupby("system_name")))
    assert rows["l1+oracle"]["f0"].median() == pytest.approx(150, rel=0.1)
    assert rows["flow+oracle"]["f0"].isna().all()
    loud, silent = (np.stack(rows[name]["mel"].tolist()) for name in ("l1+oracle", "flow+oracle"))
    assert loud.shape[1] == EXPERIMENT.mel.n_mels and loud.max() > silent.max() + 3


def test_a_system_that_is_not_shown_need_not_have_the_utterance(run):
    table = EXPERIMENT.table.model_copy(update={"systems": ("flow+oracle",)})
    frame = spectrograms_frame(replace(run, experiment=EXPERIMENT.model_copy(update={"table": table})))
    assert frame.groupby("system_name")["selected"].first().to_dict() == {"ground-truth": True, "flow+oracle": True}
    assert set(frame["utterance"]) == {"u0"}


def test_the_figure_is_drawn_again_from_its_table(run, tmp_path, monkeypatch, capsys):
    entry = registry.registered("figures")["spectrograms"]
    monkeypatch.setattr(registry, "registered", lambda kind: {"spectrograms": entry})
    (tmp_path / "figures").mkdir()
    assert write_figures(run, tmp_path / "figures") == {}
    (tmp_path / "again").mkdir()
    shutil.copytree(tmp_path / "figures", tmp_path / "again" / "figures")
    options = ["--systems", "flow+oracle", "ground-truth", "--width", "3.3", "--format", "png"]
    assert main(["figure", str(tmp_path / "again"), "spectrograms", *options, "--output", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'new.png'}\n"
    frame = pd.read_parquet(tmp_path / "figures" / "spectrograms.parquet")
    figure = draw_spectrograms(frame, width=3.3, systems=["flow+oracle", "ground-truth"])
    images = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in images] == ["flow+oracle", "ground-truth"]
    assert figure.get_figwidth() == 3.3 and figure.get_suptitle() == "u1: it costs $5 or $6"
    lines = [line.get_ydata() for axes in figure.axes for line in axes.lines]
    assert np.isnan(lines[0]).all() and np.nanmedian(lines[1]) == pytest.approx(150, rel=0.1)
