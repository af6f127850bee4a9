"""Experiments: base and delta, values that are refused, and the messages of refusals."""

import re
from pathlib import Path

import pytest
import yaml

from ttsbench.config.loading import merge, parse_override, validate
from ttsbench.config.schema import CorpusConfig, Experiment
from ttsbench.errors import ConfigError
from ttsbench.pipeline.commands import read_experiment

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
EXPERIMENTS = [path for path in FILES if path.stem != "claims"]
BASE = {
    "adapters": {"l1": {}, "l2": {}},
    "metrics": {"mcd": {}, "nfe": {}},
    "train": {"acoustic": {"steps": 7, "batch_size": 3}},
}


@pytest.fixture
def write(tmp_path):
    def write(name, values):
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False), encoding="utf-8"
        )
        return path

    write("base", BASE)
    return write


def refusal(path, *overrides):
    with pytest.raises(ConfigError) as caught:
        read_experiment(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert "pydantic" not in message
    return message


# Base and delta


def test_merge_equals_a_merge_by_hand():
    base = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": {"f": 1}, "g": 3}
    delta = {"a": {"c": 3, "x": 4}, "d": [5], "e": None, "g": {"h": 1}}
    assert merge(base, delta) == {"a": {"b": 1, "c": 3, "x": 4}, "d": [5], "g": {"h": 1}}
    assert base["a"] == {"b": 1, "c": 2}


def test_delta_contains_only_differences(write):
    path = write("mine", {"base": "base.yaml", "train": {"acoustic": {"steps": 9}}, "metrics": {"gpe": {}}})
    found = read_experiment(path)
    assert (found.name, found.train.acoustic.steps, found.train.acoustic.batch_size) == ("mine", 9, 3)
    assert found.metrics == {"mcd": {}, "nfe": {}, "gpe": {}}
    assert found.train.prosody.steps == 200


def test_base_may_have_a_base(write):
    write("middle", {"base": "base.yaml", "train": {"acoustic": {"batch_size": 5}}})
    found = read_experiment(write("top", {"base": "middle.yaml", "title": "Top"}))
    assert (found.name, found.title) == ("top", "Top")
    assert (found.train.acoustic.steps, found.train.acoustic.batch_size) == (7, 5)


def test_null_removes_a_mapping(write):
    found = read_experiment(write("less", {"base": "base.yaml", "adapters": {"l2": None}, "metrics": {"nfe": None}}))
    assert list(found.adapters) == ["l1"]
    assert list(found.metrics) == ["mcd"]


def test_null_replaces_a_value_that_may_be_null(write):
    path = write("whole", {"base": "base.yaml", "train": {"acoustic": {"crop_frames": None}}})
    assert read_experiment(path).train.acoustic.crop_frames is None


def test_set_is_a_further_delta(write):
    found = read_experiment(write("mine", BASE), ["train.acoustic.steps=11", "adapters.l2=null", "seeds=[3, 4]",
                                                  "train.prosody={steps: 2}", "title=a=b"])  # fmt: skip
    assert found.train.acoustic.steps == 11
    assert list(found.adapters) == ["l1"]
    assert found.seeds == (3, 4)
    assert found.train.prosody.steps == 2
    assert found.title == "a=b"


def test_set_finds_a_label_with_a_dot(write):
    labels = {"l1-t0.5": {"adapter": "l1"}, "l1-t0": {"adapter": "l1"}}
    path = write("mine", {**BASE, "adapters": {**BASE["adapters"], **labels}})
    found = read_experiment(
        path, ["adapters.l1-t0.5.temperature=0.5", "adapters.l1-t0=null", "adapters.new={adapter: l2}"]
    )
    assert found.adapters["l1-t0.5"].temperature == 0.5
    assert list(found.adapters) == [*BASE["adapters"], "l1-t0.5", "new"]


def test_later_sets_win_and_seeds_are_applied_last(write):
    found = read_experiment(write("mine", BASE), ["seeds=[1]", "seeds=[2]"], [5, 6])
    assert found.seeds == (5, 6)


@pytest.mark.parametrize("text", ["nonsense", "=3", "a..b=3", ".a=3", "a.=3"])
def test_set_without_key_or_value_is_refused(text):
    with pytest.raises(ConfigError, match="--set takes key=value, got") as caught:
        parse_override(text, {})
    assert text in str(caught.value)


def test_label_may_name_another_adapter(write):
    values = {**BASE, "adapters": {"low": {"adapter": "l1", "temperature": 0.5}, "l2": None}}
    found = read_experiment(write("mine", values))
    assert (found.adapters["low"].adapter, found.adapters["l2"].adapter) == ("l1", "l2")
    assert found.acoustic_labels == ("low", "l2")


def test_resolved_experiment_validates_to_itself(write):
    found = read_experiment(write("mine", BASE), ["corpus.path=/somewhere"])
    assert validate(found.model_dump(mode="json"), "again") == found


def test_experiment_is_frozen(write):
    with pytest.raises(Exception, match="frozen"):
        read_experiment(write("mine", BASE)).title = "other"


# Files


def test_cycle_of_bases_is_refused(write):
    write("a", {"base": "b.yaml"})
    path = write("b", {"base": "a.yaml"})
    assert "is its own base, through b.yaml -> a.yaml" in refusal(path)


def test_missing_file_gets_a_suggestion(write, tmp_path):
    path = write("mine", BASE)
    assert "Did you mean 'mine'?" in refusal(path.with_name("mien.yaml"))
    assert "There is no experiment" in refusal(tmp_path / "nowhere" / "mine.yaml")
    assert "Did you mean 'base'?" in refusal(write("typo", {"base": "bas.yaml"}))


@pytest.mark.parametrize(("text", "words"), [("- a\n- b\n", "is not a mapping"), ("", "is not a mapping"),
                                            ("a: [1\nb: 2", "cannot be read as YAML"),
                                            ("a: !!python/object:os.system {}", "cannot be read as YAML")])  # fmt: skip
def test_file_without_a_mapping_is_refused(write, text, words):
    assert words in refusal(write("odd", text))


def test_folder_is_refused(tmp_path):
    assert "cannot be read" in refusal(tmp_path)


# Unknown names


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("adapters.l11={}", "Unknown adapter 'l11'. Did you mean 'l1'?"),
        ("adapters.mine={adapter: zzzzzz}", "Unknown adapter 'zzzzzz'. Known: "),
        ("metrics.speaker_similarty={}", "Unknown metric 'speaker_similarty'. Did you mean 'speaker_similarity'?"),
        ("corpus.name=ljspech", "Unknown corpus 'ljspech'. Did you mean 'ljspeech'?"),
        ("vocoder.name=grifin_lim", "Unknown vocoder 'grifin_lim'. Did you mean 'griffin_lim'?"),
        ("transcriber.name=pocket_sphinx", "Unknown transcriber 'pocket_sphinx'. Did you mean 'pocketsphinx'?"),
        ("metrix={}", "Unknown key 'metrix'. Did you mean 'metrics'?"),
        ("model.dims=8", "Unknown key 'model.dims'. Did you mean 'dim'?"),
        ("train.acoustic.learning_rat=1", "Unknown key 'train.acoustic.learning_rat'. Did you mean 'learning_rate'?"),
        ("train.acustic.steps=1", "Unknown key 'train.acustic'. Did you mean 'acoustic'?"),
        ("adapters.l1.optoins={}", "Unknown key 'adapters.l1.optoins'. Did you mean 'options'?"),
        ("corpus.splitseed=1", "Unknown key 'corpus.splitseed'. Did you mean 'split_seed'?"),
        ("vocoder.option={}", "Unknown key 'vocoder.option'. Did you mean 'options'?"),
        (
            "vocoder.options.iteration=3",
            "The vocoder 'griffin_lim' has no option 'iteration'. Did you mean 'iterations'?",
        ),
        ("vocoder.options.mel=3", "The vocoder 'griffin_lim' has no option 'mel'."),
        ("adapters.l1.options.power=3", "The adapter 'l1' has no option 'power'."),
        (
            "adapters.sled.sampling.guidence=2",
            "The adapter 'sled' has no sampling option 'guidence'. Did you mean 'guidance'?",
        ),
        ("adapters.l1.sampling.guidance=2", "The adapter 'l1' has no sampling option 'guidance'. Known: none."),
        ("metrics.utmosv2.fodls=1", "The metric 'utmosv2' has no option 'fodls'. Did you mean 'folds'?"),
        ("corpus.options.minuts=3", "The corpus 'espeak' has no option 'minuts'. Did you mean 'minutes'?"),
        ("corpus.options.path=/x", "The corpus 'espeak' has no option 'path'."),
    ],
)
def test_unknown_name_gets_a_suggestion(write, override, words):
    assert words in refusal(write("mine", BASE), override)


