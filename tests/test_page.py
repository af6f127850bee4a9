"""The page of a run: everything that is on it, nothing that could run, and what happens where it is clicked."""

import csv
import json
import re
import shutil
import tomllib
from fnmatch import fnmatch
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import jiwer
import numpy as np
import pytest
import soundfile
from chromium import chromium
from PIL import Image
from scipy.stats import binomtest
from speechlike import speechlike
from tinycorpus import SAMPLE_RATE, TINY, tiny_experiment

from ttsbench.clips import Record, wav_path, write_failure, write_record
from ttsbench.config import MelConfig
from ttsbench.errors import ClipError, TtsbenchError
from ttsbench.evaluated import EvaluatedUtterance, write_listing
from ttsbench.page import write_page
from ttsbench.page.choice import spread
from ttsbench.page.heard import aligned, compared
from ttsbench.page.spectrogram import LINE, picture
from ttsbench.results import SUMMARY_COLUMNS
from ttsbench.store import write_json, write_text

REPOSITORY = Path(__file__).resolve().parent.parent
HOSTILE = "</script><img src=x onerror=alert(1)> & `code` {{ 7 * 7 }}"
LABEL = "<img src=x onerror=alert(1)>"  # may name a folder, as it has no slash
SYSTEMS = ["ground-truth", "copy-synthesis", "c+oracle", "a+oracle", LABEL]
TEXTS = {"u0": "see no may two", "u1": HOSTILE, 'u"2 #%': "law see may two"}
MCD = {"ground-truth": 0.0, "copy-synthesis": 3.5, "a+oracle": 6.25, LABEL: 4.125, "c+oracle": None}


def seeds_of(system):
    return [0] if system in SYSTEMS[:2] else [0, 3]


