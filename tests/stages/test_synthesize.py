"""Several draws of one model: what is stored, what is vocoded, and what sampling is reported to cost."""

import re
import time

import numpy as np
import pytest
import torch
from tinycorpus import prepared, tiny_corpus

from ttsbench import registry
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.engine.isolation import CallCrashed
from ttsbench.engine.sentinels import mark_done, open_folder
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.draws import read_draws
from ttsbench.evaluation.metric_rows import NOT_APPLICABLE
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.pipeline.plan import make_plan
from ttsbench.stages import score, synthesize, train
from ttsbench.stages.sampling import Sampler, compute_seconds

DRAWS = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose two models, a diffusion and its prosody, are trained."""
    folder = tmp_path_factory.mktemp("draws")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTSBENCH_CACHE", str(folder / "cache"))
        run = prepared(
            folder, tiny_corpus(folder / "corpus", 12), adapters={"diffusion": {}, "l2": {}},
            prosody=["oracle", "same"], synthesis={"draws": DRAWS},
        )  # fmt: skip
        for job in make_plan(run.experiment):
            if job.stage == "train":
                open_folder(job.path(run), job.key)
                for task in train.tasks(run, job):
                    train.work(run, job, task, lambda fraction: None)
                mark_done(job.path(run), job.key)
        yield run


def job_of(run, system):
    return next(job for job in make_plan(run.experiment) if job.id == f"synthesize {system} seed0")


def synthesized(run, system):
    """The folder of a system after synthesis, and the job."""
    job = job_of(run, system)
    for task in synthesize.tasks(run, job):
        synthesize.work(run, job, task, lambda fraction: None)
    assert not synthesize.tasks(run, job)
    return job.path(run), job


def first_utterance(run):
    return PreparedCorpus(run.folder / "prepare").split("test")[0]


def test_loading_a_model_is_no_part_of_sampling(run):
    """The first clip of a process is measured like all others."""
    job = job_of(run, "diffusion+oracle")
    sampler = Sampler(run, job, PreparedCorpus(run.folder / "prepare"))
    first, second = (sampler.operation_cost((first_utterance(run), 0), None) for _ in range(2))
    assert first == second
    weights = (run.folder / job.spec.models["acoustic"] / "weights.safetensors").stat().st_size
    assert first.peak_bytes > 0.9 * weights and first.flops > 0


def test_all_draws_are_stored_and_the_first_is_vocoded(run):
    folder, job = synthesized(run, "diffusion+oracle")
    utterance = first_utterance(run)
    draws = read_draws(folder, utterance.id)
    assert (job.spec.samples, job.spec.draws) == (1, DRAWS)
    assert draws.log_mel.shape == (DRAWS, utterance.frames, run.experiment.mel.n_mels)
    assert draws.prosody is None, "the prosody is the recording's"
    assert len({frames.tobytes() for frames in draws.log_mel}) == DRAWS
    assert sorted(path.name for path in folder.glob("sample*")) == ["sample0"]
    sampler = Sampler(run, job, PreparedCorpus(run.folder / "prepare"))
    alone = sampler.sample([(utterance, 2)])[0].log_mel
    assert np.abs(draws.log_mel[2] - alone.numpy()).max() < 0.01, "a draw does not depend on the others"


def test_deterministic_system_is_drawn_once(run):
    assert job_of(run, "l2+oracle").spec.draws == 1


def test_recording_is_its_own_reference(run):
    folder, _ = synthesized(run, "ground-truth")
    utterance, corpus = first_utterance(run), PreparedCorpus(run.folder / "prepare")
    recorded = read_draws(folder, utterance.id)
    features = corpus.features(utterance)
    assert np.abs(recorded.log_mel[0] - features.mel).max() < 0.01
    assert np.allclose(recorded.prosody[0], corpus.norm.prosody(features))


def test_predicted_prosody_is_stored_in_the_place_of_mels(run):
    folder, _ = synthesized(run, "diffusion+diffusion")
    draws = read_draws(folder, first_utterance(run).id)
    assert draws.log_mel is None
    assert draws.prosody.shape == (DRAWS, len(first_utterance(run).phones), 2)


def test_copy_synthesis_has_no_draws(run):
    folder, _ = synthesized(run, "copy-synthesis")
    assert read_draws(folder, first_utterance(run).id) is None


def directly(function, *arguments):
    return function(*arguments)


@pytest.mark.parametrize(
    ("crashing", "words"),
    [
        ("_sampled", "the adapter 'diffusion' (acoustic model) crashed on this utterance"),
        ("_vocoded", "the vocoder 'griffin_lim' crashed on this utterance"),
    ],
)
def test_crash_costs_its_own_clip_and_names_the_plugin(run, monkeypatch, crashing, words):
    job, corpus = job_of(run, "diffusion+oracle"), PreparedCorpus(run.folder / "prepare")
    monkeypatch.setattr(type(job), "path", lambda self, run: run.folder / f"crashed{crashing}")
    first, second = corpus.split("test")[:2]
    calls = []

    def call(function, *arguments):
        if function.__name__ == crashing and not calls.append(function) and len(calls) == 1:
            raise CallCrashed
        return function(*arguments)

    clips = synthesize._ClipWriter(run, job, corpus, call)
    for utterance in (first, second):
        clips.write_samples(utterance)
    with pytest.raises(ClipError, match=re.escape(words)):
        read_record(job.path(run), first.id, 0)
    assert read_record(job.path(run), second.id, 0).cost is not None
    assert (words in read_draws(job.path(run), first.id).failure) == (crashing == "_sampled")
    assert read_draws(job.path(run), second.id).log_mel is not None


def test_failed_draw_is_named(run, monkeypatch):
    job = job_of(run, "diffusion+oracle")
    sample = Sampler.sample

    def third_fails(self, draws):
        return [ClipError("it diverged")] if draws[0][1] == 2 else sample(self, draws)

    monkeypatch.setattr(Sampler, "sample", third_fails)
    monkeypatch.setattr(type(job), "path", lambda self, run: run.folder / "failing")
    corpus = PreparedCorpus(run.folder / "prepare")
    synthesize._ClipWriter(run, job, corpus, directly).write_samples(first_utterance(run))
    failure = read_draws(run.folder / "failing", first_utterance(run).id).failure
    assert failure == f"draw 3 of {DRAWS} failed: it diverged"
    assert read_record(run.folder / "failing", first_utterance(run).id, 0).cost is not None


def test_sampling_is_timed_by_the_processor_and_not_by_the_clock():
    cpu = torch.device("cpu")
    start = compute_seconds(cpu)
    time.sleep(0.2)
    assert compute_seconds(cpu) - start < 0.1


@pytest.mark.parametrize(
    ("system", "applicable"),
    [
        ("diffusion+oracle", {"energy_score", "calibration"}),
        ("diffusion+diffusion", {"energy_score_prosody"}),
        ("copy-synthesis", set()),
    ],
)
def test_metrics_read_the_draws(run, system, applicable):
    """From the files of a run to numbers, or to an empty cell if a metric does not apply."""
    score_job = next(job for job in make_plan(run.experiment) if job.stage == "score")
    for name in ("ground-truth", system):
        synthesized(run, name)
    utterance = next(each for each in evaluated_utterances(run.folder) if each.id == first_utterance(run).id)
    clips = score._Clips(run, score_job, utterance)
    clips._needs_draws = True  # the metrics of the tiny experiment need none
    row = next(row for row in score_job.spec.clips if row.system == system)
    cells = {
        name: score.measure(registry.load("metrics", name)(), clips(row, 0), clips.reference, False)
        for name in ("energy_score", "energy_score_prosody", "calibration")
    }
    assert {name for name, cell in cells.items() if "values" in cell} == applicable
    assert {cell["error"] for cell in cells.values() if "error" in cell} <= {NOT_APPLICABLE}
