"""A metric that keeps its promises passes, and every broken promise is found by the check meant for it."""

import csv
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import soundfile
from selftest_metrics import (
    PROMISES,
    Biased,
    Deaf,
    Elsewhere,
    Flipped,
    Hole,
    Lopsided,
    Loudness,
    Random,
    SilenceIsPerfect,
    SpectralDistance,
    Squeamish,
)
from speechlike import speechlike
from tinycorpus import tiny_corpus

from ttsbench import Behaviour, Clip, ConfigError, MetricInfo, TtsbenchError, registry
from ttsbench.checks.selftest.checks import KNOWN_VALUES, Check, checks_of, judge_check
from ttsbench.checks.selftest.collect import collect_responses
from ttsbench.checks.selftest.degrade import GRADES
from ttsbench.checks.selftest.measure import Refusal
from ttsbench.checks.selftest.needs import build, missing_information
from ttsbench.checks.selftest.pool import measure_all
from ttsbench.checks.selftest.recordings import COUNT, espeak_recordings, recordings_of
from ttsbench.checks.selftest.run import judge, selftest
from ttsbench.checks.selftest.table import table
from ttsbench.checks.selftest.variants import grades, pair
from ttsbench.data.espeak.voice import SAMPLE_RATE, speak

RATE = 16000


@pytest.fixture(scope="module")
def recordings():
    return [Clip(f"one-{n}", speechlike(1.1, 120.0 + 30 * n, RATE, 0.95 + 0.05 * n), RATE) for n in range(3)]


def verdicts(metric, recordings):
    metrics = {metric.info.name: metric}
    return judge(metrics, [collect_responses(clip, metrics, []) for clip in recordings])


def failed(metric, recordings):
    return {item.check: item for item in verdicts(metric, recordings) if item.outcome == "FAIL"}


def test_metric_that_keeps_its_promises_passes(recordings):
    found = verdicts(SpectralDistance(), recordings)
    assert [one.check for one in found if one.outcome != "ok"] == []
    promised = {"identity", "gain", "resample", "symmetric", "noise", "low_pass", "smoothing", "silence", "white noise"}
    assert {one.check for one in found} == promised
    assert all(one.recordings == 3 for one in found)


@pytest.mark.parametrize(
    ("metric", "broken"),
    [
        (Loudness, {"gain"}),
        (Flipped, {"noise", "low_pass", "smoothing"}),
        (SilenceIsPerfect, {"silence"}),
        (Lopsided, {"symmetric"}),
        (Biased, {"identity"}),
        (Deaf, {"noise", "low_pass", "smoothing"}),
        (Random, {"identity", "gain", "symmetric"}),
        (Hole, {"white noise"}),
        (Squeamish, {"gain"}),
    ],
)
def test_broken_promise_is_found(metric, broken, recordings):
    assert set(failed(metric(), recordings)) == broken


def test_failure_names_the_measured_and_the_promised_value(recordings):
    gain = failed(Loudness(), recordings)["gain"]
    assert (gain.measured, gain.promised) == ("0 12 12", "moves by at most 0.001 dB")
    assert failed(Squeamish(), recordings)["gain"].reason.startswith("1 of 3 recordings were measured")
    assert "'one-1' is quiet" in failed(Squeamish(), recordings)["gain"].reason
    assert "it gave (nan,)" in failed(Hole(), recordings)["white noise"].reason


def test_metric_that_crashes_breaks_every_promise(recordings):
    class Crashing(SpectralDistance):
        def measure(self, clip, reference):
            raise ZeroDivisionError("nothing to divide by")

    found = verdicts(Crashing(), recordings)
    assert {one.outcome for one in found} == {"FAIL"}
    assert {one.reason for one in found} == {"ZeroDivisionError: nothing to divide by"}


