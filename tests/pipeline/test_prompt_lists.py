"""Prompt lists and languages: the lists of zero-shot benchmarks are scored without reference recordings."""

import re
from dataclasses import replace

import pandas as pd
import pytest
import soundfile
import tinyhub
from speechlike import speechlike

from metrics.intelligibility import CharacterErrorRate, WordErrorRate, edit_counts
from ttsbench import Clip, MeasurementError, cli
from ttsbench.backends.transcribers.whisper import Whisper
from ttsbench.data.normalisers import Characters, English, Spoken, WhisperBasic, WhisperEnglish, spell_number
from ttsbench.errors import ClipError, ConfigError

RATE = 16000


@pytest.fixture
def folder(tmp_path):
    """Two prompts and a system with two clips."""
    for name, pitch in (("prompts/p1", 120.0), ("prompts/p2", 200.0), ("mine/u1", 125.0), ("mine/u2", 190.0)):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.4 * speechlike(1.3, pitch, RATE), RATE)
    return tmp_path


def score(root, *more):
    arguments = ["score", "--list", str(root / "meta.lst"), "--generated", f"mine={root / 'mine'}", "--jobs", "1"]
    arguments += ["--set", "statistics.resamples=100", *more, "--output", str(root / "run"), "--quiet"]
    return cli.main(arguments)


def cells(root):
    return pd.read_csv(root / "run" / "summary.csv").set_index(["metric", "system"])


def test_english_list_is_scored_offline_without_recordings(folder, capsys):
    lines = ("u1|see no may|prompts/p1.wav|two law see", "u2|law two|prompts/p2.wav|may see no")
    (folder / "meta.lst").write_text("\n".join(lines))
    assert score(folder, "--metrics", "wer,bad_cases,speaker_similarity_prompt") == 0
    table = cells(folder)
    assert list(table.loc["wer"].index) == ["prompt", "mine"]
    assert table.loc["wer", "n"].tolist() == [2, 2]
    assert table.loc[("speaker_similarity_prompt", "prompt"), "value"] == pytest.approx(1.0)
    assert table.loc[("speaker_similarity_prompt", "mine"), "value"] < 0.999
    assert score(folder, "--metrics", "mcd") == 2
    assert "The metric 'mcd' needs recordings" in capsys.readouterr().err


def test_recordings_of_a_list_are_the_ground_truth(folder):
    (folder / "real").mkdir()
    for id_ in ("u1", "u2"):
        soundfile.write(folder / "real" / f"{id_}.wav", 0.4 * speechlike(1.2, 123.0, RATE), RATE)
    rows = [
        "prompt_wav,text,id,recording,language",
        *(f"prompts/p{n}.wav,see no,u{n},real/u{n}.wav,en" for n in (1, 2)),
    ]
    (folder / "meta.lst").write_text("\n".join(rows))
    assert score(folder, "--metrics", "mcd,gv_ratio") == 0
    assert list(cells(folder).loc["mcd"].index) == ["ground-truth", "prompt", "mine"]
    assert cells(folder).loc[("mcd", "ground-truth"), "value"] == 0.0


def test_chinese_list_runs_offline_with_whisper_and_wavlm(folder):
    tinyhub.save_whisper(folder / "whisper", also=["zh"])
    tinyhub.save_wavlm(folder / "wavlm", head="xvector")
    lines = ("u1|你好|prompts/p1.wav|今天是2025年", "u2|谢谢|prompts/p2.wav|我有3只猫。")
    (folder / "meta.lst").write_text("\n".join(lines), encoding="utf-8")
    options = ("transcriber.name=whisper", f"transcriber.options.model={folder / 'whisper'}",
               f"metrics.speaker_similarity_wavlm_prompt.model={folder / 'wavlm'}")  # fmt: skip
    metrics = "cer,bad_cases,speaker_similarity_wavlm_prompt"
    assert score(folder, "--language", "zh", "--metrics", metrics, "--set", *options) == 0
    table = cells(folder)
    assert table.loc["cer", "n"].tolist() == [2, 2]
    signature = table.loc[("cer", "mine"), "signature"]
    assert signature.startswith("cer|characters:v1:zh|spaces:none|corpus|whisper|")
    assert "|zh|" in signature