# Values


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.acoustic.steps=many", "train.acoustic.steps: Input should be a valid integer"),
        ("train.acoustic.steps=0", "train.acoustic.steps: Input should be greater than or equal to 1 (got 0)."),
        ("train.acoustic=5", "train.acoustic: "),
        ("model.kernel=4", "kernel must be odd so that blocks stay centred, got 4"),
        ("mel.f_max=20000", "the band 0-20000 Hz is empty or exceeds half of sample_rate 22050"),
        ("mel.hop_length=1000", "hop_length 1000 must be at most half of n_fft 1024"),
        ("mel.hop_length=255", "differ by an even number"),
        ("compute.precision=half", "compute.precision: "),
        ("adapters=[]", "adapters: "),
        ("adapters=l1", "adapters: "),
        ("adapters.l1=5", "adapters.l1: "),
        ("metrics=[]", "metrics: "),
        ("seeds=[]", "seeds: "),
        ("seeds=[1, 2, 1]", "seeds must differ, got [1, 2, 1]"),
        ("name=../up", "name: "),
        ("statistics.level=2", "statistics.level: "),
        ("adapters.l1.nfe=4", "The adapter 'l1' samples in 1 function evaluation; nfe 4 is not possible."),
        ("adapters.sled.sampling.guidance=2", "guidance 2 needs a network that has learnt to do without its condition"),
        ("vocoder.options.iterations=0", "iterations must be at least 1"),
        ("train: {a: 1}", "--set takes key=value"),
        ("train={acoustic: {steps: 1}, acoustic: {steps: 2}}", "the key 'acoustic' is given in line 1 and line 1"),
        ("seeds=[-1]", "seeds.0: Input should be greater than or equal to 0 (got -1)."),
        ("seeds=[4294967296]", "seeds.0: Input should be less than or equal to 4294967295"),
        ("corpus.split_seed=-1", "corpus.split_seed: "),
        ("statistics.seed=-1", "statistics.seed: "),
        ("statistics.resamples=1000000000", "statistics.resamples: Input should be less than or equal to 100000"),
        ("train.acoustic.learning_rate=.inf", "train.acoustic.learning_rate: the number must be finite (got inf)."),
        ("train.prosody.weight_decay=.nan", "train.prosody.weight_decay: the number must be finite (got nan)."),
        ("adapters.flow.options.scale=-.inf", "adapters.flow.options.scale: the number must be finite (got -inf)."),
        (
            "compute.accelerator=gpuu",
            "compute.accelerator: Input should be 'auto', 'cpu', 'gpu', 'cuda'",
        ),
        ("compute.devices=1000", "compute.devices: 1000 devices were requested, and there are"),
        ("model.dim=1000000", "GB of memory, and this machine has"),
        ("train.acoustic.batch_size=1000000000", "reduce train.acoustic.batch_size, crop_frames or model.dim."),
        (
            "corpus.options.minutes=ten",
            "The corpus 'espeak' does not take minutes='ten': input should be a valid number.",
        ),
        ("corpus.options.speakers=3", "The corpus 'espeak' does not take speakers=3: input should be a valid array."),
        ("corpus.test=61", "corpus.test is 61, but the corpus 'espeak' has 60 test utterances with these options."),
        ("corpus={options: {minutes: 3}, valid: 3}", "corpus.valid is 3, but the corpus 'espeak' has 2 validation"),
        ("corpus.options=[3]", "corpus.options: Input should be a valid dictionary"),
        ("adapters.sled.options.dim=wide", "The adapter 'sled' does not take dim='wide'"),
        ("vocoder.options.iterations=[a", "cannot be read as YAML"),
    ],
)
def test_bad_value_is_refused_in_one_sentence(write, override, words):
    assert words in refusal(write("mine", BASE), override)