def test_reduction_that_crashes_breaks_the_promises_about_values(recordings):
    class Crashing(SpectralDistance):
        def reduce(self, rows):
            raise ValueError("no rows like these")

    found = {one.check: one for one in verdicts(Crashing(), recordings)}
    assert {name for name, one in found.items() if one.outcome == "ok"} == {"silence", "white noise"}
    assert found["gain"].reason == "reduce: ValueError: no rows like these"


def test_not_applicable_pairs_are_skipped_and_silence_is_still_refused(recordings):
    found = verdicts(Elsewhere(), recordings)
    assert "planted (itself, gain, 48 kHz, swap, noise, low-pass, smooth, hiss): only the espeak" in table(found, {})
    outcomes = {one.check: one.outcome for one in found}
    assert outcomes.pop("silence") == "ok"
    assert set(outcomes.values()) == {"skipped"}


def test_metric_with_an_ideal_value_worsens_away_from_it(recordings):
    class Ratio(SpectralDistance):
        """1 for a recording against itself, less for whatever differs."""

        higher_is_better = None
        behaviour = replace(PROMISES, identity=1.0, gain=None)

        def measure(self, clip, reference):
            return (1 - super().measure(clip, reference)[0],)

    assert not failed(Ratio(), recordings)
    Ratio.behaviour = replace(PROMISES, identity=None, gain=None)
    assert set(failed(Ratio(), recordings)) == {"noise", "low_pass", "smoothing"}  # nothing to be away from


def test_empty_behaviour_promises_only_the_response_to_clips_without_speech(recordings):
    class Shy(SpectralDistance):
        behaviour = Behaviour()

    assert [one.check for one in verdicts(Shy(), recordings)] == ["silence", "white noise"]
    Shy.behaviour = Behaviour(noise=None)
    assert [one.check for one in verdicts(Shy(), recordings)] == ["silence"]
    Shy.behaviour = Behaviour(silence="answered", noise="refused")
    assert set(failed(Shy(), recordings)) == {"silence", "white noise"}


# --- judging, on numbers written by hand


def judged(check, *rows):
    responses = [{("planted", pair): row[index] for index, pair in enumerate(check.pairs)} for row in rows]
    return judge_check(SpectralDistance(), check, responses)


def check_of(name):
    return next(check for check in checks_of(SpectralDistance().info) if check.name == name)


@pytest.mark.parametrize(
    ("grades", "outcome"),
    [
        ((1.0, 2.0, 3.0, 4.0), "ok"),
        ((1.0, 2.0, 1.8, 4.0), "ok"),  # a tenth of 3 is slack
        ((1.0, 2.0, 1.6, 4.0), "FAIL"),
        ((1.0, 1.0, 1.0, 1.0), "FAIL"),
        ((4.0, 3.0, 2.0, 1.0), "FAIL"),
    ],
)
def test_metric_must_get_worse_with_every_grade(grades, outcome):
    assert judged(check_of("noise"), [(value,) for value in grades]).outcome == outcome


def test_grades_are_compared_on_the_recordings_that_have_all_of_them():
    whole = [(1.0,), (2.0,), (3.0,), (4.0,)]
    partly = [(0.0,), (0.0,), (0.0,), Refusal("too noisy")]
    found = judged(check_of("noise"), whole, whole, partly)
    assert (found.outcome, found.recordings, found.measured) == ("ok", 2, "1 2 3 4")
    assert judged(check_of("noise"), whole, partly, partly).outcome == "FAIL"


def test_clips_without_speech_are_all_measured_or_all_refused():
    mixed = [[(1.0,)], [Refusal("no voice")]]
    for expected, alike in (("answered", (1.0,)), ("refused", Refusal("no voice"))):
        check = Check("white noise", ("x",), f"is {expected}", expected=expected)
        assert judged(check, *mixed).outcome == "FAIL"
        assert judged(check, [alike], [alike]).outcome == "ok"
        assert judged(check, [alike], [Refusal("ValueError", "broken")]).outcome == "FAIL"


# --- known offsets of F0