@pytest.mark.parametrize(
    ("lines", "arguments", "words"),
    [
        ("u1|a|prompts/nowhere.wav|b", (), "line 1 .* no such file"),
        ("u1|a|prompts/p1.wav|", (), "line 1 .* no text"),
        ("id,text,language\nu1,a,en\nu2,b,de", ("--metrics", "wer"), "pocketsphinx' knows en only"),
        ("u1|a|prompts/p1.wav|b", ("--metrics", "wer", "--language", "de"), "pocketsphinx' knows en only"),
        ("u3|a|prompts/p1.wav|b", (), "matched by stem"),
    ],
)
def test_lists_that_cannot_be_scored_are_refused(folder, capsys, lines, arguments, words):
    (folder / "meta.lst").write_text(lines)
    assert score(folder, *arguments) == 2
    assert re.search(words, capsys.readouterr().err)


def test_score_needs_recordings_or_a_list(folder, capsys):
    assert cli.main(["score", "--generated", f"mine={folder / 'mine'}", "--output", str(folder / "run")]) == 2
    assert "--reference DIR" in capsys.readouterr().err


def test_a_text_that_english_cannot_read_is_refused(folder):
    """The numeral alone would be scored: two words of a sentence of seven characters."""
    (folder / "meta.lst").write_text("u1|a|prompts/p1.wav|今天是2025年\nu2|a|prompts/p2.wav|see no", encoding="utf-8")
    assert score(folder, "--metrics", "wer") == 1
    row = cells(folder).loc[("wer", "mine")]
    assert (row["n"], row["n_failed"]) == (1, 1)
    assert "English has no reading of '今天是年'" in (folder / "run" / "failures.csv").read_text(encoding="utf-8")


LANGUAGES = """prompt_wav,prompt_text,text,id,language
prompts/p1.wav,zwei Hunde,am 1. Mai,u1,de
prompts/p2.wav,two dogs,21 cats,u2,en
"""


def test_each_utterance_is_read_in_its_own_language():
    metric = WordErrorRate(language="de+en")
    clips = {
        language: Clip("u", speechlike(0.5), 22050, text="21", transcript=transcript, language=language)
        for language, transcript in (("de", "einundzwanzig"), ("en", "twenty one"), ("", "einundzwanzig"))
    }
    for clip in clips.values():
        assert metric.measure(clip, clip)[0] == 0.0
    assert metric.measure(replace(clips["de"], language="en"), clips["de"])[0] > 0
    assert metric.measure(replace(clips["en"], language="en-GB"), clips["en"])[0] == 0.0
    with pytest.raises(MeasurementError, match=r"clip 'u' is in 'fr', and the language of the run is 'de\+en'"):
        metric.measure(replace(clips["de"], language="fr"), clips["de"])
    assert metric.info.signature.startswith("wer|spoken:v")
    assert ":de & words:" in metric.info.signature


def test_words_and_characters_have_no_common_word_error_rate():
    with pytest.raises(ConfigError, match="'wer' cannot join the languages zh, en"):
        WordErrorRate(language="zh+en")
    both = CharacterErrorRate(language="zh+en")
    assert "|spaces:none&yes|" in both.info.signature
    clips = (("zh", "今天 好", "今天好", 0.0, 3.0), ("en", "to day", "today", 1.0, 6.0))
    for language, text, transcript, errors, characters in clips:
        clip = Clip("u", speechlike(0.5), 22050, text=text, transcript=transcript, language=language)
        assert both.measure(clip, clip) == (errors, characters)


def test_a_list_in_two_languages_is_scored(folder):
    (folder / "meta.lst").write_text(LANGUAGES)
    tinyhub.save_whisper(folder / "whisper")
    options = ("transcriber.name=whisper", f"transcriber.options.model={folder / 'whisper'}")
    assert score(folder, "--metrics", "wer,bad_cases", "--set", *options) == 0
    row = cells(folder).loc[("wer", "mine")]
    assert row["n"] == 2
    assert "|de+en|greedy" in row["signature"]


