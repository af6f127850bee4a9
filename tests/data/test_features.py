"""Features: durations that fill the clip, phone means, the mel against librosa, the cache by content."""

import errno
import json
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from speechlike import speechlike
from tinycorpus import TINY, prepared, tiny_corpus

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.config.schema import MelConfig
from ttsbench.data.corpus import PreparedCorpus, normalisation
from ttsbench.data.features import (
    Features,
    extract,
    feature_path,
    frame_durations,
    load_features,
    phone_means,
    save_features,
)
from ttsbench.errors import ClipError, TtsbenchError
from ttsbench.stages import prepare
from ttsbench.types import Phone, Utterance

MEL = MelConfig()
HOP_S = MEL.hop_length / MEL.sample_rate


def phones_of(ends):
    return [Phone(str(i), start, end) for i, (start, end) in enumerate(zip([0.0, *ends[:-1]], ends, strict=True))]


# Durations


@pytest.mark.parametrize("seed", range(200))
def test_durations_fill_the_clip_with_at_least_one_frame_per_phone(seed):
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(1, 120))
    count = int(rng.integers(1, frames + 1))
    scale = frames * HOP_S * rng.choice([0.2, 0.9, 1.0, 1.3])  # alignments end before and after their clip
    ends = np.sort(rng.uniform(0, scale, count)) if seed % 3 else np.full(count, scale)
    found = frame_durations(phones_of(ends.tolist()), frames, MEL)
    assert found.shape == (count,)
    assert found.sum() == frames
    assert found.min() >= 1
    assert found.dtype == np.int64


@pytest.mark.parametrize("seed", range(20))
def test_boundaries_are_rounded_to_the_nearest_frame(seed):
    rng = np.random.default_rng(seed)
    durations_s = rng.uniform(2, 12, 9) * HOP_S
    ends = np.cumsum(durations_s)
    frames = round(ends[-1] / HOP_S)
    found = np.cumsum(frame_durations(phones_of(ends.tolist()), frames, MEL))
    assert np.abs(found - ends / HOP_S).max() <= 0.5 + 1e-6


def test_durations_of_a_worked_example():
    ends = [1.2 * HOP_S, 1.3 * HOP_S, 1.4 * HOP_S, 6.0 * HOP_S]
    assert frame_durations(phones_of(ends), 6, MEL).tolist() == [1, 1, 1, 3]
    assert frame_durations(phones_of([5.8 * HOP_S, 5.9 * HOP_S, 6 * HOP_S]), 6, MEL).tolist() == [4, 1, 1]
    assert frame_durations(phones_of([0.0, 4 * HOP_S]), 6, MEL).tolist() == [1, 5]


@pytest.mark.parametrize("count", [0, 4])
def test_phones_that_do_not_fit_are_refused(count):
    with pytest.raises(ClipError, match=f"{count} phones do not fit into 3 frames"):
        frame_durations(phones_of([0.1 * (i + 1) for i in range(count)]) if count else [], 3, MEL)


# Phone means


def test_phone_means_of_a_worked_example():
    log_f0 = np.array([4.0, 5.0, 9.0, 9.0, 9.0, 7.0, 8.0, 9.0])
    voiced = np.array([True, True, False, False, False, True, True, False])
    durations = np.array([2, 1, 2, 2, 1])
    # 4.5 over the first two, two phones without voice on the way to 7.5, then held
    assert phone_means(log_f0, voiced, durations).tolist() == [4.5, 5.5, 6.5, 7.5, 7.5]


def test_unvoiced_frames_do_not_count():
    found = phone_means(np.array([5.0, 99.0, 6.0]), np.array([True, False, True]), np.array([2, 1]))
    assert found.tolist() == [5.0, 6.0]


# The mel against librosa


@pytest.mark.parametrize(
    "mel", [MEL, MelConfig(sample_rate=16000, n_fft=512, hop_length=128, n_mels=40, f_min=50, f_max=7600)]
)
def test_the_mel_agrees_with_librosa(mel):
    samples = speechlike(0.7, sample_rate=mel.sample_rate)
    margin = (mel.n_fft - mel.hop_length) // 2
    spectrum = librosa.stft(np.pad(samples, margin, mode="reflect"), n_fft=mel.n_fft, hop_length=mel.hop_length,
                            window="hann", center=False)  # fmt: skip
    bands = librosa.filters.mel(sr=mel.sample_rate, n_fft=mel.n_fft, n_mels=mel.n_mels, fmin=mel.f_min, fmax=mel.f_max)
    expected = np.log(np.maximum(bands @ np.abs(spectrum), 1e-5)).T
    found = log_mel(magnitudes(torch.from_numpy(samples), mel), mel).numpy()
    assert len(found) == len(samples) // mel.hop_length
    assert np.abs(found - expected[: len(found)]).max() < 1e-4


