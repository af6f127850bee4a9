"""Containers: truncated files are refused, and files whose header leaves the length open are decoded to their end."""

import errno
import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttsbench.audio.decoding import HIGHEST_RATE
from ttsbench.audio.wav import check_length, load_clip_audio, read
from ttsbench.errors import ClipError

RATE = 16000
FORMS = {
    "riff": ("WAV", "PCM_16", "FILE"),
    "rifx": ("WAV", "PCM_16", "BIG"),
    "wavex": ("WAVEX", "PCM_24", "FILE"),
    "adpcm": ("WAV", "IMA_ADPCM", "FILE"),
    "rf64": ("RF64", "PCM_16", "FILE"),
    "w64": ("W64", "PCM_16", "FILE"),
    "aiff": ("AIFF", "PCM_16", "FILE"),
    "aifc": ("AIFF", "FLOAT", "FILE"),
    "au": ("AU", "PCM_16", "FILE"),
    "au_little": ("AU", "PCM_16", "LITTLE"),
    "caf": ("CAF", "PCM_16", "FILE"),
    "sphere": ("NIST", "PCM_16", "FILE"),
    "flac": ("FLAC", "PCM_16", "FILE"),
    "vorbis": ("OGG", "VORBIS", "FILE"),
    "opus": ("OGG", "OPUS", "FILE"),
    "mp3": ("MP3", "MPEG_LAYER_III", "FILE"),
}
BOUNDED = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
HEADER_BYTES = 128


def noise(seconds=1.0):
    return (0.1 * np.random.default_rng(0).standard_normal(int(RATE * seconds))).astype(np.float32)


@pytest.fixture(scope="module")
def contents():
    """A second of noise in every container, as bytes."""
    result = {}
    for name, (container, subtype, endian) in FORMS.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, noise(), RATE, format=container, subtype=subtype, endian=endian)
        result[name] = buffer.getvalue()
    return result


@pytest.mark.parametrize("form", FORMS)
def test_whole_file_is_read_and_cut_files_are_refused(contents, tmp_path, form):
    path, content = tmp_path / f"{form}.audio", contents[form]
    path.write_bytes(content)
    samples, rate = read(path)
    assert rate == RATE and abs(len(samples) - RATE) < 0.1 * RATE  # encoders add padding
    for share in (0.25, 0.5, 0.75, 0.97):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ClipError, match=r"truncated|damaged|not a readable|no samples"):
            read(path)


def test_ogg_cut_between_two_pages_is_refused(contents, tmp_path):
    content = contents["vorbis"]
    path = tmp_path / "a.ogg"
    path.write_bytes(content[: content.rindex(b"OggS")])
    with pytest.raises(ClipError, match="before its last page"):
        read(path)


@pytest.mark.parametrize("form", FORMS)
def test_any_change_of_a_header_is_decoded_or_refused(contents, tmp_path, form):
    path, content = tmp_path / "fuzzed.audio", contents[form]
    changes = st.lists(
        st.tuples(st.integers(0, HEADER_BYTES - 1), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)),
        min_size=1,
        max_size=8,
    )

    @BOUNDED
    @given(changes=changes, length=st.just(len(content)) | st.integers(0, len(content)))
    def check(changes, length):
        changed = bytearray(content)
        for position, value in changes:
            changed[position] = value
        path.write_bytes(changed[:length])
        for function in (read, check_length):
            try:
                result = function(path)
            except ClipError as error:
                assert str(path) in str(error)
            else:
                assert result is None or (result[0].ndim == 1 and np.isfinite(result[0]).all() and len(result[0]))

    check()


@pytest.mark.parametrize("size", [0, 2_000_000_000, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFDB, 0xFFFFFFFF])
def test_wav_from_a_pipe_is_read_to_its_end(contents, tmp_path, size):
    content = bytearray(contents["riff"])
    struct.pack_into("<I", content, 4, min(0xFFFFFFFF, size + 36) if size else 0)
    struct.pack_into("<I", content, content.index(b"data") + 4, size)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path)[0], soundfile.read(io.BytesIO(contents["riff"]), dtype="float32")[0])
    check_length(path, min_s=0.9, max_s=1.1)


def test_wav_without_samples_is_no_placeholder(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    with pytest.raises(ClipError, match="no samples"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)])
def test_mp3_without_a_length_header_is_decoded_to_its_end(tmp_path, tag):
    """A stream that begins with silence at a low bit rate: its length, estimated from the first frame, is wrong."""
    buffer = io.BytesIO()
    samples = np.concatenate([np.zeros(4 * RATE, np.float32), noise(4.0)])
    soundfile.write(buffer, samples, RATE, format="MP3", bitrate_mode="VARIABLE")
    content = buffer.getvalue()
    second = content.index(content[:2], 4)  # the first frame holds the length
    path = tmp_path / "a.mp3"
    path.write_bytes(tag + content[second:])
    estimate = soundfile.info(path).duration
    decoded, rate = read(path)
    assert abs(estimate - 8.0) > 1.0, "the estimate of libsndfile must be wrong for this test to show anything"
    assert len(decoded) / rate == pytest.approx(8.0, abs=0.15)
    check_length(path, min_s=7.8, max_s=8.2)


def test_compressed_silence_is_bounded_by_its_declared_length(tmp_path):
    """Kilobytes of FLAC that declare 16 GB are refused; without a declared length, decoding stops at the limit."""
    path, silence = tmp_path / "bomb.flac", np.zeros(48_000 * 100, np.int16)
    soundfile.write(path, silence, 48_000, "PCM_16")
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, 22, 0xF0000000)  # 4e9 samples, 16 GB
    path.write_bytes(content)
    with pytest.raises(ClipError, match="more than 600 s"):
        read(path)
    content[21] &= 0xF0
    struct.pack_into(">I", content, 22, 0)
    path.write_bytes(content)
    assert len(read(path)[0]) == len(silence)
    with pytest.raises(ClipError, match=r"at least .* more than 30 s"):
        load_clip_audio(path, 16000)


@pytest.mark.parametrize("rate", [1, 16, 100, 1000, 2_000_000_000])
def test_absurd_sample_rate_is_refused(contents, tmp_path, rate):
    content = bytearray(contents["riff"])
    struct.pack_into("<I", content, 24, rate)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(
        ClipError, match=f"sample rate of {rate} Hz, which no recording of speech has .* {HIGHEST_RATE}"
    ):
        read(tmp_path / "a.wav")


def test_container_that_cannot_be_checked_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.voc", noise(), RATE, format="VOC")
    with pytest.raises(ClipError, match="format VOC, in which truncated files are not recognised: convert it to WAV"):
        read(tmp_path / "a.voc")


def test_name_that_is_not_utf8_is_read(contents, tmp_path):
    path = tmp_path / "caf\udce9.wav"
    path.write_bytes(contents["riff"])
    assert len(read(path)[0]) == RATE


def test_name_that_is_too_long_and_file_without_permission_are_refused(contents, tmp_path, monkeypatch):
    with pytest.raises(ClipError, match=r"cannot be read .*too long"):
        read(tmp_path / ("x" * 300 + ".wav"))
    (tmp_path / "a.wav").write_bytes(contents["riff"])

    def denied(path, *_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)  # root may read everything
    with pytest.raises(ClipError, match=r"cannot be read \(Permission denied\): check its name and permissions"):
        read(tmp_path / "a.wav")
