"""The page of a run: everything that is on it, and nothing that could run."""

import json
import re
import shutil
import tomllib
import zipfile
from fnmatch import fnmatch
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import jiwer
import numpy as np
import pytest
import soundfile
from page_run import HOSTILE, LABEL, TEXTS, make_run
from PIL import Image
from speechlike import speechlike
from tinycorpus import SAMPLE_RATE, TINY

from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.config.schema import MelConfig
from ttsbench.errors import ClipError, TtsbenchError
from ttsbench.evaluation.clip_record import wav_path
from ttsbench.evaluation.test_set import EvaluatedUtterance
from ttsbench.reporting.page import mark_outdated, write_page
from ttsbench.reporting.page.pack import write_pack
from ttsbench.reporting.page.selection import spread
from ttsbench.reporting.page.spectrogram import LINE, picture
from ttsbench.reporting.page.transcript import align, compare_words

REPOSITORY = Path(__file__).resolve().parents[2]


class Parsed(HTMLParser):
    """Elements with their attributes, text by element, and what stands in JSON."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.scripts, self.data, self._script = [], [], 0, {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.elements.append((tag, values))
        if tag == "script":
            self.scripts += 1
            self._script = values

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is None:
            self.text.append(data)
        elif self._script.get("type") == "application/json":
            self.data = json.loads(data)

    def of(self, tag):
        return [values for name, values in self.elements if name == tag]

    @property
    def shown(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("page") / "run")
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def parsed(run):
    return Parsed((run / "index.html").read_text(encoding="utf-8"))


# Contents


def test_text_of_a_corpus_stays_text(parsed):
    assert not [values for values in parsed.of("img") if values["src"] == "x"]
    assert not [name for _, values in parsed.elements for name in values if name.startswith("on")]
    assert parsed.scripts == 4  # three of its own, one of data
    hostile = " ".join(HOSTILE.replace("`", "").split())
    for where in ("Copy ", "Note ", "MCD ", "Forest ", "it diverged ", "ttsbench compare "):
        assert where + hostile in parsed.shown.replace("`", ""), where
    assert LABEL in parsed.shown
    assert parsed.data["title"] == HOSTILE
    assert {trial["text"] for trial in parsed.data["trials"]} == set(TEXTS.values())


def test_only_its_own_scripts_may_run_and_nothing_may_be_fetched(parsed):
    policy = next(values["content"] for values in parsed.of("meta") if "http-equiv" in values)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split(";")[1]
    assert not {"connect-src", "http:", "https:", "*"} & set(policy.replace(";", " ").split())


def test_every_address_is_a_file_beside_the_page(run, parsed):
    found = [values[name] for _, values in parsed.elements for name in ("src", "href") if name in values]
    found += [clip["audio"] for trial in parsed.data["trials"] for clip in trial["clips"].values()]
    files = [address for address in found if not address.startswith("#")]
    assert len(files) > 60
    for address in files:
        assert not re.match(r"/|[a-z]+:|.*\.\./", address), address
        assert (run / unquote(address)).is_file(), address


def test_the_table_needs_no_script(parsed):
    shown = parsed.shown
    assert "6.25 [5.75, 6.50]" in shown  # two digits of the interval's half width
    assert "4.12 † (best) [3.62, 4.38]" in shown
    assert "0/6" in shown  # nothing measured: no number, and the count
    best = [values for values in parsed.of("td") if values.get("class") == "best"]
    assert [values["data-order"] for values in best] == ["4.125"]
    heads = [values for values in parsed.of("th") if "data-better" in values]
    assert [(values["data-better"], values["title"]) for values in heads] == [
        ("lower", f"mcd|{HOSTILE}"),
        ("lower", "wer|v1"),
    ]


def test_the_sentence_says_what_was_run(parsed):
    expected = "Corpus folder, 3 utterances, 3 systems, 2 training seeds (0, 3), 1 draw per utterance; "
    assert expected + "computed on 2 cores (Chip) on 3 February 2024." in parsed.shown


def test_claims_have_their_verdict_in_words_and_their_evidence(parsed):
    verdicts = [values["class"] for values in parsed.of("span") if values.get("class", "").startswith("verdict")]
    assert verdicts == ["verdict supported", "verdict unjudged"]
    assert "0.123 [0.05, 0.2], n = 60, 2 seeds, MDE 0.01" in parsed.shown
    assert "not evaluated C2 other P. Not evaluated: unit tested." in parsed.shown


def test_each_clip_has_its_own_scores_and_its_own_transcript(run, parsed):
    shown = parsed.shown
    assert "7.13" in shown or "7.12" in shown  # 4.125 + 3: that of the second seed alone
    assert shown.count("WER (%) 25.0") == 3 * (2 + 3 * 2)
    assert "it diverged" in shown
    assert f"none: no {LABEL[:4]}" not in shown  # the reason is whole: it begins with the closing tag
    assert "no </script>" in shown
    # "see no may two" against "see script img src x onerror alert one and code seven seven"
    words = jiwer.process_words("see no may two", "see script img src x onerror alert one and code seven seven")
    errors = words.substitutions + words.deletions + words.insertions
    assert f"transcript, {errors} errors in 4 words" in shown


def test_recordings_have_no_seed(parsed):
    names = [values["aria-label"] for values in parsed.of("audio")]
    assert "ground-truth: see no may two" in names
    assert "a+oracle, seed 3: see no may two" in names


def test_a_page_again_forgets_what_it_no_longer_shows(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert len(list((copy / "clips").glob("*.png"))) == 3 * 8 - 2
    write_page(copy, ["u1"])
    assert len(list((copy / "clips").glob("*.png"))) == 8
    with pytest.raises(TtsbenchError, match="no utterance 'u9'"):
        write_page(copy, ["u9"])


def test_a_copy_without_audio_says_so(run, tmp_path):
    """As the results that are committed: tables and figures, neither sound nor rows."""
    for name in ("summary.csv", "table.json", "provenance.json", "claims.csv"):
        shutil.copy(run / name, tmp_path / name)
    write_page(tmp_path)
    found = Parsed((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert "holds no audio" in found.shown
    assert not found.of("audio")
    assert "6.25" in found.shown
    assert "2 training seeds (0, 3)" in found.shown


@pytest.mark.parametrize("name", sorted(path.parent.name for path in REPOSITORY.glob("results/*/summary.csv")))
def test_committed_results_have_a_page(name, tmp_path):
    shutil.copytree(REPOSITORY / "results" / name, tmp_path / name)
    write_page(tmp_path / name)
    found = Parsed((tmp_path / name / "index.html").read_text(encoding="utf-8"))
    assert "copy-synthesis" in found.shown
    assert bool(found.of("figure")) == any((tmp_path / name / "figures").glob("*.png"))


def test_clips_that_went_missing_say_so(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "wavs" / "a+oracle" / "seed3")
    wav_path(copy / "wavs" / "a+oracle" / "seed0", "u0", 0).write_bytes(b"no audio")
    write_page(copy)
    shown = Parsed((copy / "index.html").read_text(encoding="utf-8")).shown
    assert shown.count("No clip: this copy of the run does not hold the clip.") == 3
    assert "u0.wav is not a readable audio file" in shown


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(TtsbenchError, match=r"no summary\.csv"):
        write_page(tmp_path)


# Parts


def test_words_are_aligned_with_the_fewest_edits():
    rng = np.random.default_rng(0)
    for _ in range(50):
        text, transcript = (rng.choice(["a", "b", "c"], rng.integers(1, 8)).tolist() for _ in range(2))
        pairs = align(text, transcript)
        assert [one.text for one in pairs if one.text] == text
        assert [one.recognised for one in pairs if one.recognised] == transcript
        expected = jiwer.process_words(" ".join(text), " ".join(transcript))
        edits = expected.substitutions + expected.deletions + expected.insertions
        assert sum(one.text != one.recognised for one in pairs) == edits


def test_words_are_those_that_error_rates_count():
    assert compare_words("Dr. Smith can't!", "doctor smith can not") == [
        (w, w) for w in ("doctor", "smith", "can", "not")
    ]
    assert compare_words("two words", "") == [("two", ""), ("words", "")]


def test_the_choice_goes_round_the_speakers_and_repeats_no_text():
    listed = [EvaluatedUtterance(f"{s}{n}", f"{s} {n // 2}", s) for s in "xyz" for n in range(4 if s == "x" else 2)]
    assert [one.id for one in spread(listed)] == ["x0", "y0", "z0", "x2", "x1", "x3", "y1", "z1"]


def test_the_line_in_a_spectrogram_lies_where_its_f0_is():
    mel = MelConfig(**TINY["mel"])
    for f0 in (100.0, 300.0):
        time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        voice = sum(np.cos(2 * np.pi * k * f0 * time) / k for k in range(1, int(7000 / f0)))
        image = Image.open(BytesIO(picture((0.1 * voice).astype(np.float32), mel)))
        rows = np.nonzero(np.asarray(image) == LINE)[0]
        expected = (1 - np.log(f0 / F0_MIN) / np.log(F0_MAX / F0_MIN)) * (image.height - 1)
        assert abs(np.median(rows) - expected) < 2
    with pytest.raises(ClipError, match="too few"):
        picture(np.zeros(100, np.float32), mel)


def test_a_long_clip_makes_no_wide_picture():
    mel = MelConfig(**TINY["mel"])
    image = Image.open(BytesIO(picture(speechlike(12.0, 120, SAMPLE_RATE), mel)))
    frames = 12 * SAMPLE_RATE // 256
    assert image.width == 2 * -(-frames // 2)  # 750 frames, two and two averaged


def test_templates_and_styles_are_installed():
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "ttsbench"
    ]
    for path in (REPOSITORY / "ttsbench" / "reporting" / "page").rglob("*.*"):
        name = str(path.relative_to(REPOSITORY / "ttsbench"))
        assert path.suffix in (".py", ".pyc") or any(fnmatch(name, pattern) for pattern in listed), name


def _luminance(colour):
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_has_the_contrast_of_wcag_aa():
    css = (REPOSITORY / "ttsbench" / "reporting" / "page" / "static" / "page.css").read_text()
    schemes = [dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)]
    assert len(schemes) == 2
    for scheme in schemes:
        pairs = [(text, ground) for text in ("text", "muted", "accent", "fault") for ground in ("page", "surface")]
        pairs += [("text", "best"), ("muted", "best"), ("fault", "best"), ("good", "page"), ("bad", "page"),
                  ("good", "surface"), ("bad", "surface"), ("good", "on-good"), ("bad", "on-bad"),
                  ("open", "on-open")]  # fmt: skip
        for text, ground in pairs:
            high, low = sorted((_luminance(scheme[text]), _luminance(scheme[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_verdicts_stand_before_the_results(parsed):
    assert parsed.shown.index("Verdicts on published claims") < parsed.shown.index("Choose columns")


def test_the_page_of_a_run_that_is_computed_again_says_so(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    write_page(copy)
    for _ in range(2):
        mark_outdated(copy)
    assert (copy / "index.html").read_text(encoding="utf-8").count("is being computed again") == 1
    write_page(copy)
    assert "is being computed again" not in (copy / "index.html").read_text(encoding="utf-8")
    mark_outdated(tmp_path)  # without a page there is nothing to mark


def test_a_pack_holds_the_page_with_its_clips_as_mp3(run, tmp_path):
    write_pack(run, tmp_path / "run.zip", ["u0"])
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        archive.extractall(tmp_path / "pack")
    text = (tmp_path / "pack" / "index.html").read_text(encoding="utf-8")
    assert "wavs/" not in text and re.search(r"Audio of this package: MP3 at \d+ kbit/s", text)
    addresses = set(re.findall(r'(?:src|href)="((?:audio|clips|figures)/[^"]+)"', text))
    assert addresses and all((tmp_path / "pack" / address).exists() for address in addresses)
    sounds = sorted((tmp_path / "pack" / "audio").iterdir())
    assert len(sounds) == len(re.findall(r"<audio ", text))
    assert soundfile.info(sounds[0]).format == "MP3"
    assert not (tmp_path / "pack" / "rows.parquet").exists()
