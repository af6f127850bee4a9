"""Planning a run from the variances of a finished one."""

import csv

import numpy as np
import pytest
from planted_claims import claim, planted_run

from ttsbench.cli import main
from ttsbench.reporting.claims import judge
from ttsbench.reporting.claims.power_plan import components, power_table, seeds_to_decide

LEVELS = {"a+oracle": 4.0, "b+oracle": 4.0, "c+oracle": 5.0}


def test_the_number_of_seeds_decides_either_way_in_four_of_five_simulated_runs():
    margin, deviation = 0.4, 0.3
    seeds = seeds_to_decide(margin, deviation)
    rng, level = np.random.default_rng(0), 0.05
    from ttsbench.reporting.claims import Effect

    for truth, outcome in ((0.0, "equivalent"), (2 * margin, "supported")):
        effects = [Effect("", "mcd", truth + deviation * rng.standard_normal(seeds), margin, 10) for _ in range(400)]
        assert np.mean([effect.outcome == outcome for effect in effects]) >= 0.8 - level
    assert seeds_to_decide(margin, 100.0) is None


def test_an_underpowered_verdict_says_what_decides_it(tmp_path):
    run = planted_run(tmp_path, LEVELS, between=0.3)
    judgement = judge(claim(0.1, less="a+oracle", than=["b+oracle"]), run)
    (effect,) = judgement.findings
    assert judgement.verdict == "underpowered"
    seeds = seeds_to_decide(0.1, effect.deviation)
    assert judgement.reasons == [f"a longer run needs {seeds} seeds for the margin of 0.1, with a deviation of "
                                 f"{effect.deviation:.3g} between trainings"]  # fmt: skip


def test_variances_of_seeds_and_utterances_are_recovered(tmp_path):
    run = planted_run(tmp_path, {"a+oracle": 4.0, "b+oracle": 4.0}, seeds=40, between=0.3)
    (effect,) = judge(claim(less="a+oracle", than=["b+oracle"]), run).findings
    parts, draws = components(effect, run)
    assert draws == 1
    assert parts.seeds == pytest.approx(2 * 0.3**2, rel=0.5)
    assert parts.pairs == pytest.approx(2 * 0.02**2, rel=0.5)
    assert parts.seed_deviation(effect.n) == pytest.approx(effect.deviation, rel=1e-6)
    (more,) = judge(claim(contrast={"a+oracle": 1, "b+oracle": -1}), run).findings
    assert components(more, run) is None, "no plain difference"


def test_more_utterances_help_where_they_are_the_variance(tmp_path):
    run = planted_run(tmp_path, {"a+oracle": 4.0, "b+oracle": 4.0}, seeds=5, between=0.0)
    path = tmp_path / "scores" / "mcd.csv"
    rows = list(csv.reader(path.open(encoding="utf-8")))
    rng = np.random.default_rng(1)
    noisy = [rows[0], *([*row[:4], str(float(row[4]) + rng.standard_normal()), *row[5:]] for row in rows[1:])]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(noisy)
    run = type(run)(tmp_path)
    findings = {"C": judge(claim(0.15, less="a+oracle", than=["b+oracle"]), run).findings}
    *_, row = power_table(findings, run)
    now, twice, four, draws = (cell.strip() for cell in row.split("|")[6:10])
    assert int(now) > int(twice) > int(four) and draws == ""


def test_the_command_prints_a_row_for_each_comparison(tmp_path, capsys):
    planted_run(tmp_path / "run", LEVELS, between=0.1)
    claims = tmp_path / "claims.yaml"
    claims.write_text("C: {statement: s, paper: p, endpoint: {metric: mcd, less: a+oracle, than: [b+oracle, c+oracle], "
                      "margin: 0.3}}", encoding="utf-8")  # fmt: skip
    assert main(["plan-power", str(tmp_path / "run"), "--claims", str(claims), "--effect", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[2] for line in lines if line.startswith("| C |")] == ["0.5", "0.5"]


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--effect", "-1"], "--effect above 0"), (["--power", "1.5"], "--power between 0 and 1"),
     ([], "has a single training seed")],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_refused(tmp_path, capsys, options, message):
    planted_run(tmp_path / "run", LEVELS, seeds=1)
    claims = tmp_path / "claims.yaml"
    claims.write_text("C: {statement: s, paper: p, endpoint: {metric: mcd, less: a+oracle, than: [b+oracle], "
                      "margin: 0.3}}", encoding="utf-8")  # fmt: skip
    assert main(["plan-power", str(tmp_path / "run"), "--claims", str(claims), *options]) == 2
    assert message in capsys.readouterr().err
