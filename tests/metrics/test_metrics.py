"""The contract of every registered metric, then intelligibility and cost."""

import importlib
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from speechlike import speechlike

from metrics.cost import FunctionEvaluations, RealTimeFactor
from metrics.intelligibility import CharacterErrorRate, WordErrorRate, edits
from ttsbench import Clip, Cost, MeasurementError, Metric

RATE = 22050
TEXT = "Mr. Smith paid 5 pounds"
COST = Cost(sampling_s=0.4, vocoder_s=0.2, audio_s=1.2, nfe=8, parameters=1_000_000)
ENTRY_POINTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["entry-points"]
REGISTERED = ENTRY_POINTS["ttsbench.metrics"]
IDENTITY = {
    **dict.fromkeys(("mcd", "mcd_plain", "ffe", "ffe_plain", "gpe", "gpe_plain", "vde", "vde_plain"), 0.0),
    **dict.fromkeys(("log_f0_rmse", "log_f0_rmse_plain"), 0.0),
    **dict.fromkeys(("f0_correlation", "f0_correlation_plain"), 1.0),
    "wer": 0.0,
    "cer": 0.0,
    "speaker_similarity": 1.0,
    "rtf": 0.5,
    "nfe": 8.0,
    "params": 1e6,
}


def make(name):
    module, _, attribute = REGISTERED[name].partition(":")
    return getattr(importlib.import_module(module), attribute)()


def clip_of(samples, *, transcript=TEXT, cost=COST, sample_rate=RATE, text=TEXT):
    return Clip("utt-1", np.asarray(samples, np.float32), sample_rate, text, "someone", transcript, cost)


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


@pytest.fixture(params=sorted(IDENTITY))
def metric(request):
    return make(request.param)


def test_info_is_complete(metric, request):
    info = metric.info
    assert isinstance(metric, Metric)
    assert REGISTERED[info.name].endswith(f":{type(metric).__name__}")
    assert info.title and info.unit and info.paper and info.columns
    assert info.signature.split("|")[0] == info.name
    assert info.needs <= {"reference", "transcript", "cost"}
    assert " " not in info.signature


def test_identical_clips_give_the_ideal_value(metric, speech):
    rows = np.array([metric.measure(clip_of(speech), clip_of(speech))])
    assert rows.shape == (1, len(metric.info.columns))
    assert metric.reduce(rows) == pytest.approx(IDENTITY[metric.info.name], abs=1e-6)


def test_measure_is_deterministic(metric, speech):
    other = speechlike(1.3, f0=150.0, vowel=1.1)
    first = metric.measure(clip_of(other, transcript="mister smith paid"), clip_of(speech))
    again = metric.measure(clip_of(other, transcript="mister smith paid"), clip_of(speech))
    assert first == again
    assert all(isinstance(value, float) and math.isfinite(value) for value in first)


def test_reduce_accepts_any_multiset_in_any_order(metric):
    rows = np.random.default_rng(0).uniform(1, 2, size=(20, len(metric.info.columns)))
    value = metric.reduce(rows)
    assert isinstance(value, float)
    assert metric.reduce(rows[::-1]) == pytest.approx(value)
    assert metric.reduce(np.concatenate([rows, rows])) == pytest.approx(value)
    assert metric.reduce(np.repeat(rows[:1], 3, axis=0)) == pytest.approx(metric.reduce(rows[:1]))
    assert rows[:, 0].min() != pytest.approx(value), "reduce looks at one row only"


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(RATE), np.full(RATE, np.nan), np.full(20, 0.5), np.r_[np.inf, np.ones(RATE)]],
    ids=["empty", "silent", "nan", "20 samples", "inf"],
)
def test_unusable_clips_are_refused(metric, samples, speech):
    with pytest.raises(MeasurementError, match="'utt-1'"):
        metric.measure(clip_of(samples), clip_of(speech))
    if "reference" in metric.info.needs:
        with pytest.raises(MeasurementError, match="'utt-1'"):
            metric.measure(clip_of(speech), clip_of(samples))


def test_missing_inputs_are_refused(metric, speech):
    bare = clip_of(speech, transcript=None, cost=None)
    if metric.info.needs & {"transcript", "cost"}:
        with pytest.raises(MeasurementError, match=r"'utt-1'.*(transcript|cost)"):
            metric.measure(bare, bare)
    else:
        metric.measure(bare, bare)


# --- intelligibility


def test_edits_by_hand():
    assert edits("kitten", "sitting") == 3
    assert edits(["a", "b"], []) == 2
    assert edits([], ["a"]) == 1
    assert edits([], []) == 0


def test_error_rates_agree_with_jiwer():
    jiwer = pytest.importorskip("jiwer")
    rng = np.random.default_rng(0)
    vocabulary = ["north", "wind", "sun", "was", "the", "stronger", "cloak"]
    texts, transcripts = ([" ".join(rng.choice(vocabulary, rng.integers(1, 12))) for _ in range(40)] for _ in range(2))
    clips = [
        clip_of(np.ones(RATE), text=text, transcript=transcript)
        for text, transcript in zip(texts, transcripts, strict=True)
    ]
    for metric, rate in ((WordErrorRate(), jiwer.wer), (CharacterErrorRate(), jiwer.cer)):
        rows = np.array([metric.measure(clip, clip) for clip in clips])
        assert metric.reduce(rows) == pytest.approx(rate(texts, transcripts), abs=1e-12)


def test_spelling_is_normalised_and_an_empty_transcript_loses_every_word():
    spelled = clip_of(np.ones(RATE), text="Mr. Smith paid 5 pounds.", transcript="mister smith paid five pounds")
    assert WordErrorRate().measure(spelled, spelled) == (0.0, 5.0, 0.0, 0.0, 0.0)
    lost = clip_of(np.ones(RATE), transcript="")
    assert WordErrorRate().measure(lost, lost) == (5.0, 5.0, 0.0, 5.0, 0.0)
    wordless = clip_of(np.ones(RATE), text="...")
    with pytest.raises(MeasurementError, match="has no words"):
        WordErrorRate().measure(wordless, wordless)


# --- cost


def test_cost_by_hand(speech):
    rows = np.array([[1.0, 10.0], [1.0, 2.0]])
    assert RealTimeFactor().reduce(rows) == pytest.approx(2 / 12)
    assert FunctionEvaluations().measure(clip_of(speech), clip_of(speech)) == (8.0,)
    for broken in (Cost(0.1, 0.1, 0.0, 1, 1), Cost(float("nan"), 0.1, 1.0, 1, 1)):
        with pytest.raises(MeasurementError, match="synthesize it again"):
            RealTimeFactor().measure(clip_of(speech, cost=broken), clip_of(speech))
