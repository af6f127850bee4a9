"""An exported test: what is served says nothing, sounds equally loud, and holds the lists of its key."""

import html.parser
import json
import re
import shutil
from collections import Counter

import numpy as np
import pyloudnorm
import pytest
import soundfile
import yaml
from listeners import HOSTILE, MODELS, SYSTEMS, make_run
from scipy import signal

from ttsbench import cli
from ttsbench.errors import ConfigError
from ttsbench.listening.export import ExportRequest, export
from ttsbench.listening.key import CHECK, read_key
from ttsbench.listening.sound import anchor_filter, level, low_passed

FOUR = ("ground-truth", "copy-synthesis", "l1+oracle", "flow+oracle")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("listening") / "run", seeds=(0, 1), text=f"Say {HOSTILE} {{}}.")


@pytest.fixture(scope="module")
def tests(run, tmp_path_factory):
    """A listening test of each kind."""
    root = tmp_path_factory.mktemp("tests")
    export(run, ExportRequest("mos", FOUR, utterances=10, per_listener=5, seed=3, title=HOSTILE), root / "mos")
    export(run, ExportRequest("mushra", FOUR, per_listener=3, utterances=6, show_text=True), root / "mushra")
    export(run, ExportRequest("cmos", MODELS[:3], "l2+oracle", checks=2, post="https://example.org/in"), root / "cmos")
    export(run, ExportRequest("preference", FOUR[1:], checks=1), root / "preference")
    return root


class Parsed(html.parser.HTMLParser):
    """Elements, and the content of the page's data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self._inside = Counter(), "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self._inside = tag == "script" and dict(attributes).get("id") == "test"

    def handle_data(self, data):
        if self._inside:
            self.data += data


def page(test):
    return (test / "web" / "index.html").read_text(encoding="utf-8")


def told(test):
    return json.loads(Parsed(page(test)).data)


@pytest.mark.parametrize("kind", ["mos", "mushra", "cmos", "preference"])
def test_what_is_served_says_nothing_of_systems_and_utterances(tests, kind):
    test, key = tests / kind, read_key(tests / kind)
    assert sorted(path.name for path in test.iterdir()) == sorted(
        ["web", "key.json", "links.txt", *(["webmushra"] if kind in ("mos", "mushra") else [])]
    )
    served = [path for path in (test / "web").rglob("*") if path.is_file()]
    assert {path.stem for path in served} == {"index", *key.stimuli}
    assert all(re.fullmatch(r"s[0-9a-f]{16}", name) for name in key.stimuli)
    for word in (*SYSTEMS, "anchor", "Tiny", CHECK, *(f'"u{number}"' for number in range(14))):
        assert word not in page(test), word
    if kind in ("mos", "mushra"):
        for path in (test / "webmushra").iterdir():
            assert not any(word in path.read_text(encoding="utf-8") for word in (*SYSTEMS, "anchor-", "Tiny"))


def test_the_page_holds_the_lists_of_the_key(tests):
    for kind in ("mos", "mushra", "cmos"):
        key, data = read_key(tests / kind), told(tests / kind)
        lists = [[(one["id"], tuple(one["stimuli"]), one["reference"]) for one in trials] for trials in data["lists"]]
        assert lists == [
            [(id_, key.trials[id_].stimuli, key.trials[id_].reference) for id_ in one] for one in key.lists
        ]
        inside = {name for trial in key.trials.values() for name in trial.stimuli}
        assert not inside & {name for trial in data["training"] for name in trial["stimuli"]}
        assert len((tests / kind / "links.txt").read_text().splitlines()) == len(key.lists)


def test_every_listener_hears_every_system_equally_often_and_the_checks(tests):
    key = read_key(tests / "mos")
    assert len(key.lists) == 2 * 5
    for one in key.lists:
        systems = Counter(key.stimuli[key.trials[id_].stimuli[0]].system for id_ in one)
        assert systems == {**dict.fromkeys((*FOUR, "anchor-3500Hz"), 1), CHECK: 3}
    clips = [key.stimuli[key.trials[id_].stimuli[0]] for one in key.lists for id_ in one]
    real = Counter((clip.system, clip.utterance) for clip in clips if clip.system != CHECK)
    assert set(real.values()) == {1}
    assert len(real) == 10 * 5
    asked = {key.trials[id_].expected for id_ in key.lists[0]} - {None}
    assert len(asked) == 3
    first = [clips[start].system for start in range(0, len(clips), 8)]
    assert len(set(first)) > 1  # the lists are shuffled: the first question is not always of one system


def test_the_hidden_reference_is_the_open_one_under_another_name(tests):
    key = read_key(tests / "mushra")
    for id_ in key.lists[0]:
        trial = key.trials[id_]
        hidden = next(name for name in trial.stimuli if key.stimuli[name].system == "ground-truth")
        assert hidden != trial.reference
        audio = tests / "mushra" / "web" / "audio"
        assert (audio / f"{hidden}.wav").read_bytes() == (audio / f"{trial.reference}.wav").read_bytes()
        lengths = {soundfile.info(audio / f"{name}.wav").frames for name in (*trial.stimuli, trial.reference)}
        assert len(lengths) == 1


def test_training_seeds_take_turns(tests):
    seeds = Counter((one.system, one.seed) for one in read_key(tests / "mos").stimuli.values() if one.system in MODELS)
    assert {seed for _, seed in seeds} == {0, 1}
    assert min(seeds.values()) >= 4  # of ten utterances and an example
    assert read_key(tests / "mos").seeds == 2


def test_all_clips_are_equally_loud_and_none_is_clipped(tests):
    """By pyloudnorm's own K-weighting, which rounds the filters otherwise than the ones used."""
    for kind in ("mos", "cmos"):
        key, found = read_key(tests / kind), []
        for name in key.stimuli:
            samples, rate = soundfile.read(tests / kind / "web" / "audio" / f"{name}.wav")
            assert rate == 22050
            assert np.abs(samples).max() < 10 ** (-0.9 / 20)
            found.append(pyloudnorm.Meter(rate).integrated_loudness(samples))
        assert np.ptp(found) < 0.3
        assert np.mean(found) == pytest.approx(key.lufs, abs=0.2)
        assert key.lufs <= -23


