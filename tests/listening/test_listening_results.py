"""Listening tests: who is left out, and the tables of the rest."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from honestlisteners import MEANS, checked, honest, sessions
from listeners import answers, noisy, save

from ttsbench import cli
from ttsbench.errors import TtsbenchError
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS
from ttsbench.listening.results import import_answers
from ttsbench.listening.screening import screened_out, signature

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
