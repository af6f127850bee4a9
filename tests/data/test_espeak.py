"""The embedded corpus: its audio, texts, phones and options."""

import itertools
import os
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from espeak_pitch import log_f0

from ttsbench.audio.wav import resample
from ttsbench.data.espeak import corpus as espeak
from ttsbench.data.espeak import voice as espeak_voice
from ttsbench.data.espeak.corpus import EspeakCorpus
from ttsbench.data.espeak.prosody import DEFAULT_SPEAKERS, SPEAKERS
from ttsbench.data.espeak.render import Phrase, draw, draw_quality, render, textgrid
from ttsbench.data.espeak.text import sentences, spell, vocabulary
from ttsbench.data.pronunciation import dictionary
from ttsbench.data.splits import split
from ttsbench.data.text import words
from ttsbench.data.textgrid import read_textgrid
from ttsbench.errors import CorpusError

VOWELS = tuple("aeiouæɑɐɒəɚɛɜɪʊʌᵻɔ")


def test_the_corpus_has_the_requested_length_and_format(utterances):
    infos = [soundfile.info(utterance.audio) for utterance in utterances]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(22050, 1, "PCM_16")}
    durations = [info.frames / info.samplerate for info in infos]
    assert 180.0 <= sum(durations) < 187.0
    assert min(durations) >= 2.0 and max(durations) <= 6.5
    for utterance, duration_s in zip(utterances, durations, strict=True):
        assert utterance.attributes["duration_s"] == pytest.approx(duration_s)


def test_levels_are_neither_clipped_nor_low(utterances):
    for utterance in utterances:
        peak = np.abs(soundfile.read(utterance.audio)[0]).max()
        assert 0.05 < peak < 0.999, utterance.id


def test_splits_share_no_sentence_and_test_sentences_have_several_renderings(utterances):
    splits, _ = split(utterances, test=1, valid=1, seed=0)
    assert set(splits.values()) == {"train", "valid", "test"}
    renderings = defaultdict(set)
    for utterance in utterances:
        if utterance.attributes["split"] == "test":
            renderings[utterance.text, utterance.speaker].add(utterance.audio.read_bytes())
    assert {len(audio) for audio in renderings.values()} == {4}
    assert len({text for text, _ in renderings}) == len(renderings)
    assert {utterance.speaker for utterance in utterances} == set(DEFAULT_SPEAKERS)


def test_the_default_corpus_is_large_enough():
    options = EspeakCorpus().options
    sentences_tested = round(espeak.Options(**options.__dict__).minutes * 0.625)
    assert options.minutes >= 20 and sentences_tested * options.renderings >= 50 and len(options.speakers) >= 4


def test_the_sizes_of_test_and_validation_split_can_be_set(tmp_path):
    corpus = EspeakCorpus(tmp_path / "corpus", minutes=0.8, test_sentences=2, valid_sentences=2, renderings=2)
    assert corpus.split_sizes() == {"test": 4, "valid": 2}
    counts = Counter(utterance.attributes["split"] for utterance in corpus.utterances())
    assert (counts["test"], counts["valid"]) == (4, 2) and counts["train"] >= len(DEFAULT_SPEAKERS)


def test_defaults_leave_the_options_and_with_them_the_cached_corpus_unchanged():
    values = EspeakCorpus().options.values()
    assert sorted(values) == ["minutes", "renderings", "seed", "speakers", "version", "voice_quality"]


def test_phones_tile_each_clip_and_are_exact_to_the_sample(utterances):
    for utterance in utterances:
        phones = read_textgrid(utterance.textgrid)
        end_s = utterance.attributes["duration_s"]
        assert phones[0].start_s == 0.0 and phones[-1].end_s == pytest.approx(end_s, abs=1e-6)
        assert phones[0].label == phones[-1].label == "SIL"
        for one, after in itertools.pairwise(phones):
            assert one.end_s == after.start_s and one.end_s > one.start_s
            assert one.label != "SIL" or after.label != "SIL"
        samples = np.array([phone.start_s for phone in phones]) * 22050
        assert np.abs(samples - np.rint(samples)).max() < 0.01


def test_the_word_tier_matches_the_text(utterances):
    for utterance in utterances:
        tier = utterance.textgrid.read_text(encoding="utf-8").split('name = "phones"')[0]
        said = [line.split('"')[1] for line in tier.splitlines() if line.strip().startswith("text =")]
        assert " ".join(word for word in said if word != "SIL").split() == words(utterance.text)


