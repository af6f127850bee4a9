"""Tuning: the setting with the best score on the validation split is sampled, and its job is part of the keys."""

from dataclasses import replace

import pytest
from tinycorpus import installed, prepared, tiny_corpus
from tinytraining import with_train

from ttsbench import ConfigError, TtsbenchError
from ttsbench.config.systems import SamplingSettings
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.engine.store import read_json, write_json
from ttsbench.evaluation.tuning import describe_settings, tuned_settings
from ttsbench.pipeline.plan import make_plan
from ttsbench.pipeline.validation import check_experiment
from ttsbench.stages import train, tune
from ttsbench.stages.sampling import Sampler

TUNING = {"trials": 3, "utterances": 2, "draws": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("tune")
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        adapters = {"mdn": {}, "mdn-tuned": {"adapter": "mdn", "tuned": True}}
        run = prepared(root, tiny_corpus(root / "corpus"), adapters=adapters, prosody=["oracle", "mdn-tuned"],
                       tuning=TUNING, seeds=[3, 4])  # fmt: skip
        run = with_train(run, steps=2)
        for job in make_plan(run.experiment):
            if job.stage == "train":
                train.work(run, job, {}, lambda fraction: None)
        yield run


def jobs_of(run, stage):
    return {job.id: job for job in make_plan(run.experiment) if job.stage == stage}


def carry_out(run, job):
    for task in tune.tasks(run, job):
        tune.work(run, job, task, lambda fraction: None)
    tune.finish(run, job)
    return read_json(job.path(run) / "tuned.json")


@pytest.mark.parametrize("role", ["acoustic", "prosody"])
def test_the_best_of_all_trials_is_chosen(run, role):
    job = jobs_of(run, "tune")[f"tune mdn-tuned-{role}"]
    result = carry_out(run, job)
    scores = [trial["score"] for trial in result["trials"]]
    assert len(set(scores)) == 3 and result["score"] == min(scores)
    assert result["metric"] == ("energy_score" if role == "acoustic" else "energy_score_prosody")
    assert tuned_settings(job.path(run)) == job.spec.trials[scores.index(min(scores))]
    assert not tune.tasks(run, job)


def test_one_job_serves_all_seeds_and_the_default_row_needs_none(run):
    tuning = jobs_of(run, "tune")
    assert set(tuning) == {"tune mdn-tuned-acoustic", "tune mdn-tuned-prosody"}
    assert {job.spec.seed for job in tuning.values()} == {3}
    needs = {id_: {need for need in job.needs if need.startswith("tune")}
             for id_, job in jobs_of(run, "synthesize").items()}  # fmt: skip
    assert needs["synthesize mdn-tuned+oracle seed4"] == {"tune mdn-tuned-acoustic"}
    assert needs["synthesize mdn+oracle seed4"] == set()
    assert needs["synthesize mdn+mdn-tuned seed3"] == {"tune mdn-tuned-prosody"}


def test_the_chosen_settings_are_sampled(run):
    job = jobs_of(run, "synthesize")["synthesize mdn-tuned+oracle seed3"]
    corpus = PreparedCorpus(run.layout.prepare)
    utterance = corpus.split("test")[0]
    drawn = {}
    for temperature in (0.0, 1.0):
        settings = {"label": "mdn-tuned", "nfe": 1, "temperature": temperature, "options": {}}
        write_json(run.folder / job.spec.tuned["acoustic"] / "tuned.json", {"settings": settings})
        sampler = Sampler(run, job, corpus)
        drawn[temperature] = [sampler.sample([(utterance, number)])[0].log_mel for number in (0, 1)]
    assert drawn[0.0][0].equal(drawn[0.0][1])
    assert not drawn[1.0][0].equal(drawn[1.0][1])


def test_a_change_of_the_search_changes_what_depends_on_it(run):
    other = replace(run, experiment=run.experiment.model_copy(
        update={"tuning": run.experiment.tuning.model_copy(update={"draws": 3})}))  # fmt: skip
    before, after = ({job.id: job.key for job in make_plan(each.experiment)} for each in (run, other))
    changed = {id_ for id_, key in before.items() if after[id_] != key}
    assert {"tune mdn-tuned-acoustic", "synthesize mdn-tuned+oracle seed3", "score"} <= changed
    assert not {id_ for id_ in changed if id_.startswith("train") or id_ == "synthesize mdn+oracle seed3"}


def test_trials_that_fail_are_passed_over_and_the_reason_is_given_if_all_do(run, tmp_path):
    settings = tuple(SamplingSettings("mdn", 1, temperature) for temperature in (1.0, 0.5))
    job = next(iter(jobs_of(run, "tune").values()))
    job = replace(job, folder=str(tmp_path), spec=replace(job.spec, trials=settings))
    values = [{"settings": {"label": "mdn", "nfe": 1, "temperature": each.temperature, "options": {}}, "score": None,
               "failure": "u1: it diverged"} for each in settings]  # fmt: skip
    for number, value in enumerate(values):
        write_json(tmp_path / "trials" / f"{number}.json", value)
    with pytest.raises(TtsbenchError, match="no trial could be scored; the first failed with: u1: it diverged"):
        tune.finish(run, job)
    write_json(tmp_path / "trials" / "1.json", {**values[1], "score": 2.0})
    tune.finish(run, job)
    assert tuned_settings(tmp_path).temperature == 0.5
    assert describe_settings(tmp_path) == "temperature 0.5 (default 1), nfe 1"


@pytest.mark.parametrize(
    ("adapter", "message"),
    [("l2", "declares no sampling settings to search"), ("sled_text", "declares no sampling settings to search")],
)
def test_objectives_that_cannot_be_tuned_are_refused(run, adapter, message):
    adapters = {"mdn": run.experiment.adapters["mdn"], "x": run.experiment.adapters["mdn-tuned"].model_copy(
        update={"adapter": adapter})}  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        check_experiment(run.experiment.model_copy(update={"adapters": adapters, "prosody": ("oracle",)}))


def test_a_metric_without_draws_chooses_nothing(run):
    tuning = run.experiment.tuning.model_copy(update={"score": "mcd"})
    with pytest.raises(ConfigError, match=r"tuning.score: 'mcd' is no score of draws"):
        check_experiment(run.experiment.model_copy(update={"tuning": tuning}))
