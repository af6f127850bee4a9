"""The recogniser: its language model by hand, its word error rate on real speech, its manners with odd input."""

import jiwer
import numpy as np
import pytest
import soundfile

from ttsbench.data.text import words
from ttsbench.errors import ConfigError
from ttsbench.interfaces import Transcriber
from ttsbench.transcribers.pocketsphinx import PocketSphinx, unigram_arpa

VOCABULARY = ["one", "two", "three", "don't"]


@pytest.fixture(scope="module")
def clips(speech_data):
    """Eighteen short LibriSpeech clips, six of each speaker: (samples, words)."""
    root = speech_data / "librispeech-3spk"
    chosen = []
    for speaker in sorted((root / "train-clean-100").iterdir()):
        lines = [(p, line) for p in sorted(speaker.rglob("*.trans.txt")) for line in p.read_text().splitlines()]
        files = [(path.parent / f"{line.split()[0]}.flac", line.split(" ", 1)[1]) for path, line in lines]
        chosen += [(file, text) for file, text in files if soundfile.info(file).duration < 12][:6]
    assert len(chosen) == 18
    return [(soundfile.read(file, dtype="float32")[0], words(text)) for file, text in chosen]


@pytest.fixture(scope="module")
def recogniser(clips):
    return PocketSphinx([word for _, spoken in clips for word in spoken])


def test_follows_the_protocol():
    transcriber = PocketSphinx(VOCABULARY)
    plain: Transcriber = transcriber
    assert plain.sample_rate == 16000
    assert plain.signature.startswith("pocketsphinx5.")
    assert "|unigram|vocab:" in plain.signature


def test_signature_is_of_the_set_of_words():
    signature = PocketSphinx(VOCABULARY).signature
    assert PocketSphinx(VOCABULARY[::-1] * 2).signature == signature
    assert PocketSphinx([*VOCABULARY, "four"]).signature != signature


def test_unigram_is_flat_and_normalised():
    arpa = unigram_arpa(["a", "b", "c"])
    section = arpa.split("\\1-grams:\n")[1].split("\n\n")[0]
    entries = {fields[1]: float(fields[0]) for fields in (line.split() for line in section.splitlines())}
    assert "ngram 1=5\n" in arpa
    assert entries.keys() == {"<s>", "</s>", "a", "b", "c"}
    assert sum(10**p for word, p in entries.items() if word != "<s>") == pytest.approx(1, abs=1e-5)
    assert entries["a"] == entries["b"] == entries["c"] == entries["</s>"] == pytest.approx(np.log10(0.25), abs=1e-6)


def test_understands_real_speech(recogniser, clips):
    heard = [recogniser.transcribe(samples) for samples, _ in clips]
    rate = jiwer.wer([" ".join(spoken) for _, spoken in clips], heard)
    print(f"WER {rate:.3f} on {sum(len(spoken) for _, spoken in clips)} words of {len(clips)} clips")
    assert 0.02 < rate < 0.25
    assert all(" ".join(words(text)) == text for text in heard)
    assert {word for text in heard for word in text.split()} <= set(recogniser.vocabulary)


def test_hears_the_same_whatever_came_before(recogniser, clips):
    samples = [one for one, _ in clips[::3]]
    forward = [recogniser.transcribe(one) for one in samples]
    recogniser.transcribe(np.clip(samples[0] * 50, -1, 1))
    assert [recogniser.transcribe(one) for one in reversed(samples)] == forward[::-1]
    fresh = PocketSphinx(recogniser.vocabulary)
    assert fresh.transcribe(samples[3]) == forward[3]


@pytest.mark.parametrize("length", [0, 1, 100, 410, 799])
@pytest.mark.parametrize("value", [0.0, 1e-5, 0.5])
def test_nothing_to_hear(length, value):
    assert PocketSphinx(VOCABULARY).transcribe(np.full(length, value, dtype=np.float32)) == ""


def test_odd_sounds_do_no_harm(recogniser):
    rng = np.random.default_rng(0)
    for seconds in (0.05, 0.06, 0.1, 0.3, 1.0):
        for scale in (2e-3, 1.0, 1e4, 1e30):
            sound = (rng.standard_normal(int(16000 * seconds)) * scale).astype(np.float32)
            assert isinstance(recogniser.transcribe(sound), str)
    assert isinstance(recogniser.transcribe(np.ones(16000, dtype=np.float32)), str)
    assert recogniser.transcribe(np.zeros(16000, dtype=np.float32)) == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused(recogniser, bad):
    samples = np.full(16000, 0.1, dtype=np.float32)
    samples[100] = bad
    with pytest.raises(ValueError, match="finite"):
        recogniser.transcribe(samples)
    with pytest.raises(ValueError, match="mono"):
        recogniser.transcribe(np.zeros((2, 16000), dtype=np.float32))


@pytest.mark.parametrize("vocabulary", [[], ["Upper"], ["two words"], ["<s>"], [""], ["read(2)"], ["5"]])
def test_odd_vocabulary_is_refused(vocabulary):
    with pytest.raises(ConfigError):
        PocketSphinx(vocabulary)
