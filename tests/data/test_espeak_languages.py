"""The embedded corpus in other languages: prepared, trained for 50 steps and scored."""

import pandas as pd
import pytest
import tinyhub
import yaml
from tinycorpus import TINY
from tinyrun import compare

from ttsbench.data.espeak.corpus import EspeakCorpus
from ttsbench.data.espeak.voice import speak
from ttsbench.data.textgrid import read_textgrid
from ttsbench.errors import CorpusError


def test_sentences_are_spelled_in_the_language(tmp_path):
    german = EspeakCorpus(tmp_path / "de", minutes=0.1, renderings=1, language="de")
    chinese = EspeakCorpus(tmp_path / "zh", minutes=0.1, renderings=1, language="zh")
    assert all("ig" in each.text or "zehn" in each.text or "hundert" in each.text for each in german.utterances())
    assert all(set(each.text) <= set("零一二三四五六七八九十百, .") for each in chinese.utterances())
    labels = {phone.label.rstrip("12") for each in german.utterances() for phone in read_textgrid(each.textgrid)}
    assert {"ts", "ʊ", "SIL"} <= labels  # zwei, und
    assert not german.redrawable


def test_a_language_that_espeak_does_not_know_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no voice 'tlh"):
        EspeakCorpus(tmp_path, minutes=0.1, language="tlh").utterances()


@pytest.mark.parametrize("language", ["af", "el", "fr", "hi", "ja", "ru", "sw", "vi"])
def test_numbers_are_spoken_in_many_languages(language):
    from itertools import islice

    import numpy as np

    from ttsbench.data.espeak.prosody import SPEAKERS
    from ttsbench.data.espeak.text import number_sentences

    phrases = next(islice(number_sentences(np.random.default_rng(0), language), 1))
    speech = speak(phrases[0], SPEAKERS["mike2"].in_language(language).voice)
    assert sum(bool(event.phone) for event in speech.events) > 3


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "zh"])
def test_corpus_prepares_trains_and_scores(language, tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    tinyhub.save_whisper(tmp_path / "whisper", also=["zh"])
    training = {role: {**TINY["train"][role], "steps": 50} for role in ("acoustic", "prosody")}
    values = {
        **TINY,
        "corpus": {"name": "espeak", "language": language, "test": 2, "valid": 1, "options": {"minutes": 0.4}},
        "adapters": {"l1": {}},
        "systems": ["l1+oracle"],
        "train": training,
        "transcriber": {"name": "whisper", "options": {"model": str(tmp_path / "whisper")}},
        "metrics": {"mcd": {}, "wer": {}, "cer": {}},
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    result = compare(tmp_path / "x.yaml", "--output", tmp_path / "run", "--quiet", "--jobs", "1")
    assert result.status == 0, result.err
    table = pd.read_csv(tmp_path / "run" / "summary.csv").set_index(["metric", "system"])
    assert (table["n"] >= 2).all()
    assert (table["n_failed"] == 0).all()
    kind = "characters:v1:zh" if language == "zh" else "spoken:v2:de"
    assert table.loc[("cer", "l1+oracle"), "signature"].startswith(f"cer|{kind}|")
    refused = compare(tmp_path / "x.yaml", "--set", "transcriber={name: pocketsphinx}", "--output", tmp_path / "no")
    assert refused.status == 2