def test_every_invalid_key_is_reported(write):
    with pytest.raises(ConfigError) as caught:
        read_experiment(write("mine", BASE), ["model.dim=x", "train.prosody.steps=y"])
    assert len(str(caught.value).splitlines()) == 2


# The selection for a paper


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("table.metrics=[mcd, nfr]", "table.metrics: 'nfr' is no metric of this experiment. Did you mean 'nfe'?"),
        ("table.metrics=[mcd, mcd]", "table.metrics: a name is listed twice"),
        ("table.systems=[l1+oracel]", "table.systems: 'l1+oracel' is no row of this experiment. Did you mean"),
        ("table.titles={l3+oracle: x}", "table.titles: 'l3+oracle' is no row, family or metric of this experiment."),
        ("table.titles={mcd: [x]}", "table.titles.mcd: Input should be a valid string"),
        ("table.titles={l1+oracle: l2+oracle}", "table.titles: two rows have the title 'l2+oracle'"),
        (
            "table.columns=[mcd]",
            "Unknown key 'table.columns'. Known: intervals, layout, metrics, signatures, significance, systems, "
            "titles.",
        ),
    ],
)
def test_selection_of_unknown_names_is_refused(write, override, words):
    assert words in refusal(write("mine", BASE), override)


def test_selection_takes_known_names(write):
    chosen = ["table.metrics=[nfe, mcd]", "table.systems=[ground-truth, l2+oracle]",
              "table.titles={l2+oracle: L2, mcd: Distortion}"]  # fmt: skip
    table = read_experiment(write("mine", BASE), chosen).table
    assert table.chosen and (table.metrics, table.systems) == (("nfe", "mcd"), ("ground-truth", "l2+oracle"))
    assert not read_experiment(write("mine", BASE), chosen[2:]).table.chosen, "titles alone choose nothing"
    without = read_experiment(write("mine", BASE), [*chosen[2:], "table.titles={mcd: null}"])
    assert without.table.titles == {"l2+oracle": "L2"}, "null takes back what a base calls a row or a metric"
    family = ["adapters.mild={adapter: flow, temperature: 0.5}", "table.titles={flow+oracle: Flow}"]
    found = read_experiment(write("mine", BASE), family)
    assert found.family("mild+oracle") == "flow+oracle" and found.table.titles == {"flow+oracle": "Flow"}