def test_whisper_takes_the_language_of_each_clip(tmp_path):
    tinyhub.save_whisper(tmp_path)
    both, samples = Whisper([], str(tmp_path), "de+en"), 0.4 * speechlike(1.3, 125.0, RATE)
    for language in ("de", "en"):
        assert both.in_language(language).transcribe(samples) == Whisper([], str(tmp_path), language).transcribe(
            samples
        )
    assert both.in_language("").transcribe(samples) == both.in_language("de").transcribe(samples)
    with pytest.raises(ConfigError, match=r"A clip is in 'fr', and whisper's language is 'de\+en'"):
        both.in_language("fr")


def test_languages_of_a_list_are_named_in_full(folder, capsys):
    (folder / "meta.lst").write_text(LANGUAGES.replace(",u2,en", ",u2,"))
    assert score(folder, "--metrics", "cer") == 2
    assert "gives no language for 'u2', but for other sentences" in capsys.readouterr().err
    (folder / "meta.lst").write_text(LANGUAGES)
    assert score(folder, "--metrics", "cer", "--language", "de") == 2
    assert "has 'u2' in 'en', but --language is 'de'" in capsys.readouterr().err


# Normalisers


@pytest.mark.parametrize(
    ("normaliser", "text", "units"),
    [
        (English("en"), "Don't pay $5.", "do not pay five dollars"),
        (Spoken("de"), "Er zahlte 2,5 Euro; es geht’s!", "er zahlte zwei komma fünf euro es geht's"),
        (Spoken("de"), "Am 1. Mai, im 19. Jahrhundert", "am erste mai im neunzehnte jahrhundert"),
        (
            Spoken("de"),
            "am ersten Mai; der erste; 24.12.2024",
            "am erste mai der erste vierundzwanzigste zwölfte zweitausendvierundzwanzig",
        ),
        (Spoken("de"), "Er ist 21. Dann 1.000", "er ist einundzwanzig dann eintausend"),
        (Spoken("fr"), "L’été de 1998", "l'été de mille neuf cent quatre vingt dix huit"),
        (Spoken("hi"), "नमस्ते दुनिया", "नमस्ते दुनिया"),
        (Characters("zh"), "今天是2025年，10.5元。", "今 天 是 二 零 二 五 年 十 点 五 元"),
        (Characters("ja"), "東京は25度", "東 京 は 二 十 五 度"),
        (Characters("ko"), "3일", "삼 일"),
        (WhisperEnglish("en"), "Mr. Smith's colour, twenty-five", "mister smith is color 25"),
        (WhisperBasic("de"), "Ja, „genau“!", "ja genau"),
        (WhisperBasic("zh"), "今天", "今 天"),
    ],
)
def test_normaliser_gives_the_units_of_its_language(normaliser, text, units):
    assert normaliser.units(text) == units.split()


def test_normalisers_agree_with_the_published_program():
    """transformers has a copy of Whisper's normalisers, written independently of the package."""
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    english, basic = EnglishTextNormalizer({}), BasicTextNormalizer()
    for text in ("Mr. O'Neil won't pay $20 million, 3.5%", "He [laughs] said twenty one (aside)", "ÄÖ & co., l'été"):
        assert WhisperBasic("de").units(text) == basic(text).split()
        if text.isascii():
            assert WhisperEnglish("en").units(text) == english(text).split()


@pytest.mark.parametrize(
    ("number", "language", "reading"),
    [
        ("1010", "zh", "一千零一十"), ("10", "zh", "十"), ("20003", "zh", "二万零三"),
        ("100000000", "zh", "一亿"), ("0.05", "zh", "零点零五"), ("1.234,5", "de", None), ("7", "xx", "7"),
    ],
)  # fmt: skip
def test_numbers_are_spelled(number, language, reading):
    spelled = spell_number(number, language)
    assert spelled == reading if reading else spelled.startswith("eintausend")


