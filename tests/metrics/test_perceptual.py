"""Opinion scores against the packages that predict them, and SpeechBERTScore against plain loops."""

import importlib.machinery
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tinyhub
import torch
from speechlike import speechlike

from metrics import perceptual
from metrics.perceptual import (
    BACKBONES,
    Dnsmos,
    DnsmosBackground,
    DnsmosP808,
    DnsmosSignal,
    Utmosv2,
    VersaDnsmos,
    VersaDnsmosP808,
    dnsmos_scores,
)
from metrics.speechbertscore import SpeechBertF1, SpeechBertPrecision, SpeechBertRecall, precision_recall
from ttsbench import Clip, ConfigError, MeasurementError
from ttsbench.checks.conformance import metric as conformance
from ttsbench.checks.global_rng import used_generators

RATE = 16000
FOUR = {"ovrl_mos": Dnsmos, "sig_mos": DnsmosSignal, "bak_mos": DnsmosBackground, "p808_mos": DnsmosP808}
SCORES = (SpeechBertPrecision, SpeechBertRecall, SpeechBertF1)


def clip_of(samples, sample_rate=RATE, id_="utt-1"):
    return Clip(id_, np.asarray(samples, np.float32), sample_rate)


# --- DNSMOS


@pytest.mark.parametrize("seconds", [1.2, 5.0, 9.05, 12.3])
def test_dnsmos_matches_the_package(seconds):
    """Short clips, clips about as long as a window, and several windows."""
    from speechmos import dnsmos

    samples = np.resize(speechlike(3.0), int(seconds * RATE)).astype(np.float32)
    expected, clip = dnsmos.run(samples, RATE), clip_of(samples)
    for score, kind in FOUR.items():
        assert kind().measure(clip, clip)[0] == pytest.approx(expected[score], abs=1e-5)
    assert len({round(value, 3) for value in expected.values()}) == 4


def test_dnsmos_analyses_once_and_on_one_thread(monkeypatch):
    calls, scorer = [], perceptual.dnsmos()
    for session in (scorer.onnx_sess, scorer.p808_onnx_sess):
        assert session.get_session_options().intra_op_num_threads == 1
    assert perceptual.dnsmos() is scorer
    monkeypatch.setattr(perceptual, "dnsmos", lambda: lambda *args: calls.append(args) or scorer(*args))
    clip = clip_of(speechlike(1.2), 22050)
    values = [kind().measure(clip, clip)[0] for kind in FOUR.values()]
    assert len(calls) == 1 and calls[0][1:] == (RATE, False)
    assert all(isinstance(value, float) and 1 < value < 5 for value in values)


def test_dnsmos_scales_down_clips_above_full_scale():
    from speechmos import dnsmos

    loud = speechlike(1.0)
    loud = 1.2 * loud / np.abs(loud).max()
    with pytest.raises(ValueError, match="between -1 and 1"):
        dnsmos.run(loud, RATE)
    assert dnsmos_scores(clip_of(loud)) == dnsmos_scores(clip_of(loud / np.abs(loud).max()))


def test_versas_dnsmos_is_that_of_the_clip_at_full_scale():
    from speechmos import dnsmos

    samples = (0.05 * speechlike(1.2, sample_rate=RATE)).astype(np.float32)
    printed = dnsmos.run(samples / np.max(np.abs(samples)), RATE)  # as in VERSA's pseudo_mos.py
    for metric, score in ((VersaDnsmos(), "ovrl_mos"), (VersaDnsmosP808(), "p808_mos")):
        measured = metric.measure(clip_of(samples), clip_of(samples))
        assert measured == (pytest.approx(printed[score], abs=1e-6),)
        assert metric.measure(clip_of(0.5 * samples), clip_of(samples)) == pytest.approx(measured, abs=1e-4)
        assert (
            metric.info.signature.startswith(f"{metric.info.name}|speechmos:") and "|peak:1|" in metric.info.signature
        )
    assert Dnsmos().measure(clip_of(samples), clip_of(samples))[0] != pytest.approx(printed["ovrl_mos"], abs=0.02)


def test_dnsmos_drops_with_noise(speech_data):
    path = sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[2]
    samples, rate = soundfile.read(path, dtype="float32", stop=int(9.1 * 22050))
    level = samples.std() * np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    clips = [clip_of(samples + gain * level, rate) for gain in (0.0, 0.1, 1.0)]
    for kind in (Dnsmos, DnsmosBackground, DnsmosP808):
        clean, noisy, very_noisy = (kind().measure(clip, clip)[0] for clip in clips)
        assert clean > noisy + 0.1 > very_noisy + 0.2


# --- UTMOSv2: the package's public functions, as they are in its version 1.3