def test_phone_times_match_the_signal(utterances):
    """Vowels are voiced and loud, sibilants voiceless and high, silence is neither; a shift of 80 ms breaks it."""

    def contrast(shift_s):
        voiced, crossings, level = defaultdict(list), defaultdict(list), defaultdict(list)
        for utterance in utterances[:16]:
            samples, rate = soundfile.read(utterance.audio)
            times, f0 = log_f0(utterance)
            for phone in read_textgrid(utterance.textgrid):
                kind = "vowel" if phone.label.startswith(VOWELS) else phone.label
                start_s, end_s = phone.start_s + shift_s, phone.end_s + shift_s
                voiced[kind].extend(f0[(times >= start_s) & (times < end_s)] > 0)
                piece = samples[round(start_s * rate) : round(end_s * rate)]
                if len(piece) > 1:
                    crossings[kind].append(float(np.mean(np.diff(np.signbit(piece)))))
                    level[kind].append(float(np.mean(piece**2)))
        return (
            np.mean(voiced["vowel"]) - np.mean(voiced["SIL"]),
            np.mean(voiced["vowel"]) - np.mean(voiced["s"]),
            np.median(crossings["s"]) / np.median(crossings["vowel"]),
            np.median(level["vowel"]) / max(np.median(level["SIL"]), 1e-9),
        )

    silence, sibilant, noise, loud = contrast(0.0)
    assert silence > 0.65 and sibilant > 0.65 and noise > 3 and loud > 100
    _, shifted, shifted_noise, _ = contrast(0.08)
    assert shifted < sibilant - 0.2 and shifted_noise < noise / 1.5


def test_generation_is_reproducible_and_depends_on_the_seed(tmp_path):
    def files(name, seed):
        folder = tmp_path / name
        EspeakCorpus(folder, minutes=0.4, seed=seed).utterances()
        return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    espeak_voice.speak("something else first", "en-us+f5")
    first = files("first", 0)
    assert first == files("second", 0)
    assert first != files("other", 1)


def test_concurrent_generations_leave_one_complete_corpus(tmp_path):
    def make(_):
        return [one.id for one in EspeakCorpus(tmp_path / "corpus", minutes=0.3, speakers=("f5",)).utterances()]

    (tmp_path / ".corpus.killed").mkdir()
    os.utime(tmp_path / ".corpus.killed", (0, 0))  # what a killed generation left long ago is swept
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(make, range(2))
    assert one == two
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_the_corpus_is_cached_under_its_options(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path))
    corpus = EspeakCorpus(minutes=0.3, speakers=("f5",))
    made = corpus.utterances()
    assert corpus.folder.parent == tmp_path / "corpora" and all(one.audio.is_file() for one in made)
    stamps = [one.audio.stat().st_mtime_ns for one in made]
    monkeypatch.setattr(espeak, "_generate", lambda *_: pytest.fail("made again"))
    assert [one.audio.stat().st_mtime_ns for one in EspeakCorpus(minutes=0.3, speakers=("f5",)).utterances()] == stamps
    assert EspeakCorpus(minutes=0.4, speakers=("f5",)).folder != corpus.folder


def test_a_failed_generation_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(espeak.sys, "executable", "/bin/false")
    with pytest.raises(CorpusError, match="could not be generated"):
        EspeakCorpus(tmp_path / "corpus", minutes=0.3).utterances()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"minutes": 0}, "minutes is 0"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"minutes": 1e6}, "at most 600"),
        ({"minutes": "ten"}, "minutes is 'ten'"),
        ({"speakers": ("nobody",)}, "no speaker 'nobody': choose among f5"),
        ({"speakers": ()}, "list one or more"),
        ({"speakers": "f5"}, "list one or more"),
        ({"speakers": ("f5", "f5")}, "different names"),
        ({"renderings": 0}, "renderings is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"voice_quality": "no"}, "voice_quality is 'no'"),
        ({"valid_sentences": 0}, "valid_sentences is 0"),
        ({"minutes": 2, "test_sentences": 8}, "test_sentences is 8, more than a quarter of 2 minutes"),
    ],
)
def test_invalid_options_are_refused(options, match):
    with pytest.raises(CorpusError, match=match):
        EspeakCorpus(**options)


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(CorpusError, match="holds no espeak corpus"):
        EspeakCorpus(tmp_path, minutes=0.3).utterances()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_with_other_options_is_refused(corpus):
    with pytest.raises(CorpusError, match="other options"):
        EspeakCorpus(corpus.folder, minutes=5).utterances()


