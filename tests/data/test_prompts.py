"""Prompts: the choice of the recording, its excerpt, and speakers without training data."""

import numpy as np
import pytest
import torch
from tinycorpus import prepared, tiny_corpus, tiny_experiment

from ttsbench import ConfigError, CorpusError
from ttsbench.data.batching import Batches, Item, collate, item
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.data.prompts import PROMPT_FRAMES, Prompting, Prompts, prompted
from ttsbench.data.splits import hold_out
from ttsbench.engine.sentinels import open_folder
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.pipeline.plan import make_plan
from ttsbench.pipeline.validation import check_experiment
from ttsbench.stages import synthesize, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("prompts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        yield prepared(root, tiny_corpus(root / "corpus")).folder


@pytest.fixture
def corpus(folder):
    return PreparedCorpus(folder / "prepare")


def test_a_prompt_is_another_untested_recording_of_the_speaker(corpus):
    prompts = Prompts(corpus)
    for one in corpus.utterances:
        other = prompts.of(one)
        assert other is not None
        assert (other.id != one.id, other.speaker, other.split) == (True, one.speaker, "train")
        trained = [each for each in corpus.split("train") if each.speaker == one.speaker and each.id != one.id]
        nearest = min(abs(each.frames - PROMPT_FRAMES) for each in trained)
        assert abs(other.frames - PROMPT_FRAMES) == nearest


def test_models_and_metrics_use_the_same_prompt(folder, corpus):
    prompts = Prompts(corpus)
    told = {one.id: one.prompt for one in evaluated_utterances(folder)}
    assert told == {one.id: prompts.of(one).audio for one in corpus.split("test")}


def test_a_speaker_with_a_single_recording_is_refused(corpus):
    speaker = corpus.speakers[0]
    own = [one for one in corpus.utterances if one.speaker == speaker and one.split == "train"]
    corpus.utterances = [one for one in corpus.utterances if one.speaker != speaker or one is own[0]]
    with pytest.raises(CorpusError, match=f"{own[0].id} has no prompt"):
        Prompting(corpus)


def test_a_prompt_ends_with_a_phone_and_hides_the_speaker_number():
    durations = np.array([100, 100, 80])
    steps = int(durations.sum())
    whole = Item(
        np.array([1, 2, 3]), 4, durations, np.repeat(np.arange(3), durations), np.zeros((steps, 4), np.float32),
        np.arange(steps, dtype=np.float32)[:, None],
    )  # fmt: skip
    found = prompted(whole, whole)
    assert found.speaker == found.prompt.speaker == 0
    assert found.prompt.phones.tolist() == [1, 2]
    assert found.prompt.target[:, 0].tolist() == list(range(200))
    long = Item(whole.phones[:1], 4, durations[:1] * 3, np.zeros(300, np.int64), np.zeros((300, 4), np.float32),
                np.zeros((300, 1), np.float32))  # fmt: skip
    assert len(prompted(whole, long).prompt.target) == 300  # a phone is never cut


def test_training_prompts_depend_on_seed_and_step_and_exclude_the_utterance(corpus):
    def batch(step):
        return Batches(corpus, "acoustic", 4, None, 3, 9, Prompting(corpus))(step)

    first, again = batch(5), batch(5)
    assert torch.equal(first.prompt.target, again.prompt.target)
    assert not first.speaker.any()
    for step in range(6):
        one = batch(step)
        for row, prompt in zip(one.target, one.prompt.target, strict=True):
            shared = min(len(row), len(prompt))
            assert not torch.equal(row[:shared], prompt[:shared])
    seen = {tuple(batch(step).prompt.mask.sum(dim=1).tolist()) for step in range(6)}
    assert len(seen) > 1


def test_a_prompt_moves_with_its_batch(corpus):
    utterances, prompt = corpus.split("train")[:4], Prompting(corpus)
    whole = collate([prompt(item(corpus, one, "acoustic"), one) for one in utterances], "acoustic")
    part = whole.part(1, 2).to(torch.device("cpu"))
    assert torch.equal(part.prompt.target, whole.prompt.target[1::2])
    assert collate([item(corpus, one, "acoustic") for one in utterances], "acoustic").part(0, 2).prompt is None


# Speakers who are held out

SPLITS = {"a1": "train", "a2": "valid", "a3": "test", "b1": "train", "b2": "valid", "b3": "test"}
SPEAKERS = {id_: id_[0] for id_ in SPLITS}


def test_only_held_out_speakers_are_tested_and_none_is_trained_on():
    found, (note,) = hold_out(SPLITS, SPEAKERS, ("b",))
    assert found == {"a1": "train", "a2": "valid", "a3": "held_out", "b1": "held_out", "b2": "held_out", "b3": "test"}
    assert note == "Speakers b are never trained on; 1 of their clips are tested."


@pytest.mark.parametrize(
    ("speakers", "words"),
    [
        (("c",), "c has no clips"),
        (("a", "b"), "leaves no speaker to train on"),
        (("d",), "d has only clips of test"),
    ],
)
def test_speakers_that_cannot_be_held_out_are_refused(speakers, words):
    with pytest.raises(CorpusError, match=words):
        hold_out({**SPLITS, "d1": "test"}, {**SPEAKERS, "d1": "d"}, speakers)


def test_an_untrained_speaker_is_synthesized_from_a_prompt_and_streamed(tmp_path, monkeypatch):
    """Prepare, train and synthesize, with everything that free-running SLED has."""
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("baselines.sled_text.STOP_AT", 0.0)  # nobody learns to stop in four steps
    adapter = {
        "adapter": "sled_text", "data_share": 0.7, "sampling": {"guidance": 1.5},
        "options": {"prompt": True, "interleave": [3, 6], "text_dropout": 0.1},
    }  # fmt: skip
    source = tiny_corpus(tmp_path / "corpus", 16)
    corpus = {"name": "folder", "path": str(source), "test": 4, "valid": 2, "held_out_speakers": ["s1"]}
    run = prepared(tmp_path, source, corpus=corpus, adapters={"voice": adapter})
    made = PreparedCorpus(run.folder / "prepare")
    assert {one.speaker for one in made.split("train")} == {"s0"}
    assert {one.speaker for one in made.split("test")} == {"s1"}
    jobs = [job for job in make_plan(run.experiment) if job.stage == "train" or "voice" in job.id]
    for job in jobs[:2]:
        stage = {"train": train, "synthesize": synthesize}[job.stage]
        open_folder(job.path(run), job.key)
        for task in stage.tasks(run, job):
            stage.work(run, job, task, lambda fraction: None)
    for one in made.split("test"):
        record = read_record(jobs[1].path(run), one.id, 0)
        assert record.audio.exists()
    first = read_record(jobs[1].path(run), made.split("test")[0].id, 0)
    assert 0 < first.cost.first_chunk_s < 60
    assert first.phones is None


def test_a_model_with_a_speaker_table_refuses_new_speakers(tmp_path):
    source = tiny_corpus(tmp_path / "corpus", 12)
    corpus = {"name": "folder", "path": str(source), "test": 4, "valid": 2, "held_out_speakers": ["s1"]}
    with pytest.raises(ConfigError, match="'l1' has one embedding per training speaker"):
        check_experiment(tiny_experiment(source, corpus=corpus, adapters={"l1": {}}))
