"""Answers of listeners: what counts, what does not and why, who is left out, and what the tables make of the rest."""

import copy
import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from listeners import answers, as_rows, make_run, noisy, save

from ttsbench import cli
from ttsbench.errors import ConfigError, TtsbenchError
from ttsbench.listening.answers import find_files, read_answers
from ttsbench.listening.export import ExportRequest, export
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS
from ttsbench.listening.results import import_answers
from ttsbench.listening.screening import screened_out, signature

FOUR = ("ground-truth", "copy-synthesis", "l1+oracle", "flow+oracle")
MEANS = {"ground-truth": 4.6, "copy-synthesis": 4.0, "anchor-3500Hz": 1.8, "l1+oracle": 3.0, "flow+oracle": 3.6}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("answers") / "run", 11)


@pytest.fixture(scope="module")
def mos(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mos") / "test"
    export(run, ExportRequest("mos", FOUR, utterances=10, checks=2), folder)
    return folder


@pytest.fixture(scope="module")
def mushra(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mushra") / "test"
    export(run, ExportRequest("mushra", FOUR, utterances=8, per_listener=8, anchors=(3500.0, 7000.0)), folder)
    return folder


@pytest.fixture(scope="module")
def pairs(run, tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    for kind in ("cmos", "preference"):
        export(run, ExportRequest(kind, FOUR[1:], "l1+oracle", utterances=8, checks=1), root / kind)
    return root


def honest(seed=0, listener=0.0):
    return noisy(MEANS, np.random.default_rng(seed), 1, 5, listener)


def checked(test, *paths):
    key = read_key(test)
    return read_answers(find_files(list(paths)), key, KINDS[key.kind])


def sessions(output):
    return pd.read_csv(output / "sessions.csv", keep_default_na=False).set_index("file")


# What counts


def test_json_and_csv_of_the_page_hold_the_same(mos, tmp_path):
    values = answers(mos, honest())
    written = save(tmp_path / "json", values)
    (tmp_path / "anna.csv").write_text(as_rows(values))
    (from_json,), none = checked(mos, written)
    (from_csv,), _ = checked(mos, tmp_path / "anna.csv")
    assert not none
    assert from_json.ratings == from_csv.ratings
    assert (from_json.listener, from_json.list, from_json.checks, from_json.missed) == ("anna", 1, 2, 0)
    assert len(from_json.ratings) == 10
    wanted = {(one.utterance, one.system): one.rating for one in from_json.ratings}
    again = honest()
    key = read_key(mos)
    for id_ in key.lists[0]:
        if key.trials[id_].expected is None:
            clip = key.stimuli[key.trials[id_].stimuli[0]]
            assert wanted[clip.utterance, clip.system] == again(clip.system, clip.utterance)


def test_a_session_saved_twice_counts_once_and_loses_nothing(mos, tmp_path):
    values = answers(mos, honest())
    save(tmp_path / "a", values)
    (tmp_path / "a" / "anna.csv").write_text(as_rows(values))
    counted, (copied,) = checked(mos, tmp_path / "a")
    assert [one.file for one in counted] == ["anna.json"]
    assert copied.copy
    assert copied.lost == {}


def changed(values, change):
    values = copy.deepcopy(values)
    change(values)
    return values


FAULTS = {
    "another test": (lambda v: v.update(testId="mos-ffffffff"), "it belongs to test 'mos-ffffffff'"),
    "no listener": (lambda v: v.update(listener="  "), "does not name the listener"),
    "no such list": (lambda v: v.update(list=6), "the test has 5 lists, and none is '6'"),
    "no list": (lambda v: v.update(list=None), "and none is 'None'"),
    "incomplete": (lambda v: v["answers"].pop(), "incomplete: 1 of 12 ratings are missing"),
    "too high": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], 6)), "rated '6'"),
    "a fraction": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], 2.5)), "'2.5'"),
    "a word": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], "NA")), "'NA'"),
    "true": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], True)), "'True'"),
    "huge": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], 10**400)), "rated '1"),
    "unknown stimulus": (lambda v: v["answers"][0].update(ratings={"s0": 3}), "'s0' in "),
    "unknown trial": (lambda v: v["answers"][0].update(trial="t0"), "is not rated in list 1"),
    "twice": (lambda v: v["answers"].append(v["answers"][0]), "is rated twice"),
    "another format": (lambda v: v.update(format="x"), "its format is 'x'"),
    "no answers": (lambda v: v.pop("answers"), "it holds no readable answers (KeyError: 'answers')"),
    "answers are a number": (lambda v: v.update(answers=3), "it holds no readable answers (TypeError"),
    "no ratings": (lambda v: v["answers"][0].update(ratings=[1]), "it holds no readable answers (AttributeError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_refused_with_the_reason(mos, tmp_path, fault):
    change, reason = FAULTS[fault]
    path = save(tmp_path, answers(mos, honest(), "berta", 2))
    path.rename(tmp_path / "good.json")
    (tmp_path / "bad.json").write_text(json.dumps(changed(answers(mos, honest()), change)))
    counted, (rejected,) = checked(mos, tmp_path)
    assert [one.listener for one in counted] == ["berta"]
    assert rejected.file == "bad.json"
    assert reason in rejected.reason


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{", b"[1]", b"null", b"[" * 100000])
@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_files_that_hold_nothing_are_refused_and_cost_nothing(mos, tmp_path, content, suffix):
    save(tmp_path, answers(mos, honest()))
    (tmp_path / f"bad{suffix}").write_bytes(content)
    counted, (rejected,) = checked(mos, tmp_path)
    assert len(counted) == 1
    assert "it holds no readable answers" in rejected.reason


def test_of_two_sessions_of_a_listener_the_first_counts(mos, tmp_path):
    save(tmp_path / "b", answers(mos, honest(1), "anna", 2, "2099-01-02T10:00:00Z"))
    save(tmp_path / "c", answers(mos, honest(2), "anna", 1, "2099-01-01T10:00:00Z"))
    (counted,), (rejected,) = checked(mos, tmp_path)
    assert counted.list == 1
    assert rejected.reason == "anna has already answered, in anna.json"
    assert sum(rejected.lost.values()) == 10


def test_an_incomplete_session_does_not_stand_in_the_way_of_a_complete_one(mos, tmp_path):
    broken = changed(answers(mos, honest(), started="2099-01-01T09:00:00Z"), lambda v: v["answers"].pop())
    save(tmp_path / "a", broken)
    save(tmp_path / "b", answers(mos, honest()))
    (counted,), (rejected,) = checked(mos, tmp_path)
    assert len(counted.ratings) == 10
    assert "incomplete" in rejected.reason


def test_codes_of_listeners_are_made_harmless(mos, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(answers(mos, honest(), "a|b\n% <img>")))
    (counted,), _ = checked(mos, tmp_path)
    assert counted.listener == "a-b-img-"


def test_there_must_be_files_and_a_test(mos, tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        find_files([tmp_path / "none"])
    with pytest.raises(ConfigError, match="holds no answer files"):
        find_files([tmp_path])
    with pytest.raises(ConfigError, match=r"holds no key\.json"):
        import_answers(tmp_path, [tmp_path], tmp_path / "out")
    (tmp_path / "key.json").write_text('{"test_id": 1}')
    with pytest.raises(ConfigError, match="is not the key of a listening test"):
        import_answers(tmp_path, [tmp_path], tmp_path / "out")


# webMUSHRA


def written_by_webmushra(test, values, code):
    """The CSV that ``service/write.php`` writes of a session: ids of the test in its columns."""
    key = read_key(test)
    together = KINDS[key.kind].arrangement == "together"
    test_id = f"{key.test_id}-list{values['list']}"
    columns = ["rating_stimulus", "rating_score", "rating_time", "rating_comment"]
    head = f"session_test_id,listener,session_uuid,trial_id,{','.join(columns)}" if together else (
        "session_test_id,listener,trial_id,stimuli_rating,stimuli,rating_time")  # fmt: skip
    lines = [head]
    for answer in values["answers"]:
        for stimulus, rating in answer["ratings"].items():
            if together:
                name = "reference" if key.stimuli[stimulus].system == "ground-truth" else stimulus
                lines.append(f"{test_id},{code},0b8a-{code},{answer['trial']},{name},{rating},5000,")
            else:
                lines.append(f'{test_id},{code},quality,{rating},{stimulus},"5000"')
    return lines


@pytest.mark.parametrize("kind", ["mos", "mushra"])
def test_results_of_webmushra_are_the_same_ratings(kind, request, tmp_path):
    test = request.getfixturevalue(kind)
    rate = honest() if kind == "mos" else (lambda system, utterance: 100 if system == "ground-truth" else 40)
    anna, berta = answers(test, rate, "anna", 1), answers(test, rate, "berta", 1)
    lines = written_by_webmushra(test, anna, "anna")
    lines += written_by_webmushra(test, berta, "berta")[1:]
    (tmp_path / "lss.csv").write_text("\n".join(lines) + "\n")
    counted, rejected = checked(test, tmp_path / "lss.csv")
    assert not rejected
    (direct,), _ = checked(test, save(tmp_path, anna))
    bare = {(one.utterance, one.system, one.rating) for one in direct.ratings}
    assert [one.listener for one in counted] == ["anna", "berta"]
    assert bare == {(one.utterance, one.system, one.rating) for one in counted[0].ratings}


def test_a_likert_result_without_codes_is_refused(mos, tmp_path):
    lines = written_by_webmushra(mos, answers(mos, honest()), "")
    (tmp_path / "lss.csv").write_text("\n".join(lines) + "\n")
    counted, (rejected,) = checked(mos, tmp_path)
    assert not counted
    assert "the listener" in rejected.reason


# Post-screening


def test_who_does_not_find_the_hidden_reference_is_left_out(mushra, tmp_path):
    def careless(system, utterance):
        return 80 if utterance in misses and system == "ground-truth" else quality[system]

    quality = {"ground-truth": 100, "anchor-7000Hz": 85, "copy-synthesis": 70, "anchor-3500Hz": 20, "l1+oracle": 40,
               "flow+oracle": 50}  # fmt: skip
    key = read_key(mushra)
    heard = [key.stimuli[key.trials[id_].stimuli[0]].utterance for id_ in key.lists[0]]
    for count in (0, 1, 2):  # of eight: 0, 12.5 and 25 %
        misses = set(heard[:count])
        save(tmp_path, answers(mushra, careless, f"missed{count}"))
    rng = np.random.default_rng(0)
    save(tmp_path, answers(mushra, lambda system, utterance: int(rng.integers(0, 101)), "clicker"))
    counted, _ = checked(mushra, tmp_path)
    out = screened_out(counted, KINDS["mushra"], key)
    assert set(out) == {"missed2", "clicker"}
    assert out["missed2"] == "rated the hidden reference below 90 on 25% of utterances"
    assert signature(KINDS["mushra"], key) == "hidden-reference<90:15%+anchor-7000Hz>90:15%"


def test_the_middle_anchor_counts_only_where_others_hear_it(mushra, tmp_path):
    def rate(high):
        return lambda system, utterance: {"ground-truth": 100, "anchor-7000Hz": high}.get(system, 40)

    key = read_key(mushra)
    for number in range(5):
        save(tmp_path / "few", answers(mushra, rate(95 if number == 0 else 80), f"l{number}"))
        save(tmp_path / "many", answers(mushra, rate(95 if number < 2 else 80), f"l{number}"))
    few, many = (checked(mushra, tmp_path / name)[0] for name in ("few", "many"))
    assert set(screened_out(few, KINDS["mushra"], key)) == {"l0"}
    assert screened_out(many, KINDS["mushra"], key) == {}


def test_attention_and_the_anchor_in_a_mos_test(mos, tmp_path):
    key = read_key(mos)
    values = answers(mos, honest(), "inattentive")
    check = next(one for one in values["answers"] if key.trials[one["trial"]].expected is not None)
    name, rating = next(iter(check["ratings"].items()))
    check["ratings"][name] = 1 + rating % 5
    save(tmp_path, values)
    save(tmp_path, answers(mos, lambda system, utterance: 3, "always3", 2))
    save(tmp_path, answers(mos, honest(), "honest", 3))
    counted, _ = checked(mos, tmp_path)
    assert screened_out(counted, KINDS["mos"], key) == {
        "inattentive": "missed 1 of 2 attention checks",
        "always3": "rated anchor-3500Hz 3.00 on average and the recording 3.00",
    }


def test_random_clickers_are_left_out(mos, tmp_path):
    """They pass two checks of five answers once in 25 times, and rate the recording above the anchor half the time."""
    rng, key = np.random.default_rng(1), read_key(mos)
    for number in range(40):
        values = answers(mos, honest(), f"clicker{number}", 1 + number % 5)
        for one in values["answers"]:
            one["ratings"] = {name: int(rng.integers(1, 6)) for name in one["ratings"]}
        save(tmp_path, values)
    counted, _ = checked(mos, tmp_path)
    assert len(screened_out(counted, KINDS["mos"], key)) >= 37


# Tables


def answered(test, folder, count, lists, seed=0):
    rng = np.random.default_rng(seed)
    for number in range(count):
        rate = noisy(MEANS, rng, 1, 5, listener=rng.normal(0, 0.3))
        save(folder, answers(test, rate, f"listener{number:02d}", 1 + number % lists))


def test_the_files_of_a_mos_test(mos, tmp_path, capsys):
    answered(mos, tmp_path / "in", 20, 5)
    save(tmp_path / "in", answers(mos, lambda system, utterance: 5, "yea-sayer", 1))
    (tmp_path / "in" / "broken.json").write_text("{")
    assert cli.main(["listen", "import", str(mos), str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert said == (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "20 listeners, 10 utterances, 200 ratings" in said
    assert "Listeners excluded by post-screening: 1 (yea-sayer rated anchor-3500Hz 5.00" in said
    assert "Rejected sessions: 1 (broken.json" in said
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("system")
    assert list(summary.columns[:8]) == ["metric", "value", "low", "high", "n", "n_failed", "unit", "higher_is_better"]
    assert set(summary["n"]) == {40}
    assert set(summary["n_failed"]) == {2}  # of the one who was left out
    ratings = pd.read_csv(tmp_path / "out" / "ratings.csv")
    means = ratings.groupby("system")["rating"].mean()
    for system in MEANS:
        assert summary.loc[system, "value"] == pytest.approx(means[system], rel=1e-5)
    differences = pd.read_csv(tmp_path / "out" / "differences.csv")
    assert list(differences["system"]) == ["flow+oracle"]
    assert differences.loc[0, "difference"] == pytest.approx(means["flow+oracle"] - means["l1+oracle"], rel=1e-4)
    assert differences.loc[0, "p_holm"] < 0.01
    listed = sessions(tmp_path / "out")
    assert listed.loc["yea-sayer.json", "outcome"] == "screened out"
    assert listed.loc["broken.json", "outcome"] == "rejected"
    assert (listed["outcome"] == "counted").sum() == 20
    counts = pd.read_csv(tmp_path / "out" / "answers.csv").set_index("system")
    assert set(counts.sum(axis=1)) == {40}
    assert (tmp_path / "out" / "figures" / "mos.png").stat().st_size > 5000
    assert r"\textbf{" in (tmp_path / "out" / "table.tex").read_text(encoding="utf-8")


def test_without_anybody_to_count_there_is_no_table_but_a_list(mos, tmp_path):
    save(tmp_path, answers(mos, lambda system, utterance: 3))
    with pytest.raises(TtsbenchError, match=r"None of 1 sessions was accepted. The first: anna\.json: rated anchor"):
        import_answers(mos, [tmp_path], tmp_path / "out")
    assert list(sessions(tmp_path / "out")["outcome"]) == ["screened out"]
    assert not (tmp_path / "out" / "summary.csv").exists()


def test_lists_without_answers_are_told_of(mos, tmp_path):
    answered(mos, tmp_path, 4, 2)
    text, _ = import_answers(mos, [tmp_path], tmp_path / "out")
    assert "No answers for list 3, 4, 5 of 5" in text
    assert "left out" not in text
    assert "**" in text  # the best is told from all ratings


def test_a_paired_rating_speaks_for_the_system_whichever_was_heard_first(pairs, tmp_path):
    """Everybody finds flow one better than l1, and copy-synthesis three better."""
    worth = {"l1+oracle": 0, "flow+oracle": 1, "copy-synthesis": 3}
    test = pairs / "cmos"
    for number in range(6):
        values = answers(test, lambda a, b, utterance: worth[b] - worth[a], f"l{number}", 1 + number % 2)
        save(tmp_path, values)
    text, rejected = import_answers(test, [tmp_path], tmp_path / "out")
    assert rejected == 0
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("system")
    assert dict(summary["value"]) == {"copy-synthesis": 3, "flow+oracle": 1}
    key = read_key(test)
    orders = {tuple(key.stimuli[name].system for name in trial.stimuli) for trial in key.trials.values()}
    assert {("l1+oracle", "flow+oracle"), ("flow+oracle", "l1+oracle")} <= orders
    differences = pd.read_csv(tmp_path / "out" / "differences.csv").set_index("system")
    assert set(differences.index) == {"copy-synthesis", "flow+oracle"}
    assert "All systems are compared with l1+oracle; a system of the same quality has the value 0." in text


def test_preference_is_a_share_and_no_preference_counts_half(pairs, tmp_path):
    test, rng = pairs / "preference", np.random.default_rng(0)

    def rate(a, b, utterance):
        system = b if a == "l1+oracle" else a
        likes = rng.choice([1, 0, -1], p=[0.7, 0.2, 0.1] if system == "flow+oracle" else [1 / 3, 1 / 3, 1 / 3])
        return int(likes if system == b else -likes)

    for number in range(30):
        save(tmp_path, answers(test, rate, f"l{number:02d}", 1 + number % 2))
    import_answers(test, [tmp_path], tmp_path / "out")
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("system")
    counts = pd.read_csv(tmp_path / "out" / "answers.csv").set_index("system")
    for system in ("flow+oracle", "copy-synthesis"):
        worse, neither, better = counts.loc[system]
        share = 100 * (better + neither / 2) / (worse + neither + better)
        assert summary.loc[system, "value"] == pytest.approx(share, rel=1e-5)
    assert summary.loc["flow+oracle", "low"] < 80 < summary.loc["flow+oracle", "high"]
    differences = pd.read_csv(tmp_path / "out" / "differences.csv").set_index("system")
    assert differences.loc["flow+oracle", "difference"] == pytest.approx(summary.loc["flow+oracle", "value"] - 50)
    assert differences.loc["flow+oracle", "p_holm"] == 2 * scipy.stats.binomtest(8, 8, 0.5).pvalue  # of 8 utterances
    assert differences.loc["copy-synthesis", "p_holm"] > 0.05


def test_no_interval_goes_beyond_the_scale(mos, tmp_path):
    answered(mos, tmp_path, 5, 5, seed=3)
    import_answers(mos, [tmp_path], tmp_path / "out")
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    known = summary.dropna(subset=["low", "high"])
    assert (known["low"] >= 1).all()
    assert (known["high"] <= 5).all()
    assert not math.isnan(summary.set_index("system").loc["l1+oracle", "low"])
