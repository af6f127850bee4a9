"""The job graph: its jobs and their needs, and the keys that change with each setting."""

import shutil

import pytest
from tinycorpus import TINY, installed, tiny_corpus, tiny_experiment

from ttsbench import registry
from ttsbench.config.systems import System, systems
from ttsbench.errors import ConfigError, CorpusError
from ttsbench.pipeline.plan import make_plan

STAGES = {"prepare", "train", "synthesize", "transcribe", "score", "report"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tiny_corpus(tmp_path_factory.mktemp("plan") / "corpus", 3)


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("plan-plugins") / "site"):
        yield


def plan(corpus, **changes):
    return make_plan(tiny_experiment(corpus, **{"metrics": {"mcd": {}, "wer": {}}, **changes}))


def changed(corpus, before=None, **changes):
    """Ids of the jobs whose keys differ from those of the plain experiment, or that it lacks."""
    old = {job.id: job.key for job in before or plan(corpus)}
    return {job.id for job in plan(corpus, **changes) if old.get(job.id) != job.key}


def stages(ids):
    return {id_.partition(" ")[0] for id_ in ids}


def train(**roles):
    return {"train": {role: {**TINY["train"][role], **roles.get(role, {})} for role in ("acoustic", "prosody")}}


# Jobs of the plan


def test_systems_are_in_order(corpus):
    assert systems(tiny_experiment(corpus)) == [
        System("ground-truth"), System("copy-synthesis"), System("l1+oracle", "l1", "oracle"),
        System("l2+oracle", "l2", "oracle"), System("l1+l1", "l1", "l1"), System("l2+l2", "l2", "l2"),
    ]  # fmt: skip


def test_one_prosody_may_serve_all_systems(corpus):
    result = systems(tiny_experiment(corpus, acoustic=["l2"], prosody=["l1", "same", "l2"]))
    assert [system.name for system in result] == ["ground-truth", "copy-synthesis", "l2+l1", "l2+l2"]


def test_systems_can_be_selected_by_name(corpus):
    result = systems(tiny_experiment(corpus, systems=["l2+oracle", "l1+same", "l1+l2"]))
    assert [system.name for system in result] == ["ground-truth", "copy-synthesis", "l2+oracle", "l1+l1", "l1+l2"]


def test_sampling_waits_for_every_model_that_is_loaded(corpus):
    """A student is loaded with its teacher and its judges, whether or not it is trained already."""
    jobs = {job.id: job for job in plan(corpus, adapters={"dmd": {"options": {"ctc": 1.0}}}, prosody=["oracle"])}
    trainings = {id_ for id_ in jobs if id_.startswith("train ")}
    assert set(jobs["synthesize dmd+oracle seed0"].needs) == {"prepare", *trainings}
    assert {id_.split("-")[0] for id_ in trainings} == {"train diffusion", "train l2", "train mel_ctc", "train dmd"}


def test_all_models_of_a_role_and_seed_start_from_one_model(corpus):
    budget = train(acoustic={"start_from": "l2", "start_steps": 3})
    jobs = {job.id: job for job in plan(corpus, seeds=[0, 1], **budget)}
    starts = [id_ for id_ in jobs if id_.startswith("train start-")]
    assert starts == ["train start-acoustic-seed0", "train start-acoustic-seed1"]
    for label in ("l1", "l2"):
        for seed in (0, 1):
            job = jobs[f"train {label}-acoustic-seed{seed}"]
            assert job.needs == ("prepare", f"train start-acoustic-seed{seed}")
            assert job.spec.start == f"train/start-acoustic-seed{seed}"
            assert jobs[f"train {label}-prosody-seed{seed}"].spec.start is None
    assert jobs[starts[0]].spec.budget == {"steps": 3} and jobs[starts[0]].spec.start is None
    longer = changed(
        corpus, list(jobs.values()), seeds=[0, 1], **train(acoustic={"start_from": "l2", "start_steps": 4})
    )
    assert {"train start-acoustic-seed0", "train l1-acoustic-seed1"} <= longer
    assert not {id_ for id_ in longer if "-prosody-" in id_ and id_.startswith("train")}


def test_model_trained_on_predictions_waits_for_the_prosody_model(corpus):
    adapters = {"l1": {}, "told": {"adapter": "l1", "trained_on": "l1"}}
    jobs = {job.id: job for job in plan(corpus, adapters=adapters, systems=["told+oracle", "l1+oracle"])}
    assert jobs["train told-acoustic-seed0"].needs == ("prepare", "train l1-prosody-seed0")
    assert jobs["train told-acoustic-seed0"].key != jobs["train l1-acoustic-seed0"].key