def test_known_values_are_measured():
    """On espeak-ng's speech: ln 1.1 in log-F0 and no gross errors; at a factor of 1.3 all frames are gross errors.

    The pulse trains with known voicing are among them.
    """
    names = {known.metric for known in KNOWN_VALUES} & set(registry.registered("metrics"))
    metrics = {name: build(name) for name in sorted(names)}
    responses = [collect_responses(clip, metrics, []) for clip in espoken()]
    pairs = {known.pair for known in KNOWN_VALUES}
    found = [one for one in judge(metrics, responses) if one.check in pairs]
    assert len(found) == len([known for known in KNOWN_VALUES if known.metric in names])
    assert [one for one in found if one.outcome != "ok"] == []


def espoken():
    """Two short clips by espeak-ng from a new process, because its samples depend on earlier calls."""
    texts = {"delicious vegetables for seven dollars": "en-us+f5", "abandoned locomotives near Switzerland": "en-us"}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        spoken = [speech.samples.astype(np.float32) / 32768 for speech in fresh.map(speak, texts, texts.values())]
    return [Clip(f"spoken-{n}", samples, SAMPLE_RATE) for n, samples in enumerate(spoken)]


# --- recordings


def test_recordings_are_spread_over_the_folder_and_skip_unusable_files(tmp_path):
    for number in range(20):
        path = tmp_path / f"book{number // 10}" / f"r{number:02d}.wav"
        path.parent.mkdir(exist_ok=True)
        samples = speechlike(0.5 if number == 0 else 1.05, 110.0 + number, RATE)
        soundfile.write(path, samples * (number != 3), RATE)
    found, skipped = recordings_of(tmp_path)
    assert [reason.partition(".wav")[0][-3:] for reason in skipped] == ["r00", "r03"]
    assert "silent" in skipped[1]
    assert len(found) == COUNT
    assert [clip.id for clip in found[:3]] == ["book0/r01.wav", "book0/r04.wav", "book0/r06.wav"]
    assert found[-1].id == "book1/r18.wav"
    assert [clip.prompt.id for clip in found[:2]] == ["r02", "r05"]  # nearest, and not the silent one before it
    assert all(clip.phones is None and not clip.text for clip in found)


def test_recordings_come_with_texts_and_alignments(tmp_path):
    corpus = tiny_corpus(tmp_path / "corpus", clips=3)
    (corpus / "TextGrid" / "c01.TextGrid").unlink()
    found = {clip.id: clip for clip in recordings_of(corpus, {"c00": "see no may two", "c01": "law"})[0]}
    assert found["wavs/c00.wav"].text == "see no may two"
    assert found["wavs/c00.wav"].phones[1].label == "S"
    assert found["wavs/c02.wav"].phones and not found["wavs/c02.wav"].text
    transcribed = MetricInfo("m", "M", "-", False, ("a",), "m", "none", frozenset({"transcript", "phones"}))
    assert not missing_information(list(found.values()), transcribed)
    assert "no transcripts" in missing_information([found["wavs/c02.wav"]], transcribed)
    costly = replace(transcribed, needs=frozenset({"cost"}))
    assert "no cost" in missing_information(list(found.values()), costly)


@pytest.mark.parametrize(("rate", "kept"), [(8000, 16000), (48000, 48000)])
def test_recordings_below_16_khz_are_resampled(tmp_path, rate, kept):
    """WORLD's aperiodicity at 8 kHz corrupts the heap: the process would die."""
    soundfile.write(tmp_path / "one.wav", speechlike(1.1, sample_rate=rate), rate)
    (clip,), _ = recordings_of(tmp_path)
    assert clip.sample_rate == kept
    assert clip.duration_s == pytest.approx(1.1, abs=1e-3)
    assert clip.prompt is None
    for kind in GRADES:
        assert np.isfinite(pair(grades(kind)[-1], clip)[0].samples).all()