def test_loudness_of_a_sine_is_the_one_of_the_standard():
    """BS.1770-4: 997 Hz at full scale in one channel has -3.01 LKFS."""
    tone = np.sin(2 * np.pi * 997 * np.arange(5 * 48000) / 48000)
    assert level(tone.astype(np.float32), 48000).lufs == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
@pytest.mark.parametrize("cutoff", [3500, 7000])
def test_the_anchor_is_the_filter_of_the_standard(rate, cutoff):
    """BS.1534-3: within 0.1 dB up to the cut-off, 25 dB down 500 Hz above it, 50 dB down 1 kHz above it."""
    frequencies, response = signal.freqz(anchor_filter(rate, cutoff), worN=1 << 14, fs=rate)
    decibels = 20 * np.log10(np.abs(response) + 1e-12)
    assert np.abs(decibels[frequencies <= cutoff]).max() < 0.1
    assert decibels[frequencies >= cutoff + 500].max() < -25
    assert decibels[frequencies >= min(cutoff + 1000, rate / 2 - 1)].max() < -50


def test_the_anchor_is_neither_delayed_nor_longer():
    tone = np.sin(2 * np.pi * 1000 * np.arange(22050) / 22050).astype(np.float32)
    filtered = low_passed(tone, 22050, 3500)
    assert filtered.shape == tone.shape
    assert np.abs(filtered - tone)[500:-500].max() < 0.002


def test_the_anchor_in_a_test_has_nothing_above_its_cut_off(tests):
    key = read_key(tests / "mushra")
    power = {}
    for name, one in key.stimuli.items():
        samples, rate = soundfile.read(tests / "mushra" / "web" / "audio" / f"{name}.wav")
        frequencies, density = signal.welch(samples, rate, nperseg=1024)
        power.setdefault(one.system, []).append(density[frequencies > 4500].sum() / density.sum())
    assert np.median(power["anchor-3500Hz"]) < 0.001 * np.median(power["ground-truth"])


def test_hostile_text_is_text(tests):
    mos, mushra = page(tests / "mos"), page(tests / "mushra")
    for text in (mos, mushra):
        assert "<img" not in text
        assert Parsed(text).tags["script"] == 2
    assert HOSTILE in {
        one["text"].removeprefix("Say ").rpartition(" ")[0] for one in told(tests / "mushra")["lists"][0]
    }
    assert "&lt;img src=x" in mos
    assert all(not one["text"] for one in told(tests / "mos")["lists"][0])  # nobody asked for the text to be shown
    for path in (tests / "mushra" / "webmushra").glob("*.yaml"):
        assert "<img" not in path.read_text(encoding="utf-8")


def test_the_page_sends_nothing_unless_an_address_was_given(tests):
    assert "connect-src &#39;none&#39;" in page(tests / "mos")
    assert "connect-src https://example.org;" in page(tests / "cmos")
    assert told(tests / "cmos")["post"] == "https://example.org/in"
    assert "http" not in page(tests / "mos").replace("http-equiv", "")


def test_webmushra_gets_the_same_lists(tests):
    key = read_key(tests / "mushra")
    for number, ids in enumerate(key.lists, start=1):
        path = tests / "mushra" / "webmushra" / f"{key.test_id}-list{number}.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert values["testId"] == f"{key.test_id}-list{number}"
        _, _, [word, *pages], finish = values["pages"]
        assert word == "random"
        assert [one["id"] for one in pages] == list(ids)
        for one in pages:
            trial = key.trials[one["id"]]
            assert one["reference"].endswith(f"/{trial.reference}.wav")
            hidden = set(trial.stimuli) - set(one["stimuli"])  # webMUSHRA adds it itself
            assert [key.stimuli[name].system for name in hidden] == ["ground-truth"]
        assert finish["questionnaire"][0]["name"] == "listener"
    mos = read_key(tests / "mos")
    values = yaml.safe_load((tests / "mos" / "webmushra" / f"{mos.test_id}-list1.yaml").read_text(encoding="utf-8"))
    page_ = values["pages"][2][1]
    assert set(page_["stimuli"]) == {mos.trials[id_].stimuli[0] for id_ in mos.lists[0]}
    assert [one["value"] for one in page_["response"]] == [5, 4, 3, 2, 1]