def test_plan_has_every_job_once(corpus):
    result = [job.id for job in plan(corpus, seeds=[3, 4])]
    names = ["l1+oracle", "l2+oracle", "l1+l1", "l2+l2"]
    rows = ["ground-truth seed3", "copy-synthesis seed3", *(f"{name} seed{seed}" for name in names for seed in (3, 4))]
    models = [
        f"{label}-{role}-seed{seed}" for label in ("l1", "l2") for role in ("acoustic", "prosody") for seed in (3, 4)
    ]
    wanted = ["prepare", "score", "report", *(f"train {model}" for model in models),
              *(f"{stage} {row}" for stage in ("synthesize", "transcribe") for row in rows)]  # fmt: skip
    assert sorted(result) == sorted(wanted)


def test_each_job_follows_its_needs(corpus):
    seen = set()
    result = plan(corpus, adapters={"pupil": {}, "l2": {}}, seeds=[0, 1])
    for job in result:
        assert set(job.needs) <= seen, job.id
        seen.add(job.id)
    assert len(seen) == len(result)
    assert len({job.folder for job in result}) == len(result)
    assert len({job.key for job in result}) == len(result)
    assert {job.stage for job in result} == STAGES
    assert all(job.cost_s > 0 for job in result)


def test_needs_are_the_jobs_whose_results_are_read(corpus):
    needs = {job.id: set(job.needs) for job in plan(corpus)}
    assert needs["prepare"] == set()
    assert needs["train l1-acoustic-seed0"] == {"prepare"}
    assert needs["synthesize ground-truth seed0"] == {"prepare"}
    assert needs["synthesize l1+oracle seed0"] == {"prepare", "train l1-acoustic-seed0"}
    assert needs["synthesize l1+l1 seed0"] == {"prepare", "train l1-acoustic-seed0", "train l1-prosody-seed0"}
    assert needs["transcribe l1+l1 seed0"] == {"synthesize l1+l1 seed0"}
    assert needs["score"] == {id_ for id_ in needs if id_.startswith(("synthesize", "transcribe"))}
    assert needs["report"] == {"score"}


