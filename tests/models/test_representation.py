"""A run over a codec's latents in the place of mels, with a tiny Encodec of random weights."""

import numpy as np
import pytest
import soundfile
import torch
from tinycorpus import prepared, tiny_corpus, tiny_experiment
from tinyhub import save_encodec

from ttsbench import ConfigError
from ttsbench.backends.codecs.encodec import Encodec
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.engine.sentinels import mark_done, open_folder
from ttsbench.evaluation.clip_record import read_record
from ttsbench.models.representation import maker
from ttsbench.pipeline.plan import make_plan
from ttsbench.pipeline.validation import check_experiment
from ttsbench.stages import synthesize, train

GRID = {"sample_rate": 24_000, "hop_length": 320, "n_fft": 1280, "n_mels": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encodec") / "tiny"
    save_encodec(folder)
    return folder


@pytest.fixture
def coded(folder):
    """The sections of an experiment that say so."""
    return {"mel": GRID, "codec": {"name": "encodec", "options": {"model": str(folder)}}}


def test_latents_are_prepared_learnt_sampled_and_decoded(tmp_path, monkeypatch, coded, folder):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    run = prepared(tmp_path, tiny_corpus(tmp_path / "corpus", 12), adapters={"l2": {}, "sled": {}}, **coded)
    corpus, codec = PreparedCorpus(run.folder / "prepare"), Encodec(str(folder))
    one = corpus.split("test")[0]
    recording, rate = soundfile.read(one.audio, dtype="float32")
    features = corpus.features(one)
    assert features.mel.shape == (int(len(recording) * 24_000 / rate) // 320, 16) == (features.durations.sum(), 16)
    wanted = ("synthesize copy-synthesis", "train", "synthesize l2+oracle", "synthesize sled+oracle")
    for job in [job for job in make_plan(run.experiment) if job.id.startswith(wanted)]:
        stage = {"train": train, "synthesize": synthesize}[job.stage]
        open_folder(job.path(run), job.key)
        for task in stage.tasks(run, job):
            stage.work(run, job, task, lambda fraction: None)
        mark_done(job.path(run), job.key)
        if job.stage == "synthesize":
            made, rate = soundfile.read(read_record(job.path(run), one.id, 0).audio, dtype="float32")
            assert (rate, len(made)) == (24_000, len(features.mel) * 320)
        if job.id.startswith("synthesize copy"):
            expected = codec.decode(torch.from_numpy(features.mel)).numpy()
            np.testing.assert_allclose(made, expected, atol=1e-4)  # 16 bits
    assert maker(run.experiment) == "codec encodec"


def test_only_what_depends_on_the_codec_is_another_job(tmp_path, coded):
    corpus = tiny_corpus(tmp_path / "corpus", 3)
    plain, other = (make_plan(tiny_experiment(corpus, mel=GRID, **more)) for more in ({}, {"codec": coded["codec"]}))
    assert all(one.key != another.key for one, another in zip(plain, other, strict=True))
    assert make_plan(tiny_experiment(corpus, mel=GRID, codec=None))[0].key == plain[0].key


def test_what_does_not_fit_is_refused_before_any_work(tmp_path, coded):
    corpus = tiny_corpus(tmp_path / "corpus", 3)
    with pytest.raises(ConfigError, match="set mel to sample_rate 24000, hop_length 320, n_mels 16"):
        check_experiment(tiny_experiment(corpus, codec=coded["codec"]))
    with pytest.raises(ConfigError, match="leave the vocoder out"):
        check_experiment(tiny_experiment(corpus, **coded, vocoder={"options": {"iterations": 3}}))
    with pytest.raises(ConfigError, match="hf download"):
        check_experiment(tiny_experiment(corpus, mel=GRID, codec={"name": "encodec"}))
    check_experiment(tiny_experiment(corpus, **coded))