class Utmosv2Package(types.ModuleType):
    """``create_model`` and ``predict`` of the package: random crops from the global generators, a print, no network."""

    def __init__(self):
        super().__init__("utmosv2")
        self.__spec__ = importlib.machinery.ModuleSpec("utmosv2", None)
        self.created, self.predicted = [], []

    def create_model(
        self, pretrained=True, config="fusion_stage3", fold=0, checkpoint_path=None, seed=42, device="auto"
    ):
        from huggingface_hub import is_offline_mode

        assert Path(checkpoint_path).is_file() and is_offline_mode()
        torch.rand(3)
        print(f"Loaded checkpoint from {checkpoint_path}")
        self.created.append((pretrained, config, fold, Path(checkpoint_path).name, str(device)))
        return types.SimpleNamespace(predict=lambda **given: self.predict(fold, **given))

    def predict(self, fold, *, data=None, sr=16000, input_path=None, input_dir=None, val_list=None, val_list_path=None,
                predict_dataset="sarulab", device="cuda:0", num_workers=0, batch_size=16, num_repetitions=1,
                remove_silent_section=True, verbose=True):  # fmt: skip
        assert isinstance(data, np.ndarray) and data.ndim == 1 and sr == RATE
        assert (device, num_workers, remove_silent_section, verbose) == ("cpu", 0, False, False)
        torch.empty((), dtype=torch.int64).random_()  # a DataLoader draws its seed
        self.predicted.append((fold, predict_dataset, num_repetitions))
        starts = [np.random.randint(0, len(data) - 1000) for _ in range(num_repetitions)]  # noqa: NPY002 (as it does)
        return np.array([3 + fold + np.mean([np.abs(data[start : start + 1000]).mean() for start in starts])])


@pytest.fixture
def package(monkeypatch, tmp_path):
    """Install a stand-in for the package, its weights and its backbones."""
    module = Utmosv2Package()
    monkeypatch.setitem(sys.modules, "utmosv2", module)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    weights = tmp_path / "weights"
    weights.mkdir()
    for fold in range(5):
        (weights / f"fold{fold}_s42_best_model.pth").write_bytes(b"")
    tinyhub.publish(weights, tmp_path / "hub", "sarulab-speech/UTMOSv2")
    tinyhub.save_wavlm(tmp_path / "backbone")
    for backbone in BACKBONES:
        tinyhub.publish(tmp_path / "backbone", tmp_path / "hub", backbone.name)
    perceptual.load_utmosv2.cache_clear()
    yield module
    perceptual.load_utmosv2.cache_clear()


def test_utmosv2_is_repeatable_and_restores_the_generators(package, capsys):
    metric, clip = Utmosv2(), clip_of(speechlike(1.5))
    values = []
    assert used_generators(lambda: values.append(metric.measure(clip, clip)[0])) == []
    np.random.rand(7)  # noqa: NPY002 (any other use of the generator)
    values.append(metric.measure(clip_of(clip.samples), clip)[0])
    assert values[0] == values[1]
    assert Utmosv2(seed=1).measure(clip_of(clip.samples), clip)[0] != values[0]
    assert package.created == [(True, "fusion_stage3", 0, "fold0_s42_best_model.pth", "cpu")], "once per process"
    assert set(package.predicted) == {(0, "sarulab", 5)}
    assert capsys.readouterr().out == ""


def test_utmosv2_averages_the_folds_it_declares(package):
    clip = clip_of(speechlike(1.5))
    several = Utmosv2(folds=[3, 1], crops=2, domain="somos")
    value = several.measure(clip, clip)[0]
    assert package.predicted == [(1, "somos", 2), (3, "somos", 2)]
    assert value == pytest.approx(5 + np.abs(clip.samples).mean(), abs=0.1)
    assert several.info.signature == (
        f"utmosv2|sarulab-speech/UTMOSv2@{tinyhub.COMMIT[:8]}|folds:1+3|crops:2|silence:kept|domain:somos|seed:0|16kHz"
        "|mean:utterances|v1"
    )


def test_utmosv2_passes_the_conformance_check(package):
    assert [finding for finding in conformance.check_metric("utmosv2") if not finding.ok] == []


def test_utmosv2_names_what_is_missing(package, monkeypatch, tmp_path):
    Utmosv2(folds=range(5)).require()
    hub = tmp_path / "hub"
    for name, pattern in (
        (BACKBONES[1].name, rf"'{BACKBONES[1].name}' is not in .*hf download {BACKBONES[1].name}'; dnsmos works"),
        ("sarulab-speech/UTMOSv2", "'sarulab-speech/UTMOSv2' is not in .*or give its folder as 'model'; dnsmos works"),
    ):
        (hub / f"models--{name.replace('/', '--')}").rename(hub / "gone")
        with pytest.raises(ConfigError, match=pattern):
            Utmosv2().require()
        (hub / "gone").rename(hub / f"models--{name.replace('/', '--')}")
    next(hub.rglob("fold4_s42_best_model.pth")).unlink()
    Utmosv2(folds=[3]).require()
    with pytest.raises(ConfigError, match="lacks fold4_s42_best_model"):
        Utmosv2(folds=[4]).require()
    monkeypatch.delitem(sys.modules, "utmosv2")
    if importlib.util.find_spec("utmosv2") is None:
        clip = clip_of(speechlike(1.0))
        for call in (Utmosv2().require, lambda: Utmosv2().measure(clip, clip)):
            with pytest.raises(ConfigError, match=r"not installed.*run 'pip install git.*dnsmos works without it"):
                call()
        with pytest.raises(MeasurementError, match="is silent"):
            Utmosv2().measure(clip_of(np.zeros(RATE)), clip)