def test_silence_is_floored():
    found = log_mel(magnitudes(torch.zeros(8000), MEL), MEL)
    torch.testing.assert_close(found, torch.full_like(found, float(np.log(1e-5))))


# A single clip


@pytest.fixture(scope="module")
def clip():
    samples = speechlike(1.0)
    phones = phones_of([0.2, 0.5, 0.8, 1.0])
    return samples, phones, extract(samples, phones, MEL)


def test_features_agree_in_length(clip):
    samples, _, found = clip
    frames = len(samples) // MEL.hop_length
    assert found.mel.shape == (frames, MEL.n_mels)
    assert found.f0.shape == found.energy.shape == found.voicing.shape == (frames,)
    assert found.durations.sum() == frames
    assert found.durations.shape == found.phone_log_f0.shape == (4,)
    assert found.phones == ("0", "1", "2", "3")


def test_f0_and_energy_match_the_signal(clip):
    samples, _, found = clip
    assert np.median(found.f0[found.voicing]) == pytest.approx(140, rel=0.1)
    assert np.abs(np.exp(found.phone_log_f0) - 140).max() < 25
    louder = extract(samples * 2, clip[1], MEL)
    assert np.median(louder.energy - found.energy) == pytest.approx(np.log(2), abs=1e-3)


def test_a_clip_shorter_than_a_window_is_refused():
    with pytest.raises(ClipError, match="less than one analysis window"):
        extract(speechlike(0.04), phones_of([0.04]), MEL)


def test_save_and_load(clip, tmp_path):
    save_features(tmp_path / "x.safetensors", clip[2])
    found = load_features(tmp_path / "x.safetensors")
    assert isinstance(found, Features)
    assert found.phones == clip[2].phones
    for name in ("mel", "f0", "energy", "durations", "phone_log_f0"):
        saved, loaded = getattr(clip[2], name), getattr(found, name)
        assert saved.dtype == loaded.dtype
        assert np.array_equal(saved, loaded), name


def test_missing_cached_features_are_reported(tmp_path):
    with pytest.raises(ClipError, match="are missing; run the same command again"):
        load_features(tmp_path / "none.safetensors")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_cached_features_are_removed_and_reported(clip, tmp_path, damage):
    path = tmp_path / "features.safetensors"
    save_features(path, clip[2])
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # of a number, so that the file can still be read
    path.write_bytes({"cut": content[:-5], "flip": content, "empty": b""}[damage])
    with pytest.raises(ClipError, match="were damaged; run the same command again"):
        load_features(path)
    assert not path.exists()


# The cache


@pytest.fixture
def utterance(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "a.TextGrid").write_bytes(b"grid")
    return Utterance("a", "s", "some words", tmp_path / "a.wav", tmp_path / "a.TextGrid")


def test_the_cache_key_depends_on_content(utterance, tmp_path):
    path = feature_path(utterance, MEL, "auto")
    assert path.is_relative_to(tmp_path / "cache" / "features")
    for name in ("wav", "TextGrid"):
        (tmp_path / f"b.{name}").write_bytes((tmp_path / f"a.{name}").read_bytes())
    moved = Utterance("other", "t", "some words", tmp_path / "b.wav", tmp_path / "b.TextGrid", {"x": 1})
    assert feature_path(moved, MEL, "auto") == path


def test_every_input_of_the_features_changes_the_path(utterance, tmp_path):
    found = [feature_path(utterance, MEL, "auto")]
    found.append(feature_path(utterance, MEL, "pocketsphinx"))
    found.append(feature_path(utterance, MEL.model_copy(update={"n_mels": 40}), "auto"))
    found.append(feature_path(Utterance("a", "s", "other words", utterance.audio, utterance.textgrid), MEL, "auto"))
    found.append(feature_path(Utterance("a", "s", "some words", utterance.audio), MEL, "auto"))
    (tmp_path / "a.TextGrid").write_bytes(b"grip")
    found.append(feature_path(utterance, MEL, "auto"))
    (tmp_path / "a.wav").write_bytes(b"noise")
    found.append(feature_path(utterance, MEL, "auto"))
    assert len(set(found)) == len(found)


