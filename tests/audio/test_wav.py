"""Every kind of unusable file; resampling and writing against closed forms."""

import wave

import numpy as np
import pytest
import soundfile

from ttsbench.audio.wav import load_clip_audio, read, resample, write
from ttsbench.errors import ClipError


def tone(sample_rate=22050, seconds=0.5, frequency=440.0, peak=0.5):
    time = np.arange(int(sample_rate * seconds)) / sample_rate
    return (peak * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def save(path, samples, sample_rate=22050, subtype="PCM_16"):
    soundfile.write(path, samples, sample_rate, subtype=subtype)
    return path


def refusal(path, **limits):
    with pytest.raises(ClipError) as caught:
        load_clip_audio(path, 16000, **limits)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_stereo_is_averaged(tmp_path):
    left, right = tone(frequency=300), tone(frequency=700)
    path = save(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    samples, sample_rate = read(path)
    assert sample_rate == 22050
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-7)


def test_resampling_from_44100_preserves_a_tone(tmp_path):
    samples = load_clip_audio(save(tmp_path / "a.wav", tone(44100), 44100, "FLOAT"), 22050)
    expected = tone(22050)
    assert len(samples) == len(expected)
    np.testing.assert_allclose(samples[1000:-1000], expected[1000:-1000], atol=1e-4)


def test_resampling_removes_aliases():
    passed = resample(tone(44100, frequency=1000), 44100, 16000)
    removed = resample(tone(44100, frequency=10000), 44100, 16000)
    assert np.abs(passed[500:-500]).max() == pytest.approx(0.5, abs=1e-3)
    assert np.abs(removed[500:-500]).max() < 1e-4


def test_resampling_to_the_same_rate_changes_nothing():
    samples = tone()
    assert resample(samples, 22050, 22050) is samples


def test_pcm_at_its_own_rate_is_exact(tmp_path):
    values = np.random.default_rng(0).integers(-20000, 20000, 8000).astype(np.int16)
    path = save(tmp_path / "a.flac", values, 16000)
    np.testing.assert_array_equal(load_clip_audio(path, 16000), values / np.float32(32768))


def test_missing(tmp_path):
    assert "is missing" in refusal(tmp_path / "a.wav")
    assert "is missing" in refusal(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.wav").touch()
    assert "0 bytes" in refusal(tmp_path / "a.wav")


def test_no_samples(tmp_path):
    assert "no samples" in refusal(save(tmp_path / "a.wav", np.zeros(0, np.float32)))


def test_not_audio(tmp_path):
    (tmp_path / "a.wav").write_text("<html>404 not found</html>" * 100)
    assert "not a readable audio file" in refusal(tmp_path / "a.wav")


@pytest.mark.parametrize("cut", [1, 1000, 20000])
def test_truncated_wav(tmp_path, cut):
    path = save(tmp_path / "a.wav", tone())
    path.write_bytes(path.read_bytes()[:-cut])
    assert f"promises {cut} bytes more" in refusal(path)


def test_truncated_wav_with_a_chunk_before_the_data(tmp_path):
    path = save(tmp_path / "a.wav", tone())
    whole = path.read_bytes()
    at = whole.index(b"data")
    path.write_bytes(whole[:at] + b"note\x03\x00\x00\x00abc\x00" + whole[at:])
    assert len(load_clip_audio(path, 22050)) == len(tone())
    path.write_bytes(path.read_bytes()[:-10])
    assert "promises 10 bytes more" in refusal(path)


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.02])
def test_truncated_flac(tmp_path, keep):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
    path = save(tmp_path / "a.flac", noise, 16000)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert any(word in refusal(path) for word in ("truncated", "damaged"))


def test_wav_from_a_pipe_has_no_size_and_is_read(tmp_path):
    path = save(tmp_path / "a.wav", tone())
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(load_clip_audio(path, 22050)) == len(tone())