def test_clips_are_transcribed_again_if_the_word_list_changes(corpus, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("one two", encoding="utf-8")
    transcriber = {"transcriber": {"name": "pocketsphinx", "options": {"word_list": str(words)}}}
    before = plan(corpus, **transcriber)
    assert not changed(corpus, before, **transcriber)
    words.write_text("one two three", encoding="utf-8")
    assert stages(changed(corpus, before, **transcriber)) == {"transcribe", "score", "report"}


def test_clips_are_transcribed_only_if_a_metric_reads_transcripts(corpus):
    assert stages(job.id for job in plan(corpus, metrics={"mcd": {}})) == STAGES - {"transcribe"}


def test_plan_is_deterministic(corpus):
    assert plan(corpus) == plan(corpus)


# Models that others start from


def test_source_is_trained_once_and_first(corpus):
    result = {job.id: job for job in plan(corpus, adapters={"pupil": {}, "l1": {}}, prosody=["oracle"])}
    assert [id_ for id_ in result if id_.startswith("train")] == [
        "train l1-acoustic-seed0",
        "train pupil-acoustic-seed0",
    ]
    assert result["train pupil-acoustic-seed0"].needs == ("prepare", "train l1-acoustic-seed0")
    assert result["train pupil-acoustic-seed0"].spec.sources == {"l1": "train/l1-acoustic-seed0"}


def test_options_may_select_other_sources(corpus):
    wants = {"adapter": "nce_ebm", "options": {"initial": "l1", "negatives": ["mask", "diffusion+noise"]}}
    result = {job.id: job for job in plan(corpus, adapters={"one": wants}, prosody=["oracle"])}
    assert set(result["train one-acoustic-seed0"].spec.sources) == {"l1", "diffusion"}
    wrong = {"adapter": "nce_ebm", "options": {"negatives": ["hinge"]}}
    with pytest.raises(ConfigError, match="Unknown adapter 'hinge'"):
        plan(corpus, adapters={"one": wrong}, prosody=["oracle"])


def test_share_of_the_data_applies_to_all_sources(corpus):
    adapters = {"pupil": {}, "pupil-half": {"adapter": "pupil", "data_share": 0.5}}
    alone = {job.key for job in plan(corpus, adapters={"pupil": {}}, prosody=["oracle"]) if job.stage == "train"}
    result = [job for job in plan(corpus, adapters=adapters, prosody=["oracle"]) if job.stage == "train"]
    assert alone == {job.key for job in result if job.stage != "train" or job.spec.data_share == 1}
    half = {job.folder: job for job in result if job.stage == "train" and job.spec.data_share == 0.5}
    assert sorted(job.spec.adapter for job in half.values()) == ["l1", "pupil"]
    assert half["train/pupil-half-acoustic-seed0"].spec.sources["l1"] in half


@pytest.mark.parametrize("budget", [{"batch_size": 2}, {"steps": 3}])
def test_budget_of_a_label_applies_to_its_own_training_only(corpus, budget):
    adapters = {"pupil": {}, "pupil-2": {"adapter": "pupil", **budget}}
    alone = {job.key for job in plan(corpus, adapters={"pupil": {}}) if job.stage == "train"}
    result = [job for job in plan(corpus, adapters=adapters) if job.stage == "train"]
    own = [job for job in result if job.key not in alone]
    assert {job.spec.role for job in own} == {"acoustic", "prosody"}
    assert all(job.spec.adapter == "pupil" and job.spec.budget == budget for job in own)
    assert len(own) == 2


def test_label_with_the_name_of_a_source_gets_another_folder(corpus):
    """The label l1 is another objective here; the pupil still starts from the adapter l1."""
    result = plan(corpus, adapters={"pupil": {}, "l1": {"adapter": "l2"}}, prosody=["oracle"])
    trained = [job for job in result if job.stage == "train"]
    assert sorted(job.spec.adapter for job in trained) == ["l1", "l2", "pupil"]
    assert len({job.folder for job in trained}) == len({job.id for job in trained}) == 3


# Keys that change with a setting


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"metrics": {"mcd_plain": {}, "wer": {}}}, {"score", "report"}),
        ({"metrics": {"mcd": {}, "wer": {}, "nfe": {}}}, {"score", "report"}),
        ({"statistics": {"resamples": 200}}, {"report"}),
        ({"title": "Other"}, {"report"}),
        ({"transcriber": {"name": "echo"}}, {"transcribe", "score", "report"}),
        ({"vocoder": {"name": "griffin_lim", "options": {"iterations": 3}}}, STAGES - {"prepare", "train"}),
        ({"synthesis": {"samples": 2}}, STAGES - {"prepare", "train"}),
        ({"synthesis": {"batch_size": 1}}, set()),
        ({"compute": {**TINY["compute"], "checkpoint_s": 5.0}}, set()),
        ({"compute": {**TINY["compute"], "precision": "bf16-mixed"}}, STAGES - {"prepare"}),
        ({"model": {**TINY["model"], "dim": 24}}, STAGES - {"prepare"}),
        ({"mel": {**TINY["mel"], "n_mels": 24}}, STAGES),
        (train(acoustic={"steps": 5}), STAGES - {"prepare"}),
    ],
)
def test_change_recomputes_exactly_the_dependent_stages(corpus, changes, expected):
    assert stages(changed(corpus, **changes)) == expected


def test_reference_rows_need_no_model(corpus):
    result = changed(corpus, **train(acoustic={"steps": 5}, prosody={"steps": 5}))
    assert not any(name in id_ for id_ in result for name in ("ground-truth", "copy-synthesis"))


def test_prosody_budget_changes_no_acoustic_model_and_no_oracle_system(corpus):
    result = changed(corpus, **train(prosody={"steps": 9}))
    assert {id_ for id_ in result if id_.startswith("train")} == {"train l1-prosody-seed0", "train l2-prosody-seed0"}
    assert {id_ for id_ in result if id_.startswith("synth")} == {"synthesize l1+l1 seed0", "synthesize l2+l2 seed0"}


def test_temperature_resamples_without_training(corpus):
    result = changed(corpus, adapters={"l1": {"temperature": 0.5}, "l2": {}})
    assert {id_ for id_ in result if id_.startswith(("train", "synth", "prep"))} == {
        "synthesize l1+oracle seed0", "synthesize l1+l1 seed0"}  # fmt: skip


def test_sampling_options_resample_without_training(corpus):
    adapters = {"sled": {"options": {"condition_dropout": 0.1}}, "l1": {}}
    guided = {**adapters, "sled": {**adapters["sled"], "sampling": {"guidance": 2.0}}}
    result = changed(corpus, plan(corpus, adapters=adapters), adapters=guided)
    assert {id_ for id_ in result if id_.startswith(("train", "synth", "prep"))} == {
        "synthesize sled+oracle seed0", "synthesize sled+sled seed0"}  # fmt: skip