def test_what_a_normaliser_cannot_read_is_refused():
    with pytest.raises(ClipError, match="Привет"):
        English("en").units("Привет")
    for kind in (English, WhisperEnglish):
        with pytest.raises(ConfigError, match="cannot read 'de'"):
            kind("de")


def test_transcript_in_another_script_counts_as_errors():
    from ttsbench.types import Clip

    clip = Clip("u", speechlike(1.2, 120.0, RATE), RATE, "see no may", transcript="see 今天 may")
    assert WordErrorRate().measure(clip, clip) == (1.0, 3.0, 1.0, 0.0, 0.0)


def test_edits_are_counted_by_kind_as_jiwer_counts_them():
    import jiwer

    for text, transcript in (("a b c d", "a x c"), ("a b", "b a c c"), ("a", ""), ("one two three", "two three four")):
        output = jiwer.process_words(text, transcript)
        substitutions, deletions, insertions = edit_counts(text.split(), transcript.split())
        assert substitutions + deletions + insertions == output.substitutions + output.deletions + output.insertions
        assert deletions - insertions == output.deletions - output.insertions


def test_normaliser_of_the_option_is_in_the_signature():
    assert WordErrorRate().info.signature == "wer|words:v3+contractions:v1|corpus"
    assert WordErrorRate(normaliser="whisper_english").info.signature.startswith("wer|whisper-english:")
    assert WordErrorRate(language="de").info.signature == "wer|spoken:v2:de|corpus"


@pytest.mark.slow
def test_explain_attributes_a_gap_to_its_parts(folder, capsys):
    """Two runs differ only in whether numbers are spelled out, so the normaliser explains the whole gap."""
    lines = ("u1|see no may|prompts/p1.wav|2 law see", "u2|law two|prompts/p2.wav|may see no")
    (folder / "meta.lst").write_text("\n".join(lines))
    assert score(folder, "--metrics", "wer") == 0
    (folder / "run").rename(folder / "first")
    assert score(folder, "--metrics", "wer", "--set", "metrics.wer.normaliser=plain") == 0
    capsys.readouterr()
    assert cli.main(["explain", str(folder / "first"), str(folder / "run")]) == 0
    text = capsys.readouterr().out
    assert "- words:v3+contractions:v1 against plain:v1" in text
    cells = [cell.strip() for cell in next(line for line in text.splitlines() if line.startswith("| mine")).split("|")]
    first, second, difference, normaliser, recogniser, rest = map(float, cells[2:8])
    assert difference == pytest.approx(second - first, abs=1e-3)
    assert (recogniser, rest) == (0.0, 0.0)
    assert normaliser == pytest.approx(difference, abs=1e-3)


def test_protocol_sets_metrics_normaliser_and_recogniser(folder, capsys):
    tinyhub.save_whisper(folder / "whisper")
    tinyhub.save_wavlm(folder / "wavlm", head="xvector")
    (folder / "meta.lst").write_text("u1|see no may|prompts/p1.wav|two law see\nu2|law|prompts/p2.wav|may see no")
    options = ("--set", f"transcriber.options.model={folder / 'whisper'}",
               f"metrics.speaker_similarity_wavlm_prompt.model={folder / 'wavlm'}")  # fmt: skip
    assert score(folder, "--protocol", "seed-tts-en", *options) == 0
    table = cells(folder)
    rate = table.loc[("wer_utterances", "mine")]
    assert rate["signature"].startswith("wer_utterances|plain:v1|mean:utterances|whisper|")
    rows = pd.read_csv(folder / "run" / "scores" / "wer.csv").query("system == 'mine'")
    assert rate["value"] == pytest.approx((rows["errors"] / rows["words"]).mean(), rel=1e-5)
    assert table.loc[("wer", "mine"), "value"] == pytest.approx(rows["errors"].sum() / rows["words"].sum(), rel=1e-5)
    assert rows["errors"].equals(rows["substitutions"] + rows["deletions"] + rows["insertions"])
    assert "The encoder is WavLM base plus" in (folder / "run" / "table.md").read_text()
    assert score(folder, "--protocol", "seed-tts-eng") == 2
    assert "Did you mean 'seed-tts-en'?" in capsys.readouterr().err