@pytest.mark.parametrize("options", [{"folds": []}, {"folds": [5]}, {"crops": 0}, {"domain": "news"}, {"device": "x"}])
def test_utmosv2_refuses_invalid_options(options):
    with pytest.raises(ConfigError):
        Utmosv2(**options)


# --- SpeechBERTScore


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "wavlm"
    tinyhub.save_wavlm(folder)
    return {"model": str(folder), "layer": 2}


def test_matching_by_hand():
    """Two sounds of the clip, three of the reference, in two dimensions: angles of 0, 60 and 90 degrees."""
    half = math.sqrt(3) / 2
    x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.5, half], [-1.0, 0.0]])
    precision, recall = precision_recall(x, y)
    assert precision == pytest.approx((1 + half) / 2)
    assert recall == pytest.approx((1 + half + 0) / 3)


def test_scores_match_plain_loops_over_transformers(wavlm):
    from transformers import AutoFeatureExtractor, WavLMModel

    clip, reference = clip_of(speechlike(1.0)), clip_of(speechlike(1.4, f0=190.0, vowel=1.2))
    model, extractor = (kind.from_pretrained(wavlm["model"]) for kind in (WavLMModel, AutoFeatureExtractor))
    states = []
    for side in (clip, reference):
        inputs = extractor(side.samples, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            states.append(model.eval()(**inputs, output_hidden_states=True).hidden_states[2][0].double().tolist())

    def cosine(a, b):
        return sum(p * q for p, q in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    x, y = states
    precision = sum(max(cosine(a, b) for b in y) for a in x) / len(x)
    recall = sum(max(cosine(a, b) for a in x) for b in y) / len(y)
    expected = (precision, recall, 2 * precision * recall / (precision + recall))
    for kind, value in zip(SCORES, expected, strict=True):
        assert kind(**wavlm).measure(clip, reference)[0] == pytest.approx(value, abs=1e-5)
    assert len({round(value, 4) for value in expected}) == 3 and all(value < 0.9999 for value in expected)


@pytest.mark.parametrize("kind", SCORES)
def test_speechbertscores_pass_the_conformance_check(kind, wavlm, monkeypatch):
    monkeypatch.setattr(conformance.registry, "load", lambda *_: lambda: kind(**wavlm))
    assert [finding for finding in conformance.check_metric(kind().info.name) if not finding.ok] == []


def test_a_recording_matches_itself_at_any_level(wavlm):
    clip, quiet = clip_of(speechlike(1.0)), clip_of(0.1 * speechlike(1.0))
    for kind in SCORES:
        assert kind(**wavlm).measure(clip, clip)[0] == pytest.approx(1.0, abs=1e-12)
        assert kind(**wavlm).measure(quiet, clip)[0] == pytest.approx(1.0, abs=1e-3)


def test_missing_sounds_lower_recall(wavlm):
    whole = speechlike(2.0)
    half = clip_of(whole[: len(whole) // 2])
    precision, recall = (kind(**wavlm).measure(half, clip_of(whole))[0] for kind in SCORES[:2])
    assert precision > recall
    assert SpeechBertRecall(**wavlm).measure(clip_of(whole), half)[0] == pytest.approx(precision)


def test_layers_are_declared_and_checked(wavlm):
    model = wavlm["model"]
    assert SpeechBertF1().info.signature == "speechbertscore_f1|microsoft/wavlm-large@absent|layer:14|16kHz" + (
        "|mean:utterances|v1"
    )
    clip, other = clip_of(speechlike(1.0)), clip_of(speechlike(1.0, f0=190.0))
    values = {SpeechBertF1(model=model, layer=layer).measure(clip, other)[0] for layer in range(4)}
    assert len(values) == 4
    with pytest.raises(ConfigError, match="has layers 0 to 3, but layer is 4"):
        SpeechBertF1(model=model, layer=4).require()
    for layer in (-1, 1.5, "last"):
        with pytest.raises(ConfigError, match="layer is"):
            SpeechBertF1(model=model, layer=layer)


def test_clips_without_common_sounds_are_refused(wavlm, monkeypatch):
    metric = SpeechBertF1(**wavlm)
    monkeypatch.setattr(metric, "_precision_recall", lambda *_: (-0.1, 0.1))
    with pytest.raises(MeasurementError, match="no sounds in common"):
        metric.measure(clip_of(np.ones(RATE)), clip_of(np.ones(RATE)))
