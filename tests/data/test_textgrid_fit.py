"""Whether phones fit the sound: LJSpeech clips with their own TextGrids, with those of other clips, and shifted."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from tinycorpus import prepared

from ttsbench.data.textgrid import FIT_S, fitted, read_textgrid
from ttsbench.data.textgrid_fit import require_fit, sound_fit
from ttsbench.errors import ClipError
from ttsbench.types import Phone


@pytest.fixture(scope="module")
def clips(speech_data):
    """Id -> samples, sample rate and phones of 58 clips."""
    folder = speech_data / "ljspeech-mini"
    return {
        path.stem: (*soundfile.read(folder / "wavs" / f"{path.stem}.wav", dtype="float32"), read_textgrid(path))
        for path in sorted((folder / "TextGrid").glob("*.TextGrid"))
    }


def fits(samples, rate, phones):
    try:
        ended = fitted(phones, len(samples) / rate, Path("a.TextGrid"))
        require_fit(ended, samples, rate, Path("a.TextGrid"))
    except ClipError as error:
        assert "a.TextGrid do not fit the sound" in str(error) or "a.TextGrid ends at" in str(error)
        return False
    return True


def test_own_textgrids_pass_and_those_of_clips_of_the_same_length_do_not(clips):
    assert all(fits(*clip) for clip in clips.values())
    length = {id_: len(samples) / rate for id_, (samples, rate, _) in clips.items()}
    pairs = [(a, b) for a, b in permutations(clips, 2) if abs(length[a] - length[b]) < FIT_S]
    passed = [fits(*clips[a][:2], clips[b][2]) for a, b in pairs]
    assert len(pairs) > 40
    assert np.mean(passed) < 0.2


def test_shifted_phones_are_refused(clips):
    passed = []
    for samples, rate, phones in clips.values():
        end_s = len(samples) / rate
        later = [Phone(p.label, p.start_s + 0.3, min(end_s, p.end_s + 0.3)) for p in phones if p.start_s + 0.3 < end_s]
        passed.append(fits(samples, rate, [Phone("SIL", 0.0, 0.3), *later]))
    assert np.mean(passed) < 0.1


def test_few_phones_and_silent_clips_are_not_judged(clips):
    samples, rate, phones = clips["LJ001-0002"]
    assert sound_fit(phones[:8], samples, rate) is None
    require_fit(phones, np.zeros(rate, np.float32), rate, Path("a.TextGrid"))


def test_the_textgrid_of_another_clip_is_excluded_and_counted(tmp_path, monkeypatch, speech_data):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    source, corpus = speech_data / "ljspeech-mini", tmp_path / "corpus"
    metadata = [line.split("|") for line in (source / "metadata.csv").read_text(encoding="utf-8").splitlines()]
    chosen = sorted(metadata, key=lambda row: soundfile.info(source / "wavs" / f"{row[0]}.wav").frames)[8:22]
    ids = [row[0] for row in chosen]
    for name in ("wavs", "TextGrid"):
        (corpus / name).mkdir(parents=True)
    (corpus / "metadata.csv").write_text("\n".join(f"{row[0]}|{row[-1]}" for row in chosen), encoding="utf-8")
    for id_, grid in zip(ids, [ids[1], ids[0], *ids[2:]], strict=True):
        (corpus / "wavs" / f"{id_}.wav").symlink_to(source / "wavs" / f"{id_}.wav")
        (corpus / "TextGrid" / f"{id_}.TextGrid").symlink_to(source / "TextGrid" / f"{grid}.TextGrid")
    run = prepared(tmp_path, corpus)
    excluded = pd.read_csv(run.layout.prepare / "excluded.csv").set_index("id")["reason"]
    assert sorted(excluded.index) == sorted(ids[:2])
    assert excluded.str.contains("Give the TextGrid of this clip|give the TextGrid of this clip").all()