# Claims


CLAIM = {
    "C": {
        "statement": "so",
        "paper": "p",
        "endpoint": {"metric": "mcd", "less": "l1+oracle", "than": ["l2+oracle"], "margin": 0.05},
    }
}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_is_valid_or_names_what_to_install(path, monkeypatch, tmp_path):
    """Experiments at real scale need weights and packages that a plain installation lacks."""
    monkeypatch.setenv("TTSBENCH_DATA", str(tmp_path))
    try:
        read_experiment(path)
    except ConfigError as error:
        assert re.search("pip install|hf download", str(error)), error


def test_claims_beside_the_experiment_are_used(write, tmp_path):
    assert read_experiment(write("mine", BASE)).claims is None
    beside = write("claims", CLAIM)
    assert read_experiment(write("mine", BASE)).claims == beside
    assert read_experiment(write("mine", BASE), ["claims=null"]).claims is None


def test_path_of_claims_is_relative_to_the_file_that_names_it(write, tmp_path):
    (tmp_path / "deep").mkdir()
    other = write("deep/other", CLAIM)
    write("middle", {"base": "base.yaml", "claims": "deep/other.yaml"})
    path = write("deep/mine", {"base": "../middle.yaml"})
    assert read_experiment(path).claims == other


def test_invalid_claims_are_refused_before_work_starts(write):
    write("claims", "C: {statement: so, paper: p}")
    message = refusal(write("mine", BASE))
    assert "a claim takes exactly one of endpoint" in message
    assert message.endswith("--set claims=null runs without claims.")
    assert "There is no claims file at" in refusal(write("mine", {**BASE, "claims": "none.yaml"}))


# Labels


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("acoustic=[l3]", "acoustic: 'l3' is no label under adapters. Known: l1, l2."),
        ("acoustic=[oracle]", "acoustic: 'oracle' is no label under adapters."),
        ("prosody=[orakle]", "prosody: 'orakle' is no label under adapters. Did you mean 'oracle'?"),
    ],
)
def test_unknown_label_is_refused(write, override, words):
    assert words in refusal(write("mine", BASE), override)


@pytest.mark.parametrize("label", ["../up", "a/b", "a+b", "", ".hidden", "oracle", "same", "a b", "ä"])
def test_label_that_cannot_name_a_folder_is_refused(write, label):
    assert f"the label '{label}'" in refusal(write("mine", {**BASE, "adapters": {label: {"adapter": "l1"}}}))


@pytest.mark.parametrize("prosody", ["oracle", "same", "l2"])
def test_known_labels_are_accepted(write, prosody):
    assert read_experiment(write("mine", BASE), [f"prosody=[{prosody}]", "acoustic=[l1]"]).prosody == (prosody,)


def test_delta_on_a_section_keeps_its_other_defaults(write):
    found = read_experiment(write("mine", BASE), ["train.prosody.batch_size=2", "vocoder.options.iterations=2"])
    assert (found.train.prosody.steps, found.train.prosody.crop_frames) == (200, None)
    assert found.vocoder.name == "griffin_lim"


def test_defaults_are_the_documented_values():
    found = Experiment.model_validate({"name": "x", "adapters": {"l1": None}, "metrics": {"mcd": None}})
    assert found.prosody == ("oracle", "same")
    assert found.corpus == CorpusConfig()
    assert found.seeds == (0,)
    assert found.adapters["l1"].adapter == "l1"