def test_the_cache_key_separates_its_parts(utterance, tmp_path):
    first = feature_path(utterance, MEL, "auto")
    (tmp_path / "a.wav").write_bytes(b"soundg")
    (tmp_path / "a.TextGrid").write_bytes(b"rid")
    assert feature_path(utterance, MEL, "auto") != first


# The stage


def prepare_twice(tmp_path, monkeypatch, **second):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    corpus = tiny_corpus(tmp_path / "corpus")
    config = {"name": "folder", "path": str(corpus), "test": 3, "valid": 2}
    return prepared(tmp_path / "a", corpus), lambda: prepared(tmp_path / "b", corpus, corpus={**config, **second})


@pytest.mark.parametrize("fault", ["unwritable", "full"])
def test_run_goes_on_without_a_cache(tmp_path, monkeypatch, capsys, fault):
    cache = tmp_path / "cache"
    monkeypatch.setenv("TTSBENCH_CACHE", str(cache))
    if fault == "unwritable":
        cache.write_text("a file where the folder should be", encoding="utf-8")
    else:

        def check(folder, needed_bytes):
            if folder == cache:
                raise TtsbenchError("the cache is full")

        def save(path, features):
            if cache in path.parents:
                raise OSError(errno.ENOSPC, "No space left on device")
            save_features(path, features)

        monkeypatch.setattr(prepare, "check_space", check)
        monkeypatch.setattr(prepare, "save_features", save)
    run = prepared(tmp_path, tiny_corpus(tmp_path / "corpus", 6), corpus={
        "name": "folder", "path": str(tmp_path / "corpus"), "test": 1, "valid": 1})  # fmt: skip
    corpus = PreparedCorpus(run.folder / "prepare")
    assert len(corpus.utterances) == 6
    assert all(Path(each.features).is_relative_to(run.folder / "prepare" / "features") for each in corpus.utterances)
    assert "cannot be written" in capsys.readouterr().err


def test_a_second_run_reads_the_cache(tmp_path, monkeypatch):
    first, again = prepare_twice(tmp_path, monkeypatch, split_seed=5)
    monkeypatch.setattr("ttsbench.stages.prepare.extract", lambda *_: pytest.fail("analysed again"))
    second = again()
    lines = [
        (run.folder / "prepare/manifest.jsonl").read_text(encoding="utf-8").splitlines() for run in (first, second)
    ]
    paths = [{row["id"]: row["features"] for row in map(json.loads, some)} for some in lines]
    assert paths[0] == paths[1]
    assert lines[0] != lines[1]


def test_cached_clips_are_still_checked_for_length(tmp_path, monkeypatch):
    """Clips last 1.3 to 1.5 s: a limit of 1.42 s leaves out four of twelve, whether or not they were cached before."""
    _, again = prepare_twice(tmp_path, monkeypatch, max_s=1.42, test=2, valid=1)
    excluded = (again().folder / "prepare" / "excluded.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[0] for line in excluded] == ["c03", "c04", "c08", "c09"]
    assert all("more than 1.42 s" in line for line in excluded)


def test_statistics_are_those_of_the_training_split(tmp_path, monkeypatch):
    run = prepare_twice(tmp_path, monkeypatch)[0]
    rows = map(json.loads, (run.folder / "prepare/manifest.jsonl").open(encoding="utf-8"))
    train = [load_features(row["features"]) for row in rows if row["split"] == "train"]
    assert len(train) == 7
    found = json.loads((run.folder / "prepare/statistics.json").read_text(encoding="utf-8"))["normalisation"]
    mel = np.concatenate([one.mel.ravel() for one in train]).astype(np.float64)
    durations = np.log(np.concatenate([one.durations for one in train]))
    assert found["mel_mean"] == pytest.approx(mel.mean())
    assert found["mel_std"] == pytest.approx(mel.std())
    assert found["log_duration_mean"] == pytest.approx(durations.mean())
    assert found["log_duration_std"] == pytest.approx(durations.std())
    normal = np.concatenate([normalisation(train).mel(one.mel).ravel() for one in train])
    assert (normal.mean(), normal.std()) == (pytest.approx(0, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert TINY["mel"]["n_mels"] == train[0].mel.shape[1]
