"""Bad input is refused before work starts, in one sentence and with exit status 2."""

import shutil

import pytest
from tinyrun import compare, tiny_site

from ttsbench.cli import main


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with tiny_site(tmp_path_factory.mktemp("refusals")) as experiment:
        yield experiment


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("adapters.l3={}", "Unknown adapter 'l3'. Known: "),
        ("metrics.mdc={}", "Unknown metric 'mdc'. Did you mean 'mcd'?"),
        ("metrics.utmosv2.fodls=1", "The metric 'utmosv2' has no option 'fodls'. Did you mean 'folds'?"),
        ("corpus.name=foldr", "Unknown corpus 'foldr'. Did you mean 'folder'?"),
        ("vocoder.name=griffinlim", "Unknown vocoder 'griffinlim'. Did you mean 'griffin_lim'?"),
        ("trian.acoustic.steps=3", "Unknown key 'trian'. Did you mean 'train'?"),
        ("train.acoustic.stepz=3", "Unknown key 'train.acoustic.stepz'. Did you mean 'steps'?"),
        ("train.acoustic.steps=many", "train.acoustic.steps: "),
        ("nonsense", "--set takes key=value, got 'nonsense'"),
        ("=3", "--set takes key=value, got '=3'"),
        ("seeds=[1, 1]", "seeds must differ, got [1, 1]"),
        ("seeds=[1", "'[1' cannot be read as YAML"),
        ("prosody=[oracel]", "prosody: 'oracel' is no label under adapters. Did you mean 'oracle'?"),
        ("adapters.dmd.options.ctc=1", "mel_ctc judges acoustic models"),
        ("systems=[l1+text]", "systems: l1+text: 'text' is no label under adapters."),
        ("corpus.path=/nowhere/at/all", "The corpus path /nowhere/at/all does not exist."),
        ("corpus.test=9", "12 usable utterances are too few"),
        ("metrics.speechbertscore_f1.model=side/ways/on", "side/ways/on"),
        ("vocoder.options={iterations: 0}", "iterations must be at least 1"),
        ("seeds=[-1]", "seeds.0: Input should be greater than or equal to 0 (got -1)"),
        ("seeds=[4294967296]", "seeds.0: Input should be less than or equal to 4294967295"),
        ("statistics.seed=-1", "statistics.seed: Input should be greater than or equal to 0"),
        ("statistics.resamples=99", "statistics.resamples: Input should be greater than or equal to 100"),
        ("statistics.resamples=100001", "statistics.resamples: Input should be less than or equal to 100000"),
        ("train.acoustic.learning_rate=.inf", "train.acoustic.learning_rate: the number must be finite (got inf)"),
        ("train.acoustic.learning_rate=.nan", "train.acoustic.learning_rate: the number must be finite (got nan)"),
        ("adapters.l1.temperature=.inf", "adapters.l1.temperature: the number must be finite (got inf)"),
        ("compute.accelerator=npu", "compute.accelerator: Input should be 'auto', 'cpu', 'gpu'"),
        ("compute.devices=1000", "compute.devices: 1000 devices were requested, and there are "),
        ("model.dim=1000000", "One training needs at least 320,000.1 GB of memory, and this machine has "),
        ("corpus.options=3", "corpus.options: Input should be a valid dictionary (got 3)"),
        ("corpus.options=[a]", "corpus.options: Input should be a valid dictionary"),
        ("corpus.options={speaker: 3}", "The corpus 'folder' does not take speaker=3: input should be a valid string"),
        (
            "corpus={name: espeak, path: null, options: {minutes: many}}",
            "does not take minutes='many': input should be",
        ),
    ],
)
def test_bad_value_is_refused_in_one_sentence(experiment, tmp_path, override, words):
    result = compare(experiment, "--output", tmp_path / "run", "--set", override)
    assert_refused(result, words)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("corpus.test=9", "12 usable utterances are too few for 9 test and 2 validation utterances"),
        ("corpus={name: espeak, path: null, test: 61, valid: 1}", "corpus.test is 61, but the corpus 'espeak' has 60"),
    ],
)
def test_dry_run_refuses_splits_larger_than_the_corpus(experiment, tmp_path, override, words):
    assert_refused(compare(experiment, "--output", tmp_path / "run", "--dry-run", "--set", override), words)


def assert_refused(result, words):
    assert result.status == 2, result.err
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("ttsbench: ")
    assert words in lines[0]
    assert not result.out


def broken(experiment, folder):
    corpus = folder / "corpus"
    shutil.copytree(experiment.parent / "corpus", corpus)
    return corpus


def remove_metadata(corpus):
    (corpus / "metadata.csv").unlink()


def repeat_an_id(corpus):
    with (corpus / "metadata.csv").open("a", encoding="utf-8") as file:
        file.write("c03|see no law may\n")


def keep_two_lines(corpus):
    lines = (corpus / "metadata.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (corpus / "metadata.csv").write_text("".join(lines[:2]), encoding="utf-8")


def empty_metadata(corpus):
    (corpus / "metadata.csv").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_metadata, "has no metadata.csv"),
        (repeat_an_id, "Two utterances have the same id: 'c03'"),
        (keep_two_lines, "2 usable utterances are too few"),
        (empty_metadata, "is empty"),
    ],
)
def test_bad_corpus_is_refused_in_one_sentence(experiment, tmp_path, damage, words):
    corpus = broken(experiment, tmp_path)
    damage(corpus)
    result = compare(experiment, "--output", tmp_path / "run", "--set", f"corpus.path={corpus}")
    assert_refused(result, words)


def test_corpus_of_files_that_are_no_audio_is_refused(experiment, tmp_path):
    corpus = broken(experiment, tmp_path)
    for wav in (corpus / "wavs").glob("c0*.wav"):
        wav.write_bytes(b"noise")
    result = compare(experiment, "--output", tmp_path / "run", "--set", f"corpus.path={corpus}")
    assert result.status == 2
    assert "10 of 12 clips of 'folder' cannot be used" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {acoustic: {steps: 3}}", "the key 'train' is given in line"),
        ("extra: " + "[" * 3000 + "]" * 3000, "nested more than 50 levels deep"),
        ("\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]" for n in range(9)), "100,000 values"),
    ],
)
def test_bad_yaml_is_refused_in_one_sentence(experiment, tmp_path, text, words):
    file = experiment.with_name("bad.yaml")
    file.write_text(f"{experiment.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")
    assert_refused(compare(file, "--output", tmp_path / "run"), words)


def test_missing_experiment_is_refused_in_one_sentence(experiment):
    assert_refused(compare(experiment.parent / "tinny.yaml"), "Did you mean 'tiny'?")


def test_output_that_is_a_file_is_refused_in_one_sentence(experiment, tmp_path):
    (tmp_path / "run").write_text("in the way", encoding="utf-8")
    assert_refused(compare(experiment, "--output", tmp_path / "run"), str(tmp_path / "run"))


def test_report_without_a_run_is_refused_in_one_sentence(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err
