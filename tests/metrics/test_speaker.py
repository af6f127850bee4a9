"""Speaker similarity: each encoder against its own package, and the cosine by hand."""

import os
import re

import numpy as np
import pytest
import soundfile
import tinyhub
import torch
from speechlike import speechlike

from metrics.speaker import (
    DVector,
    EcapaSimilarity,
    EcapaSimilarityPrompt,
    SpeakerSimilarity,
    SpeakerSimilarityPrompt,
    WavlmSimilarity,
    WavlmSimilarityPrompt,
)
from ttsbench import Clip, ConfigError, MeasurementError
from ttsbench.backends.speechbrain import read_sizes
from ttsbench.checks.conformance import metric as conformance

RATE = 22050
PAIRS = [
    (SpeakerSimilarity, SpeakerSimilarityPrompt),
    (EcapaSimilarity, EcapaSimilarityPrompt),
    (WavlmSimilarity, WavlmSimilarityPrompt),
]


def clip_of(samples, *, sample_rate=RATE, prompt=None, id_="utt-1"):
    return Clip(id_, np.asarray(samples, np.float32), sample_rate, prompt=prompt)


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Options that point each metric to a tiny model."""
    folder = tmp_path_factory.mktemp("voices")
    tinyhub.save_ecapa(folder / "ecapa")
    tinyhub.save_wavlm(folder / "wavlm", head="xvector")
    ecapa, wavlm = {"model": str(folder / "ecapa")}, {"model": str(folder / "wavlm")}
    return {EcapaSimilarity: ecapa, EcapaSimilarityPrompt: ecapa, WavlmSimilarity: wavlm, WavlmSimilarityPrompt: wavlm}


def test_different_speakers_are_less_similar(speech_data):
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


def test_too_little_speech_is_refused():
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.01
    noise[:4000] = 0.0
    with pytest.raises(MeasurementError, match="s of speech"):
        DVector()(clip_of(noise[:6000], sample_rate=16000))


def test_embedding_keeps_the_number_of_torch_threads(speech):
    before = torch.get_num_threads()
    DVector()(clip_of(speech).at(16000))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("kind", [kind for pair in PAIRS for kind in pair])
def test_each_passes_the_conformance_check(kind, models, monkeypatch):
    name = kind(**models.get(kind, {})).info.name
    monkeypatch.setattr(conformance.registry, "load", lambda *_: lambda: kind(**models.get(kind, {})))
    assert [finding for finding in conformance.check_metric(name) if not finding.ok] == []


@pytest.mark.parametrize(("plain", "prompted"), PAIRS)
def test_prompt_metrics_compare_with_the_prompt(plain, prompted, models, speech):
    to_reference, to_prompt = plain(**models.get(plain, {})), prompted(**models.get(prompted, {}))
    other = speechlike(1.3, f0=190.0, vowel=1.1)
    prompt = clip_of(np.interp(np.arange(0, len(other), 0.5), np.arange(len(other)), other), sample_rate=2 * RATE)
    clip = clip_of(speech, prompt=prompt)
    assert to_prompt.measure(clip.at(16000), clip) == to_reference.measure(clip, prompt)
    assert to_prompt.measure(clip, clip) != to_reference.measure(clip, clip) == (pytest.approx(1.0),)
    assert (to_prompt.info.needs, to_reference.info.needs) == ({"prompt"}, {"reference"})
    assert to_prompt.info.name == f"{to_reference.info.name}_prompt"
    assert to_prompt.info.signature.split("|")[1:] == to_reference.info.signature.split("|")[1:]
    with pytest.raises(MeasurementError, match="'utt-1' has no prompt"):
        to_prompt.measure(clip_of(speech), clip_of(speech))
    with pytest.raises(MeasurementError, match="'quiet' is silent"):
        to_prompt.measure(clip_of(speech, prompt=clip_of(np.zeros(RATE), id_="quiet")), clip)


def test_ecapa_matches_speechbrain(models, speech, tmp_path):
    """Compare with ``EncoderClassifier``, which builds the objects that the file names."""
    from speechbrain.inference.classifiers import EncoderClassifier

    folder = models[EcapaSimilarity]["model"]
    theirs = EncoderClassifier.from_hparams(folder, savedir=tmp_path / "copy", overrides={"pretrained_path": folder})
    clips = [clip_of(samples).at(16000) for samples in (speech, speechlike(1.3, f0=190.0, vowel=1.1))]
    a, b = (theirs.encode_batch(torch.from_numpy(clip.samples)).flatten() for clip in clips)
    expected = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
    assert EcapaSimilarity(**models[EcapaSimilarity]).measure(*clips)[0] == pytest.approx(expected, abs=1e-5)
    assert abs(expected) < 0.9999


def test_wavlm_matches_transformers(models, speech):
    """Compare with the documented use of the model: both clips in one padded batch with a mask."""
    from transformers import AutoFeatureExtractor, WavLMForXVector

    folder = models[WavlmSimilarity]["model"]
    clips = [clip_of(samples[: 16000 * 2]).at(16000) for samples in (speech, speechlike(1.2, f0=190.0, vowel=1.1))]
    extractor, model = AutoFeatureExtractor.from_pretrained(folder), WavLMForXVector.from_pretrained(folder).eval()
    inputs = extractor([clip.samples for clip in clips], sampling_rate=16000, return_tensors="pt", padding=True)
    with torch.no_grad():
        a, b = torch.nn.functional.normalize(model(**inputs).embeddings, dim=-1)
    expected = float(a @ b)
    assert WavlmSimilarity(**models[WavlmSimilarity]).measure(*clips)[0] == pytest.approx(expected, abs=1e-5)
    assert abs(expected) < 0.9999


@pytest.mark.parametrize("kind", [EcapaSimilarity, WavlmSimilarity])
def test_half_a_second_is_needed(kind, models, speech):
    metric = kind(**models[kind])
    long, short = clip_of(speech), clip_of(speech[: int(0.49 * RATE)], id_="short")
    for pair in ((long, short), (short, long)):
        with pytest.raises(MeasurementError, match=r"'short' lasts 0\.49 s, but an embedding needs 0\.5 s"):
            metric.measure(*pair)
    metric.measure(long, clip_of(speech[: int(0.51 * RATE)]))


def test_each_clip_is_embedded_once(models, speech, monkeypatch):
    from metrics import speaker

    calls, real = [], speaker.WavlmXVector.__call__
    monkeypatch.setattr(speaker.WavlmXVector, "__call__", lambda self, clip: calls.append(clip.id) or real(self, clip))
    reference = clip_of(speech, id_="reference")
    for number in range(3):
        WavlmSimilarity(**models[WavlmSimilarity]).measure(clip_of(speech, id_=f"clip-{number}"), reference)
    assert sorted(calls) == ["clip-0", "clip-1", "clip-2", "reference"]


def test_sizes_are_read_without_running_code(tmp_path):
    """A hyperpyyaml file may name any function; we read the sizes and make no call."""
    marker = tmp_path / "ran"
    path = tmp_path / "hyperparams.yaml"
    path.write_text(tinyhub.ECAPA + f'trap: !apply:pathlib.Path.touch [!apply:pathlib.Path ["{marker}"]]\n')
    sizes = read_sizes(path)
    assert sizes["compute_features"] == {"n_mels": 20}
    assert sizes["embedding_model"]["input_size"] == 20
    assert sizes["embedding_model"]["channels"] == [16, 16, 16, 16, 48]
    assert not marker.exists()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("attention_channels: 8", "attention_channels: 16", "size mismatch|Error"),
        ("lin_neurons: 12", "neurons: 12", "TypeError"),
        ("embedding_model: !new", "other_model: !new", "KeyError"),
        ("n_mels: 20", "n_mels: [", "Error"),
    ],
)
def test_invalid_ecapa_files_are_refused(old, new, reason, tmp_path, speech):
    tinyhub.save_ecapa(tmp_path / "broken")
    path = tmp_path / "broken" / "hyperparams.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"is not a SpeechBrain ECAPA-TDNN.*({reason})") as caught:
        EcapaSimilarity(model=str(tmp_path / "broken")).measure(clip_of(speech), clip_of(speech))
    assert "speaker_similarity works without it" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", "pickle"])
def test_an_invalid_checkpoint_is_refused_and_not_executed(content, tmp_path, speech):
    tinyhub.save_ecapa(tmp_path / "broken")
    path, marker = tmp_path / "broken" / "embedding_model.ckpt", tmp_path / "ran"
    if content == "pickle":
        torch.save({"weight": Touch(str(marker))}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"is not a SpeechBrain ECAPA-TDNN \("):
        EcapaSimilarity(model=str(tmp_path / "broken")).measure(clip_of(speech), clip_of(speech))
    assert not marker.exists()


class Touch:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_signatures_name_the_encoder(models):
    assert SpeakerSimilarity().info.signature == (
        "speaker_similarity|resemblyzer|16kHz|level:-30dBFS|vad:webrtc3|mean:utterances|v2"
    )
    for kind, encoder in ((EcapaSimilarity, "ecapa"), (WavlmSimilarity, "wavlm")):
        pattern = rf"speaker_similarity_{encoder}\|{encoder}@[0-9a-f]{{8}}\|16kHz\|vad:none\|mean:utterances\|v1"
        assert re.fullmatch(pattern, kind(**models[kind]).info.signature)