def test_the_same_seed_takes_the_same_utterances_under_other_names(run, tests, tmp_path):
    export(run, ExportRequest("mos", FOUR, utterances=10, seed=3), tmp_path / "again")
    export(run, ExportRequest("mos", FOUR, utterances=5, seed=4), tmp_path / "other")
    again, other, before = (read_key(path) for path in (tmp_path / "again", tmp_path / "other", tests / "mos"))
    assert {one.utterance for one in again.stimuli.values()} == {one.utterance for one in before.stimuli.values()}
    assert not set(again.stimuli) & set(before.stimuli)
    assert again.test_id != before.test_id
    assert {one.utterance for one in other.stimuli.values()} != {one.utterance for one in before.stimuli.values()}


def test_clips_that_cannot_be_heard_leave_their_utterance_out(tmp_path):
    failed, short = {("l1+oracle", "u1")}, {("copy-synthesis", "u2")}
    run = make_run(tmp_path / "run", 8, failed=failed, short=short)
    export(run, ExportRequest("mos", FOUR), tmp_path / "test")
    key = read_key(tmp_path / "test")
    assert key.left_out["u1"] == "l1+oracle: the model diverged"
    assert {one.utterance for one in key.stimuli.values()}.isdisjoint({"u1", "u2"})
    with pytest.raises(ConfigError, match=r"u1|u2"):
        export(run, ExportRequest("mushra", FOUR, utterances=6), tmp_path / "more")


def test_what_fails_in_a_system_that_is_not_heard_is_of_no_account(tmp_path):
    run = make_run(tmp_path / "run", 5, failed={("sled+text", f"u{number}") for number in range(5)})
    export(run, ExportRequest("mushra", FOUR, utterances=4), tmp_path / "test")
    assert read_key(tmp_path / "test").left_out == {}


def test_folders_that_were_scored_can_be_listened_to(tmp_path):
    """Their clips lie in no folder of a training seed."""
    run = make_run(tmp_path / "run", 4)
    (run / "folders.json").write_text("{}")
    for system in SYSTEMS:
        (run / "wavs" / system / "seed0" / "sample0").rename(run / "wavs" / system / "sample0")
    for record in run.glob("wavs/*/sample0/*.json"):
        record.write_text(record.read_text().replace("/seed0/", "/"))
    export(run, ExportRequest("mushra", FOUR, utterances=3), tmp_path / "test")
    assert {one.system for one in read_key(tmp_path / "test").stimuli.values()} == {*FOUR, "anchor-3500Hz"}


def test_texts_are_heard_once_before_any_comes_again(tmp_path):
    run = make_run(tmp_path / "run", 12, text="the same for four")
    listing = json.loads((run / "utterances.json").read_text())
    for number, one in enumerate(listing):
        one["text"] = f"text {number // 4}"
    (run / "utterances.json").write_text(json.dumps(listing))
    export(run, ExportRequest("mushra", FOUR, utterances=2, per_listener=2), tmp_path / "test")
    ids = {one.utterance for one in read_key(tmp_path / "test").stimuli.values()}
    assert {int(id_[1:]) // 4 for id_ in ids} == {0, 1, 2}


def test_what_cannot_be_made_leaves_nothing_behind(run, tests, tmp_path):
    rejected = [
        (ExportRequest("mos", FOUR, anchors=(7900.0,)), "--anchors 7900"),
        (ExportRequest("mos", FOUR, post="example.org/in"), "--post"),
        (ExportRequest("mos", FOUR, post="https://x.org/;script-src *"), "--post"),
        (ExportRequest("mushra", FOUR, checks=2), "--checks"),
        (ExportRequest("mos", FOUR, utterances=14), "--utterances 14"),
    ]
    for request, words in rejected:
        with pytest.raises(ConfigError, match=words):
            export(run, request, tmp_path / "test")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="not empty"):
        export(run, ExportRequest("mos", FOUR), tests / "mos")


def test_from_the_command_line(run, capsys):
    arguments = ["listen", "export", str(run), "--test", "mos", "--systems", *FOUR, "--anchors", "--checks", "0"]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    folder = run / "listening" / "mos"
    assert f"ttsbench listen import {folder} ANSWERS" in said
    assert read_key(folder).systems == FOUR
    assert "A few samples are instructions" not in page(folder)
    shutil.rmtree(folder)
    assert cli.main(["listen", "export", str(run.parent), "--test", "mos"]) == 2
    assert "no finished run" in capsys.readouterr().err
