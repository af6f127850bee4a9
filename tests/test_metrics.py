"""Every registered metric against one contract, then each against what is known of it."""

import importlib
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import pyworld
import soundfile
from speechlike import speechlike

from metrics import pitch as pitch_metrics
from metrics.cost import FunctionEvaluations, RealTimeFactor
from metrics.intelligibility import CharacterErrorRate, WordErrorRate, edits
from metrics.mcd import MelCepstralDistortion
from metrics.pitch import F0FrameError, GrossPitchError, LogF0Rmse, VoicingDecisionError
from metrics.speaker import SpeakerSimilarity, embed
from ttsbench import Clip, ConfigError, Cost, MeasurementError, Metric
from ttsbench.audio.pitch import world_f0
from ttsbench.audio.world import AlignedPair, WorldAnalysis, analyse

RATE = 22050
TEXT = "Mr. Smith paid 5 pounds"
COST = Cost(sampling_s=0.4, vocoder_s=0.2, audio_s=1.2, nfe=8, parameters=1_000_000)
ENTRY_POINTS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["entry-points"]
REGISTERED = ENTRY_POINTS["ttsbench.metrics"] | {
    "gpe": "metrics.pitch:GrossPitchError",
    "vde": "metrics.pitch:VoicingDecisionError",
}
IDENTITY = {
    "mcd": 0.0,
    "ffe": 0.0,
    "gpe": 0.0,
    "vde": 0.0,
    "log_f0_rmse": 0.0,
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


@pytest.fixture(params=sorted(REGISTERED))
def metric(request):
    return make(request.param)


def test_info_says_what_the_tables_print(metric, request):
    info = metric.info
    assert isinstance(metric, Metric)
    assert REGISTERED[info.name].endswith(f":{type(metric).__name__}")
    assert info.title and info.unit and info.paper and info.columns
    assert info.signature.split("|")[0] == info.name
    assert info.needs <= {"reference", "transcript", "cost"}
    assert info.higher_is_better in (True, False, None)
    assert " " not in info.signature


def test_a_clip_against_itself(metric, speech):
    rows = np.array([metric.measure(clip_of(speech), clip_of(speech))])
    assert rows.shape == (1, len(metric.info.columns))
    assert metric.reduce(rows) == pytest.approx(IDENTITY[metric.info.name], abs=1e-6)


def test_measuring_again_gives_the_same_to_the_last_bit(metric, speech):
    other = speechlike(1.3, f0=150.0, vowel=1.1)
    first = metric.measure(clip_of(other, transcript="mister smith paid"), clip_of(speech))
    again = metric.measure(clip_of(other, transcript="mister smith paid"), clip_of(speech))
    assert first == again
    assert all(isinstance(value, float) and math.isfinite(value) for value in first)


def test_reduce_takes_any_multiset_in_any_order(metric):
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
def test_no_number_for_a_clip_that_holds_nothing(metric, samples, speech):
    with pytest.raises(MeasurementError, match="'utt-1'"):
        metric.measure(clip_of(samples), clip_of(speech))
    if "reference" in metric.info.needs:
        with pytest.raises(MeasurementError, match="'utt-1'"):
            metric.measure(clip_of(speech), clip_of(samples))


def test_what_a_metric_needs_is_missed(metric, speech):
    bare = clip_of(speech, transcript=None, cost=None)
    if metric.info.needs & {"transcript", "cost"}:
        with pytest.raises(MeasurementError, match=r"'utt-1'.*(transcript|cost)"):
            metric.measure(bare, bare)
    else:
        metric.measure(bare, bare)


# --- mel-cepstral distortion


def test_mcd_is_the_textbook_sum_along_librosas_path(speech):
    """Without any of the metric's own code after the analysis."""
    librosa = pytest.importorskip("librosa")
    a, b = speechlike(1.3, f0=150.0, vowel=1.1), speech
    x, y = (analyse(clip_of(one).at(16_000)).mcep[:, 1:] for one in (a, b))
    _, path = librosa.sequence.dtw(x.T, y.T, metric="euclidean", step_sizes_sigma=np.array([[1, 1], [1, 0], [0, 1]]))
    each = [10 / math.log(10) * math.sqrt(2 * sum((p - q) ** 2 for p, q in zip(x[i], y[j], strict=True)))
            for i, j in path]  # fmt: skip
    assert MelCepstralDistortion().measure(clip_of(a), clip_of(b))[0] == pytest.approx(np.mean(each), abs=1e-9)


def test_mcd_ignores_level_and_hears_vowels(speech):
    mcd = MelCepstralDistortion()
    same_but_quiet = mcd.measure(clip_of(speech * 0.1), clip_of(speech))[0]
    little, much = (mcd.measure(clip_of(speechlike(vowel=v)), clip_of(speech))[0] for v in (1.03, 1.2))
    assert same_but_quiet < 0.01
    assert same_but_quiet < little < much


def test_mcd_is_signed():
    assert MelCepstralDistortion().info.signature == (
        "mcd|world|16kHz|order:24|alpha:0.42|5ms|c0:no|dtw:exact|mean:utterances|v1"
    )
    assert "align:none" in MelCepstralDistortion(align="none").info.signature
    with pytest.raises(ConfigError, match="'dwt'"):
        MelCepstralDistortion(align="dwt")


# --- pitch


@pytest.fixture
def contours(monkeypatch):
    """Puts hand-written F0 contours in the place of the analysis."""

    def put(f0, reference):
        pair = AlignedPair(*(WorldAnalysis(np.array(c, float), np.zeros((len(c), 25))) for c in (f0, reference)))
        monkeypatch.setattr(pitch_metrics, "aligned", lambda *_: pair)

    return put


def test_pitch_errors_by_hand(contours):
    #          ok   low  high edge  lost  made  both unvoiced
    contours([100, 79.9, 121, 120, 0, 100, 0, 0], [100, 100, 100, 100, 100, 0, 0, 0])
    clip = clip_of(np.ones(1))
    assert F0FrameError().measure(clip, clip) == (4.0, 8.0)
    assert GrossPitchError().measure(clip, clip) == (2.0, 4.0)
    assert VoicingDecisionError().measure(clip, clip) == (2.0, 8.0)
    squared, frames = LogF0Rmse().measure(clip, clip)
    assert frames == 4
    assert squared == pytest.approx(math.log(0.799) ** 2 + math.log(1.21) ** 2 + math.log(1.2) ** 2)


def test_pitch_rates_are_ratios_of_sums():
    rows = np.array([[1.0, 2.0], [0.0, 8.0]])
    assert F0FrameError().reduce(rows) == pytest.approx(0.1)
    assert LogF0Rmse().reduce(rows) == pytest.approx(math.sqrt(0.1))


def test_no_pitch_in_common_is_no_measurement(contours):
    clip = clip_of(np.ones(1))
    contours([0, 100, 0], [100, 0, 0])
    for metric in (LogF0Rmse(), GrossPitchError()):
        with pytest.raises(MeasurementError, match="no frame is voiced in both"):
            metric.measure(clip, clip)
    assert F0FrameError().measure(clip, clip) == (2.0, 3.0)
    contours([0, 100, 0], [0, 0, 0])
    for metric in (F0FrameError(), VoicingDecisionError(), LogF0Rmse(), GrossPitchError()):
        with pytest.raises(MeasurementError, match="no voiced frame"):
            metric.measure(clip, clip)


@pytest.mark.parametrize("align", ["dtw", "none"])
def test_a_planted_pitch_offset_is_found(align, speech):
    higher = clip_of(speechlike(1.2, f0=140 * 1.06))
    squared = np.array([LogF0Rmse(align=align).measure(higher, clip_of(speech))])
    assert LogF0Rmse().reduce(squared) == pytest.approx(math.log(1.06), abs=0.012)
    gross = GrossPitchError(align=align)
    assert gross.reduce(np.array([gross.measure(clip_of(speechlike(1.2, f0=140 * 1.4)), clip_of(speech))])) > 0.9


def test_a_pitch_offset_in_real_speech_is_measured(speech_data):
    rows = []
    for path in sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[1:4]:
        samples, rate = soundfile.read(path, dtype="float32")
        same, higher = (clip_of(vocoded(samples, rate, factor), sample_rate=rate) for factor in (1.0, 1.06))
        rows.append(LogF0Rmse().measure(higher, same))
        assert F0FrameError().reduce(np.array([F0FrameError().measure(higher, same)])) < 0.12
    assert LogF0Rmse().reduce(np.array(rows)) == pytest.approx(math.log(1.06), abs=0.012)


def vocoded(samples, rate, factor):
    """The clip through WORLD with its F0 multiplied."""
    x, f0 = samples.astype(np.float64), world_f0(samples, rate)
    times = np.arange(len(f0)) * 0.005
    return pyworld.synthesize(
        f0 * factor, pyworld.cheaptrick(x, f0, times, rate), pyworld.d4c(x, f0, times, rate), rate
    )


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
    texts, heard = ([" ".join(rng.choice(vocabulary, rng.integers(1, 12))) for _ in range(40)] for _ in range(2))
    clips = [clip_of(np.ones(RATE), text=text, transcript=said) for text, said in zip(texts, heard, strict=True)]
    for metric, judge in ((WordErrorRate(), jiwer.wer), (CharacterErrorRate(), jiwer.cer)):
        rows = np.array([metric.measure(clip, clip) for clip in clips])
        assert metric.reduce(rows) == pytest.approx(judge(texts, heard), abs=1e-12)


def test_spelling_is_no_error_and_a_lost_sentence_is_all_of_it():
    said = clip_of(np.ones(RATE), text="Mr. Smith paid 5 pounds.", transcript="mister smith paid five pounds")
    assert WordErrorRate().measure(said, said) == (0.0, 5.0)
    lost = clip_of(np.ones(RATE), transcript="")
    assert WordErrorRate().measure(lost, lost) == (5.0, 5.0)
    wordless = clip_of(np.ones(RATE), text="...")
    with pytest.raises(MeasurementError, match="holds no word"):
        WordErrorRate().measure(wordless, wordless)


# --- speaker and cost


def test_another_speaker_is_less_similar(speech_data):
    speakers = [path for path in sorted(speech_data.glob("librispeech-3spk/train-clean-100/*")) if path.is_dir()]
    similarity, clips = SpeakerSimilarity(), {}
    for speaker in speakers:
        for path in sorted(speaker.glob("*/*.flac"))[:3]:
            samples, rate = soundfile.read(path, dtype="float32", stop=16000 * 6)
            clips.setdefault(speaker.name, []).append(clip_of(samples, sample_rate=rate))
    names = list(clips)
    same = [similarity.measure(clips[n][i], clips[n][j])[0] for n in names for i, j in ((0, 1), (1, 2))]
    other = [similarity.measure(clips[n][0], clips[m][1])[0] for n in names for m in names if m != n]
    assert np.mean(same) > np.mean(other) + 0.1
    assert min(same) > max(other)


def test_too_little_speech_has_no_voice():
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.01
    noise[:4000] = 0.0
    with pytest.raises(MeasurementError, match="s of speech"):
        embed(clip_of(noise[:6000], sample_rate=16000))


def test_embedding_leaves_torch_threads_alone(speech):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    embed(clip_of(speech).at(16000))
    assert torch.get_num_threads() == before


def test_cost_by_hand(speech):
    rows = np.array([[1.0, 10.0], [1.0, 2.0]])
    assert RealTimeFactor().reduce(rows) == pytest.approx(2 / 12)
    assert FunctionEvaluations().measure(clip_of(speech), clip_of(speech)) == (8.0,)
    for broken in (Cost(0.1, 0.1, 0.0, 1, 1), Cost(float("nan"), 0.1, 1.0, 1, 1)):
        with pytest.raises(MeasurementError, match="synthesize it again"):
            RealTimeFactor().measure(clip_of(speech, cost=broken), clip_of(speech))