def write_rows(path, columns, value):
    """``value(system, seed, utterance)`` gives the columns, or a reason."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "seed", "sample", "utterance", *columns, "error", "warning"])
        for system in SYSTEMS:
            for seed in seeds_of(system):
                for id_ in TEXTS:
                    found = value(system, seed, id_)
                    failed = isinstance(found, str)
                    rows.writerow([system, seed, 0, id_, *(("",) * len(columns) if failed else found),
                                   found if failed else "", ""])  # fmt: skip


def write_summary(folder):
    with (folder / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(SUMMARY_COLUMNS)
        for system in SYSTEMS:
            value, failed = MCD[system], 6 if MCD[system] is None else 0
            numbers = ["", "", ""] if failed else [value, value - 0.5, value + 0.25]
            count = 3 * len(seeds_of(system))
            rows.writerow([system, "mcd", *numbers, count - failed, failed, "dB", "false", f"mcd|{HOSTILE}", ""])
            rows.writerow([system, "wer", 0.5, "", "", count, 0, "ratio", "false", "wer|v1", ""])


def write_clips(folder):
    """Every clip, but for one system that could not speak one utterance."""
    for number, system in enumerate(SYSTEMS):
        for seed in seeds_of(system):
            wavs = folder / "wavs" / system / f"seed{seed}"
            heard = {}
            for place, id_ in enumerate(TEXTS):
                if (system, id_) == ("c+oracle", "u0"):
                    write_failure(wavs, id_, 0, f"it diverged {HOSTILE}")
                    continue
                path = wav_path(wavs, id_, 0)
                path.parent.mkdir(parents=True, exist_ok=True)
                quiet = 0.25 if system == LABEL else 1.0
                soundfile.write(
                    path, quiet * speechlike(0.5 + 0.1 * place, 120 + 10 * number, SAMPLE_RATE), SAMPLE_RATE
                )
                write_record(wavs, id_, 0, Record(path))
                heard[f"{id_}#0"] = {"text": f"see {HOSTILE}"}
            write_json(folder / "transcripts" / system / f"seed{seed}" / "transcripts.json", {"clips": heard})


def make_run(folder):
    """A finished run, as far as the page reads one."""
    folder.mkdir(parents=True)
    experiment = tiny_experiment(None, metrics={"mcd": {}, "wer": {}}, seeds=[0, 3], title=HOSTILE)
    write_json(folder / "experiment.json", experiment.model_dump(mode="json"))
    write_listing(folder, [EvaluatedUtterance(id_, text, f"s{HOSTILE}") for id_, text in TEXTS.items()])
    write_summary(folder)
    write_json(folder / "table.json", {
        "title": HOSTILE, "references": SYSTEMS[:2], "notes": [f"Note {HOSTILE}", "`a+b`: two", "third", "fourth"],
        "signs": {"†": f"differs from {HOSTILE}"},
        "metrics": {"mcd": {"title": f"MCD {HOSTILE}", "best": [LABEL], "signs": {"†": [LABEL]}}},
    })  # fmt: skip
    write_rows(folder / "scores" / "mcd.csv", ["distortion_db"], lambda system, seed, id_: (
        f"no {HOSTILE}" if MCD[system] is None else (MCD[system] + seed,)))  # fmt: skip
    write_rows(folder / "scores" / "wer.csv", ["errors", "words"], lambda system, seed, id_: (1.0, 4.0))
    write_clips(folder)
    columns = "claim,says,paper,corpus,run,verdict,sentence,value,low,high,p,effect_size,mde,n,seeds,part_verdict"
    evidence = (
        f"C1,{HOSTILE},Paper 2023,espeak,tiny,supported,a below b,0.123456,0.05,0.2,0.004,0.67,0.01,60,2,supported"
    )
    write_text(folder / "claims.csv", f"{columns}\n{evidence}\nC2,other,P,,,not run,told by a test,,,,,,,,,\n")
    (folder / "figures").mkdir()
    Image.new("RGB", (40, 30)).save(folder / "figures" / "forest.png")
    write_json(folder / "figures" / "captions.json", {"forest": f"Forest {HOSTILE}", "gone": "Not drawn"})
    write_json(folder / "provenance.json", {
        "command": f"ttsbench compare {HOSTILE}", "commit": None, "seeds": [0, 3], "device": "cpu",
        "date": "2024-02-03T04:05:06+00:00", "machine": {"system": "Linux", "processor": "Chip", "cores": 2},
    })  # fmt: skip
    return folder


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


# What it holds


def test_text_of_a_corpus_stays_text(parsed):
    assert not [values for values in parsed.of("img") if values["src"] == "x"]
    assert not [name for _, values in parsed.elements for name in values if name.startswith("on")]
    assert parsed.scripts == 4  # three of its own, one of data
    hostile = " ".join(HOSTILE.replace("`", "").split())
    for where in ("Note ", "MCD ", "Forest ", "it diverged ", "ttsbench compare "):
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
    assert "0 of 6" in shown  # nothing measured: no number, and the count
    best = [values for values in parsed.of("td") if values.get("class") == "best"]
    assert [values["data-order"] for values in best] == ["4.125"]
    heads = [values for values in parsed.of("th") if "data-better" in values]
    assert [(values["data-better"], values["title"]) for values in heads] == [
        ("lower", f"mcd|{HOSTILE}"),
        ("lower", "wer|v1"),
    ]


def test_the_sentence_says_what_was_run(parsed):
    expected = "Corpus folder, 3 utterances, 3 systems, 2 training seeds (0, 3), 1 draw per utterance; "
    assert expected + "made on 2 cores (Chip) on 3 February 2024." in parsed.shown


def test_claims_have_their_verdict_in_words_and_their_evidence(parsed):
    verdicts = [values["class"] for values in parsed.of("span") if values.get("class", "").startswith("verdict")]
    assert verdicts == ["verdict supported", "verdict unjudged"]
    assert "0.123 [0.05, 0.2], n = 60, 2 seeds, MDE 0.01" in parsed.shown
    assert "not run C2 other P. Not judged: told by a test." in parsed.shown


def test_each_clip_has_its_own_scores_and_its_own_transcript(run, parsed):
    shown = parsed.shown
    assert "7.13" in shown or "7.12" in shown  # 4.125 + 3: that of the second seed alone
    assert shown.count("Word error rate (ratio) 0.250") == 3 * (2 + 3 * 2)
    assert "it diverged" in shown
    assert f"none: no {LABEL[:4]}" not in shown  # the reason is whole: it begins with the closing tag
    assert "none: no </script>" in shown
    # "see no may two" against "see script img src x onerror alert one and code seven seven"
    words = jiwer.process_words("see no may two", "see script img src x onerror alert one and code seven seven")
    errors = words.substitutions + words.deletions + words.insertions
    assert f"heard, {errors} errors in 4 words" in shown


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
    assert found.of("figure") or not list((tmp_path / name / "figures").glob("*.png"))


def test_clips_that_went_missing_say_so(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "wavs" / "a+oracle" / "seed3")
    wav_path(copy / "wavs" / "a+oracle" / "seed0", "u0", 0).write_bytes(b"no audio")
    write_page(copy)
    shown = Parsed((copy / "index.html").read_text(encoding="utf-8")).shown
    assert shown.count("Nothing to hear: this copy of the run does not hold the clip.") == 3
    assert "u0.wav is not audio that can be read" in shown


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(TtsbenchError, match=r"no summary\.csv"):
        write_page(tmp_path)


# Parts


def test_words_are_aligned_with_the_fewest_edits():
    rng = np.random.default_rng(0)
    for _ in range(50):
        said, heard = (rng.choice(["a", "b", "c"], rng.integers(1, 8)).tolist() for _ in range(2))
        pairs = aligned(said, heard)
        assert [one.said for one in pairs if one.said] == said
        assert [one.heard for one in pairs if one.heard] == heard
        expected = jiwer.process_words(" ".join(said), " ".join(heard))
        edits = expected.substitutions + expected.deletions + expected.insertions
        assert sum(one.said != one.heard for one in pairs) == edits


def test_words_are_those_that_error_rates_count():
    assert compared("Dr. Smith can't!", "doctor smith can not") == [(w, w) for w in ("doctor", "smith", "can", "not")]
    assert compared("two words", "") == [("two", ""), ("words", "")]


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
        expected = (1 - np.log(f0 / 65) / np.log(600 / 65)) * (image.height - 1)
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
    for path in (REPOSITORY / "ttsbench" / "page").rglob("*.*"):
        name = str(path.relative_to(REPOSITORY / "ttsbench"))
        assert path.suffix in (".py", ".pyc") or any(fnmatch(name, pattern) for pattern in listed), name


def _luminance(colour):
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_has_the_contrast_of_wcag_aa():
    css = (REPOSITORY / "ttsbench" / "page" / "static" / "page.css").read_text()
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


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, run):
    browser.size(1280, 900)
    browser.open(run / "index.html")
    browser.errors.clear()
    browser.dialogs.clear()
    browser.open(run / "index.html")
    return browser


def test_nothing_hostile_happens(page):
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0
    assert page.dialogs == []
    assert page.run("document.querySelector('h1').textContent") == HOSTILE
    assert page.run("getComputedStyle(document.getElementById('blind')).display") == "block"
    assert page.errors == []  # nor did the policy forbid anything


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, False), (375, True)])
def test_the_page_never_scrolls_sideways(page, width, dark):
    page.size(width, 900, dark)
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") != dark


ORDER = "[...document.querySelectorAll('tbody.models tr')].map(row => row.cells[0].textContent)"


def test_the_table_is_sorted_with_what_is_missing_at_the_end(page):
    own = page.run(ORDER)
    assert own == SYSTEMS[2:]
    click = "document.querySelectorAll('#table thead button')[1].click()"
    state = "document.querySelectorAll('#table thead th')[1].getAttribute('aria-sort')"
    for direction, order in (
        ("ascending", [LABEL, "a+oracle", "c+oracle"]), ("descending", ["a+oracle", LABEL, "c+oracle"]), ("none", own),
    ):  # fmt: skip
        page.run(click)
        assert page.run(state) == direction
        assert page.run(ORDER) == order
    references = "[...document.querySelectorAll('tbody.references tr')].map(row => row.cells[0].textContent)"
    assert page.run(references) == SYSTEMS[:2]


def test_columns_can_be_put_away(page):
    page.run("document.querySelector('#columns input').click()")
    assert page.run("getComputedStyle(document.querySelectorAll('#table thead th')[1]).display") == "none"
    assert page.run("getComputedStyle(document.querySelectorAll('#table thead th')[2]).display") == "table-cell"


def test_one_seed_is_shown_and_another_can_be_selected(page):
    shown = """[...document.querySelectorAll('.utterance')[0].querySelectorAll('.take')]
      .filter(take => !take.hidden).map(take => take.dataset.take)"""
    assert page.run(shown) == ["0.0"] * 5
    page.run("const s = document.getElementById('take'); s.value = '3.0'; s.dispatchEvent(new Event('change'))")
    assert page.run(shown) == ["0.0", "0.0", "3.0", "3.0", "3.0"]


def test_a_clip_is_loaded_only_when_it_is_played(page):
    first = "document.querySelector('audio')"
    assert page.run("[...document.querySelectorAll('audio')].every(one => one.preload === 'none')")
    assert page.run(f"{first}.readyState") == 0
    page.run(f"{first}.play()")
    page.wait(f"{first}.currentTime > 0")
    page.run("document.querySelectorAll('audio')[1].play()")
    assert page.run(f"{first}.paused")


def answer(page, choice):
    """One blind trial; returns what it said at the end."""
    page.run("document.getElementById('blind-next').click()")
    seen = page.run(
        "document.getElementById('blind-trial').outerHTML + document.getElementById('blind-said').outerHTML"
    )
    for name in (*SYSTEMS, "&lt;img", "wavs", ".wav", "seed"):
        hidden = seen.replace(
            "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;", ""
        )  # that is the text of one utterance
        assert name not in hidden, name
    assert page.run("document.querySelectorAll('#blind audio').length") == 0
    able = "[...document.querySelectorAll('#blind .answer')].map(one => !one.disabled)"
    assert page.run(able) == [False] * 3
    for place, told in (("a", "Now play B."), ("b", "Play them as often as you like.")):
        page.run(f"document.getElementById('blind-play-{place}').click()")
        page.wait(f"document.getElementById('blind-said').textContent === '{told}'")
    assert page.run(able) == [True] * 3
    page.run(f"document.querySelector('#blind .answer[value={choice}]').click()")
    return page.run("document.getElementById('blind-said').textContent")


def choose(page, first, second):
    page.run(f"""for (const [name, value] of [['first', {json.dumps(first)}], ['second', {json.dumps(second)}]]) {{
      const select = document.getElementById('blind-' + name);
      select.value = value; select.dispatchEvent(new Event('change'));
    }}""")


def test_a_blind_comparison_from_first_to_last(page, tmp_path):
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    choose(page, "a+oracle", LABEL)
    preferred = []
    for choice in ("a", "b", "a", "none", "b", "a", "a"):
        said = answer(page, choice)
        names = re.fullmatch(r"A was (.+) \(seed \d\), B was (.+) \(seed \d\)\. You preferred (.+)\.", said).groups()
        assert set(names[:2]) == {"a+oracle", LABEL}
        assert names[2] == {"a": names[0], "b": names[1], "none": "neither"}[choice]
        preferred.append(names[2])
    wins, losses = preferred.count("a+oracle"), preferred.count(LABEL)
    low, high = binomtest(wins, wins + losses).proportion_ci(method="wilson")
    row = page.run(
        "[...document.querySelectorAll('#blind-tally tr')].map(row => [...row.cells].map(c => c.textContent))"
    )
    share = f"{100 * wins / (wins + losses):.0f} % [{100 * low:.0f} %, {100 * high:.0f} %]"
    assert row == [["a+oracle", LABEL, str(wins), str(losses), "1", share]]
    for kind in ("json", "csv"):
        page.run(f"document.getElementById('blind-{kind}').click()")
    page.wait("true")
    for _ in range(100):
        if all((tmp_path / f"preferences.{kind}").exists() for kind in ("json", "csv")):
            break
        page.run("new Promise(done => setTimeout(done, 50))")
    saved = json.loads((tmp_path / "preferences.json").read_text())["answers"]
    assert [one["preferred"] or "neither" for one in saved] == preferred
    assert {one["utterance"] for one in saved[:3]} == set(TEXTS)  # none again before all were heard
    assert {one["a"] for one in saved} | {one["b"] for one in saved} == {"a+oracle", LABEL}
    with (tmp_path / "preferences.csv").open(newline="", encoding="utf-8") as file:
        assert [row["preferred"] for row in csv.DictReader(file)] == [one["preferred"] for one in saved]
    assert page.errors == []


def test_two_random_models_differ_and_are_no_recordings(page):
    choose(page, "", "")
    for _ in range(6):
        one, other = re.match(
            r"A was (.+?)(?: \(.*?\))?, B was (.+?)(?: \(.*?\))?\. You", answer(page, "none")
        ).groups()
        assert one != other
        assert {one, other} <= set(SYSTEMS[2:])


def test_the_louder_clip_is_turned_down(page):
    """One system is a quarter as loud: the volumes that its opponent is played with are a quarter."""
    page.run("""window.volumes = {}; window.Own = Audio;
      Audio = function () { const one = new Own(); one.play = () => { window.volumes[one.src] = one.volume;
        return Promise.resolve(); }; return one; }""")
    choose(page, "a+oracle", LABEL)
    answer(page, "none")
    volumes = page.run("volumes")
    loud = [value for address, value in volumes.items() if "a+oracle" in unquote(address)]
    quiet = [value for address, value in volumes.items() if "a+oracle" not in unquote(address)]
    assert quiet == [1]
    assert loud == [pytest.approx(0.25, rel=0.1)]


def test_one_system_is_not_compared_with_itself(page):
    choose(page, "a+oracle", "a+oracle")
    page.run("document.getElementById('blind-next').click()")
    assert page.run("document.getElementById('blind-trial').hidden")
    assert "Choose two different systems" in page.run("document.getElementById('blind-said').textContent")