def test_options_retrain_their_own_label_only(corpus):
    adapters = {"a": {"adapter": "two_groups"}, "l1": {}}
    before = plan(corpus, adapters=adapters)
    after = {"a": {"adapter": "two_groups", "options": {"nan_at": 99}}, "l1": {}}
    result = changed(corpus, before, adapters=after)
    assert {id_ for id_ in result if id_.startswith("train")} == {"train a-acoustic-seed0", "train a-prosody-seed0"}


def test_further_system_keeps_the_keys_of_the_others(corpus):
    result = changed(corpus, adapters={"l1": {}, "two_groups": {}, "l2": {}})
    assert all("two_groups" in id_ for id_ in result - {"score", "report"})


def test_further_seed_keeps_the_keys_of_the_first(corpus):
    result = changed(corpus, seeds=[0, 1])
    assert all(id_.endswith("seed1") for id_ in result - {"score", "report"})


def test_labels_that_differ_in_sampling_share_one_training(corpus):
    result = plan(corpus, adapters={"warm": {"adapter": "l1"}, "cold": {"adapter": "l1", "temperature": 0.1}})
    assert [job.id for job in result if job.stage == "train"] == [
        "train warm-acoustic-seed0",
        "train warm-prosody-seed0",
    ]
    keys = {job.id: job.key for job in result}
    assert keys["synthesize warm+oracle seed0"] != keys["synthesize cold+oracle seed0"]


# The code of a plug-in


@pytest.fixture
def source(monkeypatch, tmp_path):
    """Lets a test rewrite the module that l1 and l2 come from, as ``source_hash`` sees it."""
    module = __import__("baselines.regression", fromlist=["L1"])
    copy = tmp_path / "regression.py"
    shutil.copy(module.__file__, copy)
    monkeypatch.setattr(module, "__file__", str(copy))

    def rewrite(old, new):
        text = copy.read_text(encoding="utf-8")
        assert old in text
        copy.write_text(text.replace(old, new), encoding="utf-8")
        registry.source_hash.cache_clear()

    yield rewrite
    registry.source_hash.cache_clear()


def test_editing_an_objective_retrains_it(corpus, source):
    before = plan(corpus)
    source(".pow(self.power)", ".pow(self.power + 0)")
    assert stages(changed(corpus, before)) == STAGES - {"prepare"}


def test_editing_comments_of_an_objective_retrains_nothing(corpus, source):
    before = plan(corpus)
    source('"""Mean absolute error."""', '"""Mean absolute error, as ever."""  # a word more')
    source("    power = 1\n", "    # the median\n\n    power = 1\n")
    source('"""L1 and L2 regression', '"""L2 and L1 regression')
    assert changed(corpus, before) == set()


# The corpus


def test_changed_recording_changes_all_keys(corpus, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    before = plan(copy)
    assert changed(copy, before) == set()
    wav = copy / "wavs" / "c01.wav"
    wav.touch()  # copied to another machine, say
    assert changed(copy, before) == set()
    wav.write_bytes(wav.read_bytes() + b"\0\0")
    assert stages(changed(copy, before)) == STAGES
    (copy / "wavs" / "c01.wav").unlink()
    assert stages(changed(copy, before)) == STAGES


def test_missing_corpus_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match=r"The corpus path .*nowhere does not exist\. Set corpus\.path"):
        plan(tmp_path / "nowhere")


def test_extra_systems_are_rows_beside_all_combinations(corpus):
    names = {job.spec.system for job in plan(corpus, adapters={"l1": {}, "l2": {}}, prosody=["oracle"],
                                             extra_systems=["l1+l2"]) if job.stage == "synthesize"}  # fmt: skip
    assert names >= {"l1+oracle", "l2+oracle", "l1+l2"} and "l2+l2" not in names


def test_a_label_may_have_numbers_of_draws_and_clips_of_its_own(corpus):
    adapters = {"mdn": {}, "few": {"adapter": "mdn", "draws": 2}, "clips": {"adapter": "mdn", "samples": 3, "draws": 1}}
    jobs = {job.spec.system: job.spec for job in plan(corpus, adapters=adapters, prosody=["oracle"])
            if job.stage == "synthesize"}  # fmt: skip
    counts = {name: (jobs[f"{name}+oracle"].samples, jobs[f"{name}+oracle"].draws) for name in adapters}
    assert counts == {"mdn": (1, 8), "few": (1, 2), "clips": (3, 3)}
    assert len({job.folder for job in plan(corpus, adapters=adapters, prosody=["oracle"]) if job.stage == "train"}) == 1