def test_unknown_voices_are_refused():
    for voice in ("nonsense", "en-us+nonsense", "en-us+../../../lang/gmw/de"):
        with pytest.raises(CorpusError, match="no voice"):
            espeak_voice.speak("hello", voice)


def test_words_to_phones():
    assert espeak_voice.phonemize("hello") == ["h", "ə", "l", "oʊ"]
    assert espeak_voice.phonemize("little") == ["l", "ɪ", "ɾ", "əl"]
    assert espeak_voice.phonemize("") == []


def test_phonemize_is_thread_safe():
    asked = ["banana", "umbrella", "little", "strawberry"] * 25
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(espeak_voice.phonemize, asked)) == [espeak_voice.phonemize(word) for word in asked]


def test_samples_intervals_and_record_of_a_sentence_agree():
    """Times of phones do not depend on earlier calls."""
    texts = ("after breakfast", "many musicians polished bananas")
    drawn = draw_quality(draw(texts, SPEAKERS["edward"], np.random.default_rng(3)), np.random.default_rng(4))
    one, two = (render(drawn, SPEAKERS["edward"], np.random.default_rng(5)) for _ in range(2))
    assert one.phones == two.phones and one.words == two.words and one.phrases == two.phrases
    assert [Phrase.parse(record) for record in one.phrases] == drawn
    first, second = one.phrases
    edge_s = round(0.075 * 22050) / 22050
    assert first["start_s"] == pytest.approx(edge_s)
    assert second["start_s"] - first["end_s"] == pytest.approx(first["pause_s"], abs=1e-4)
    assert second["pause_s"] is None
    assert len(one.samples) / 22050 - second["end_s"] == pytest.approx(edge_s)
    assert [label for label, _, _ in one.words if label != "SIL"] == words(
        "after breakfast many musicians polished bananas"
    )


def test_textgrid_round_trip(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(textgrid({"words": [("hi", 0, 300)], "phones": [("h", 0, 100), ("aɪ1", 100, 300)]}, 300), "utf-8")
    phones = read_textgrid(path)
    assert [phone.label for phone in phones] == ["h", "aɪ1"]
    assert [phone.end_s * 22050 for phone in phones] == pytest.approx([100, 300], abs=1e-4)


def test_sentences_differ_and_use_the_whole_vocabulary():
    told = list(itertools.islice(sentences(np.random.default_rng(0)), 400))
    assert len(set(told)) == 400 and {len(phrases) for phrases in told} == {1, 2, 3}
    assert {word for phrases in told for word in words(spell(phrases))} == set(vocabulary())
    assert 150 <= len(vocabulary()) <= 400
    assert set(vocabulary()) <= set(dictionary())  # the recogniser knows every word


def test_every_speaker_is_intelligible(utterances):
    """Measured on the default corpus' 60 test clips: see the bounds; the recogniser hears a flat unigram."""
    from ttsbench.backends.transcribers.pocketsphinx import PocketSphinx

    jiwer = pytest.importorskip("jiwer")
    recogniser = PocketSphinx(vocabulary())
    said, heard = defaultdict(list), defaultdict(list)
    for utterance in utterances:
        if len(said[utterance.speaker]) < 4:
            samples, rate = soundfile.read(utterance.audio, dtype="float32")
            said[utterance.speaker].append(" ".join(words(utterance.text)))
            heard[utterance.speaker].append(recogniser.transcribe(resample(samples, rate, recogniser.sample_rate)))
    rates = {speaker: jiwer.wer(said[speaker], heard[speaker]) for speaker in said}
    assert max(rates.values()) < 0.45 and np.mean(list(rates.values())) < 0.25, rates


def test_speakers_are_distinct_voices(utterances):
    resemblyzer = pytest.importorskip("resemblyzer")
    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    voices = defaultdict(list)
    for utterance in utterances:
        if len(voices[utterance.speaker]) < 4:
            samples, rate = soundfile.read(utterance.audio, dtype="float32")
            voices[utterance.speaker].append(encoder.embed_utterance(resample(samples, rate, 16000)))
    within = [a @ b for own in voices.values() for a, b in itertools.combinations(own, 2)]
    between = [np.mean(np.array(voices[a]) @ np.array(voices[b]).T) for a, b in itertools.combinations(voices, 2)]
    assert np.mean(within) > 0.82 and max(between) < 0.82, (np.mean(within), between)