def test_flac_without_a_stated_length_is_decoded_to_its_end(tmp_path):
    path = save(tmp_path / "a.flac", tone())
    whole, content = load_clip_audio(path, 22050), bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36-bit count of samples in STREAMINFO
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_array_equal(load_clip_audio(path, 22050), whole)
    assert "lasts at least" in refusal(path, max_s=0.3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(tmp_path, value):
    samples = tone()
    samples[[7, 70]] = value
    assert "2 samples" in refusal(save(tmp_path / "a.wav", samples, subtype="FLOAT"))


def test_silent(tmp_path):
    assert "peak is zero" in refusal(save(tmp_path / "a.wav", np.zeros(8000)))
    assert "-66 dBFS" in refusal(save(tmp_path / "b.wav", tone(peak=5e-4), subtype="FLOAT"))
    assert len(load_clip_audio(save(tmp_path / "c.wav", tone(peak=2e-3), subtype="FLOAT"), 22050))


def test_unscaled_integers(tmp_path):
    assert "full scale" in refusal(save(tmp_path / "a.wav", tone() * 32768, subtype="FLOAT"))


def test_too_short_and_too_long(tmp_path):
    assert "0.150 s" in refusal(save(tmp_path / "a.wav", tone(seconds=0.15)))
    assert "30.5 s" in refusal(save(tmp_path / "b.wav", tone(16000, seconds=30.5), 16000))
    path = save(tmp_path / "c.wav", tone(seconds=2))
    assert "more than 1 s" in refusal(path, max_s=1)
    assert "less than 3 s" in refusal(path, min_s=3)
    assert len(load_clip_audio(path, 22050)) == 44100


def test_band_limited(tmp_path):
    message = refusal(save(tmp_path / "a.wav", tone(8000), 8000))
    assert "8000 Hz" in message
    assert "4 kHz" in message
    assert "16000 Hz" in message
    refusal(save(tmp_path / "b.wav", tone(11025), 11025))


def test_written_file_is_pcm16_mono_and_reads_back(tmp_path):
    path = tmp_path / "a.wav"
    samples = tone()
    write(path, samples, 22050)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    np.testing.assert_allclose(pcm / 32768, samples, atol=0.5001 / 32768)
    write(tmp_path / "b.wav", read(path)[0], 22050)
    assert (tmp_path / "b.wav").read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.wav", "b.wav"]


def test_overshoot_is_scaled_down_and_full_scale_does_not_wrap(tmp_path):
    samples = tone(peak=2.0)
    write(tmp_path / "a.wav", samples, 22050)
    np.testing.assert_allclose(read(tmp_path / "a.wav")[0], samples / np.abs(samples).max(), atol=1.1 / 32768)
    write(tmp_path / "b.wav", np.array([1.0, -1.0], np.float32), 22050)
    assert read(tmp_path / "b.wav")[0].tolist() == [32767 / 32768, -1.0]


@pytest.mark.parametrize("samples", [np.array([0.1, np.nan], np.float32), np.zeros(0, np.float32)])
def test_a_failed_write_keeps_the_old_file(tmp_path, samples):
    path = tmp_path / "a.wav"
    write(path, tone(), 22050)
    before = path.read_bytes()
    with pytest.raises(ClipError, match="Cannot write"):
        write(path, samples, 22050)
    assert path.read_bytes() == before


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    write(path, tone(), 22050)
    before = path.read_bytes()

    def fail(part, *_args, **_kwargs):
        part.write_bytes(b"RIFF half")
        raise OSError("disk full")

    monkeypatch.setattr(soundfile, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path, tone(frequency=100), 22050)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_real_speech_is_read(speech_data):
    clips = sorted((speech_data / "ljspeech-mini" / "wavs").iterdir())[:3]
    clips += sorted((speech_data / "librispeech-3spk").rglob("*.flac"))[:3]
    for clip in clips:
        info = soundfile.info(clip)
        samples = load_clip_audio(clip, 16000)
        assert len(samples) == pytest.approx(info.duration * 16000, abs=1)
        assert 0.05 < np.abs(samples).max() < 1.5
