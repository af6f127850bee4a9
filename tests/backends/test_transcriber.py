"""The recognisers: pocketsphinx's language model by hand and its errors on real speech, Whisper and CTC against
decoding written out, the manners of all with odd input."""

import re
from types import SimpleNamespace

import jiwer
import numpy as np
import pytest
import soundfile
import tinyhub
import torch
from scipy.signal import lfilter

from ttsbench.backends import hub
from ttsbench.backends.transcribers.hubert_ctc import HubertCtc, spell
from ttsbench.backends.transcribers.pocketsphinx import PocketSphinx, unigram_arpa
from ttsbench.backends.transcribers.whisper import Whisper, pieces
from ttsbench.checks.global_rng import used_generators
from ttsbench.data.text import words
from ttsbench.errors import ConfigError
from ttsbench.interfaces import Transcriber

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
    assert "|unigram|words:4|vocab:" in plain.signature


def test_signature_is_of_the_set_of_words():
    signature = PocketSphinx(VOCABULARY).signature
    assert PocketSphinx(VOCABULARY[::-1] * 2).signature == signature
    assert PocketSphinx([*VOCABULARY, "four"]).signature != signature


def test_a_word_list_replaces_the_words_of_the_texts(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("One two, three!\nDon't", encoding="utf-8")
    listed = PocketSphinx(["four", "five"], word_list=str(path))
    assert listed.signature == PocketSphinx(VOCABULARY).signature
    assert (listed.vocabulary, listed.vocabulary_size) == (tuple(sorted(VOCABULARY)), 4)
    with pytest.raises(ConfigError, match=r"word_list: .*absent\.txt cannot be read"):
        PocketSphinx(VOCABULARY, word_list=str(tmp_path / "absent.txt"))


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


def test_transcripts_do_not_depend_on_earlier_clips(recogniser, clips):
    samples = [one for one, _ in clips[::3]]
    forward = [recogniser.transcribe(one) for one in samples]
    recogniser.transcribe(np.clip(samples[0] * 50, -1, 1))
    assert [recogniser.transcribe(one) for one in reversed(samples)] == forward[::-1]
    fresh = PocketSphinx(recogniser.vocabulary)
    assert fresh.transcribe(samples[3]) == forward[3]


@pytest.mark.parametrize("length", [0, 1, 100, 410, 799])
@pytest.mark.parametrize("value", [0.0, 1e-5, 0.5])
def test_empty_and_silent_clips_have_empty_transcripts(length, value):
    assert PocketSphinx(VOCABULARY).transcribe(np.full(length, value, dtype=np.float32)) == ""


def test_unusual_signals_are_transcribed_without_error(recogniser):
    rng = np.random.default_rng(0)
    for seconds in (0.05, 0.06, 0.1, 0.3, 1.0):
        for scale in (2e-3, 1.0, 1e4, 1e30):
            sound = (rng.standard_normal(int(16000 * seconds)) * scale).astype(np.float32)
            assert isinstance(recogniser.transcribe(sound), str)
    assert isinstance(recogniser.transcribe(np.ones(16000, dtype=np.float32)), str)
    assert recogniser.transcribe(np.zeros(16000, dtype=np.float32)) == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(recogniser, bad):
    samples = np.full(16000, 0.1, dtype=np.float32)
    samples[100] = bad
    with pytest.raises(ValueError, match="finite"):
        recogniser.transcribe(samples)
    with pytest.raises(ValueError, match="mono"):
        recogniser.transcribe(np.zeros((2, 16000), dtype=np.float32))


@pytest.mark.parametrize("vocabulary", [[], ["Upper"], ["two words"], ["<s>"], [""], ["read(2)"], ["5"]])
def test_an_invalid_vocabulary_is_refused(vocabulary):
    with pytest.raises(ConfigError):
        PocketSphinx(vocabulary)


# --- whisper and CTC, on tiny models that hear noise


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recognisers")
    tinyhub.save_whisper(folder / "whisper")
    tinyhub.save_whisper(folder / "whisper.en", multilingual=False)
    tinyhub.save_hubert_ctc(folder / "hubert")
    return folder


@pytest.fixture(params=["whisper", "hubert"])
def pretrained(request, folders):
    return {"whisper": Whisper, "hubert": HubertCtc}[request.param](VOCABULARY, model=str(folders / request.param))


def noise(seconds, seed=0):
    """Noise whose colour depends on the seed."""
    white = 0.1 * np.random.default_rng(seed).standard_normal(int(16000 * seconds))
    return lfilter([1.0], [1.0, (-0.9, 0.9, 0.0)[seed % 3]], white).astype(np.float32)


def test_pretrained_follow_the_protocol(pretrained, folders):
    plain: Transcriber = pretrained
    assert plain.sample_rate == 16000
    assert re.fullmatch(r"(whisper|hubert_ctc)\|(whisper|hubert)@[0-9a-f]{8}\|.*greedy.*", plain.signature)
    assert type(pretrained)([], model=str(folders / pretrained.signature.split("|")[1].split("@")[0])).signature == (
        plain.signature
    ), "the vocabulary plays no part"
    assert hub.missing(pretrained) == ""


def test_pretrained_transcripts_do_not_depend_on_earlier_clips(pretrained):
    clips = [noise(seconds, seed) for seed, seconds in enumerate((0.4, 1.3, 2.0))]
    forward = [pretrained.transcribe(one) for one in clips]
    assert [pretrained.transcribe(one) for one in reversed(clips)] == forward[::-1]
    assert len(set(forward)) == 3 and all(text.strip() == text for text in forward)
    assert used_generators(lambda: pretrained.transcribe(clips[1])) == []


@pytest.mark.parametrize("length", [0, 1, 410, 799])
def test_pretrained_transcripts_of_silence_are_empty(pretrained, length):
    assert pretrained.transcribe(np.full(length, 0.5, np.float32)) == ""
    assert pretrained.transcribe(np.zeros(16000, np.float32)) == ""
    for bad in (np.full(16000, np.nan, np.float32), np.zeros((2, 16000), np.float32)):
        with pytest.raises(ValueError, match="finite mono samples"):
            pretrained.transcribe(bad)


def test_ctc_decoding_of_a_worked_example():
    """Two equal letters need a blank between them; what stands for no letter is left out."""
    labels = ["<pad>", "<unk>", "|", "h", "e", "l", "o"]
    tokenizer = SimpleNamespace(
        convert_ids_to_tokens=lambda ids: [labels[one] for one in ids],
        word_delimiter_token="|",
        all_special_tokens=["<pad>", "<unk>", "|"],
    )
    assert spell([0, 3, 3, 4, 5, 0, 5, 5, 1, 6, 0, 2, 2, 6, 6, 3], tokenizer) == "hello oh"
    assert spell([0, 0, 0], tokenizer) == "" == spell([], tokenizer)


def test_hubert_agrees_with_transformers(folders):
    """Against the model as its documentation runs it."""
    from transformers import AutoProcessor, HubertForCTC

    model, processor = (kind.from_pretrained(folders / "hubert") for kind in (HubertForCTC, AutoProcessor))
    for seed in range(3):
        given = processor(noise(1.5, seed), sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            labels = model.eval()(**given).logits.argmax(dim=-1)
        text = re.sub("<[a-z]+>|</s>", "", processor.batch_decode(labels)[0])
        heard = HubertCtc([], model=str(folders / "hubert")).transcribe(noise(1.5, seed))
        assert heard == " ".join(text.lower().split()) and len(heard) > 20


def test_whisper_decodes_greedily(folders):
    """Against a loop over the network alone, which knows nothing of ``generate``."""
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    kinds = (WhisperForConditionalGeneration, WhisperProcessor)
    model, processor = (kind.from_pretrained(folders / "whisper") for kind in kinds)
    settings, number = model.eval().generation_config, processor.tokenizer.convert_tokens_to_ids
    for language in ("en", "de"):
        for seed in range(2):
            mel = processor(noise(1.5, seed), sampling_rate=16000, return_tensors="pt").input_features
            prompt = ["<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>"]
            tokens = [number(token) for token in prompt]
            while len(tokens) < len(prompt) + settings.max_length and tokens[-1] != settings.eos_token_id:
                with torch.no_grad():
                    scores = model(mel, decoder_input_ids=torch.tensor([tokens])).logits[0, -1]
                scores[settings.suppress_tokens] = -torch.inf
                if len(tokens) == len(prompt):
                    scores[settings.begin_suppress_tokens] = -torch.inf
                tokens.append(int(scores.argmax()))
            text = processor.tokenizer.decode(tokens[len(prompt) :], skip_special_tokens=True)
            whisper = Whisper([], model=str(folders / "whisper"), language=language)
            assert whisper.transcribe(noise(1.5, seed)) == text.strip() != ""


def test_whisper_beams_and_languages(folders):
    model = str(folders / "whisper")
    assert "|beams:3|" in Whisper([], model=model, beams=3).signature
    assert isinstance(Whisper([], model=model, beams=3).transcribe(noise(1.0)), str)
    assert isinstance(Whisper([], model=str(folders / "whisper.en")).transcribe(noise(1.0)), str)
    with pytest.raises(ConfigError, match=r"knows no language 'fr': it knows de, en"):
        Whisper([], model=model, language="fr").transcribe(noise(1.0))
    with pytest.raises(ConfigError, match=r"knows no language 'de': it knows en;"):
        Whisper([], model=str(folders / "whisper.en"), language="de").transcribe(noise(1.0))
    for options in ({"beams": 0}, {"beams": 1.5}, {"language": 3}, {"language": "<|en|>"}):
        with pytest.raises(ConfigError, match="whisper's"):
            Whisper([], model=model, **options)


@pytest.mark.parametrize("seconds", [0.5, 29.9, 30.0, 30.1, 75.0])
def test_pieces_of_long_clips_cover_them(seconds):
    samples = noise(seconds)
    cut = list(pieces(samples))
    assert np.array_equal(np.concatenate(cut), samples)
    assert all(len(piece) <= 30 * 16000 for piece in cut)
    assert all(len(piece) >= 20 * 16000 for piece in cut[:-1]) and (len(cut) > 1) == (seconds > 30)


def test_a_long_clip_is_cut_at_its_pause(folders, monkeypatch):
    samples = noise(50.0)
    samples[int(25.0 * 16000) : int(25.6 * 16000)] *= 1e-3
    first, second = pieces(samples)
    assert 25.0 < len(first) / 16000 < 25.6
    whisper = Whisper([], model=str(folders / "whisper"))
    assert whisper.transcribe(samples) == f"{whisper.transcribe(first)} {whisper.transcribe(second)}"
    assert whisper.transcribe(samples) != whisper.transcribe(samples[: 30 * 16000]), "the end is not dropped"