def test_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a folder"):
        recordings_of(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"holds no \.wav or \.flac"):
        recordings_of(tmp_path)
    soundfile.write(tmp_path / "short.wav", speechlike(0.5), RATE)
    with pytest.raises(ConfigError, match=r"None of the 1 files.*less than 1 s"):
        recordings_of(tmp_path)


def test_embedded_corpus_gives_recordings_with_all_information(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path))
    found = espeak_recordings()
    assert len(found) == COUNT
    assert len({clip.text for clip in found}) == COUNT
    for clip in found:
        assert clip.prompt.speaker == clip.speaker and clip.prompt.text != clip.text
        assert clip.phones[-1].end_s == pytest.approx(clip.duration_s)
        assert clip.attributes["phrases"]


# --- the command


@pytest.fixture
def folder(tmp_path):
    for number, (duration_s, f0) in enumerate([(1.6, 120.0), (1.9, 190.0)]):
        soundfile.write(tmp_path / f"r{number}.wav", speechlike(duration_s, f0, RATE), RATE)
    return tmp_path


def test_command_prints_and_writes_the_outcomes(folder, capsys):
    assert selftest(folder, ["mcd", "log_f0_rmse", "rtf"], folder / "out", workers=1, quiet=True) == 0
    out, err = capsys.readouterr()
    assert "2 recordings in" in out and "promises of 2 metrics hold." in out
    assert "rtf: recordings have no cost of synthesis" in out
    assert "2 of 2" in err
    with (folder / "out" / "selftest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == {"mcd", "log_f0_rmse"}
    assert {row["outcome"] for row in rows} == {"ok"}
    offset = next(row for row in rows if row["metric"] == "log_f0_rmse" and row["check"] == "F0 x 1.1")
    assert float(offset["measured"]) == pytest.approx(0.1, abs=0.019)
    assert all(row["signature"].startswith(row["metric"]) for row in rows)


def test_command_fails_if_a_promise_fails(folder, capsys, monkeypatch):
    monkeypatch.setattr("ttsbench.checks.selftest.run.build", lambda name: Loudness())
    monkeypatch.setattr("ttsbench.checks.selftest.run.measure_all", lambda recordings, *_: [
        collect_responses(clip, {"planted": Loudness()}, []) for clip in recordings])  # fmt: skip
    assert selftest(folder, ["planted"], None, workers=1, quiet=True) == 1
    out = capsys.readouterr().out
    assert "FAIL" in out
    assert "planted, gain: 0 12 12 (promised: moves by at most 0.001 dB; 2 recordings)" in out
    assert "8 of 9 promises of 1 metrics hold." in out


def test_death_of_a_worker_is_reported(recordings, monkeypatch):
    class Dying(ThreadPoolExecutor):
        def __init__(self, *_, **__):
            super().__init__(1)

        def submit(self, *_):
            task = Future()
            task.set_exception(BrokenProcessPool("abruptly"))
            return task

    monkeypatch.setattr("ttsbench.checks.selftest.pool.ProcessPoolExecutor", Dying)
    with pytest.raises(TtsbenchError, match="test metrics one by one"):
        measure_all(recordings, ["mcd"], workers=2, quiet=True)


def test_run_that_tests_nothing_fails(folder, capsys):
    assert selftest(folder, ["rtf"], None, workers=1, quiet=True) == 1
    assert "0 of 0 promises" in capsys.readouterr().out


def test_unknown_metric_gets_a_suggestion():
    with pytest.raises(ConfigError, match="Did you mean 'mcd'"):
        selftest(None, ["mdc"], None, workers=1, quiet=True)


def test_metric_without_its_model_is_skipped_with_the_reason(monkeypatch):
    class Absent(SpectralDistance):
        def require(self):
            raise ConfigError("The weights of model x are not in /models. Put them there.")

    monkeypatch.setattr(registry, "load", lambda kind, name: Absent)
    reason = build("mcd")
    assert reason == "The weights of model x are not in /models"
    assert "Skipped:\n  mcd: The weights of model x are not in /models" in table([], {"mcd": reason})
