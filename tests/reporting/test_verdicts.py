"""Verdicts: planted effects, the forms of a comparison, admission, headroom, convergence, and families of claims."""

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_claims import UTTERANCES, claim, planted_run

from ttsbench.reporting.claims import Claim, Effect, judge, judge_run
from ttsbench.reporting.claims.effect import fitted_change, lowest_place
from ttsbench.reporting.claims.judgement import p_different, p_equivalent

LEVELS = {"a+oracle": 4.0, "b+oracle": 4.0, "c+oracle": 5.0, "d+oracle": 6.0, "e+oracle": 7.0, "z+oracle": 5.5}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return planted_run(tmp_path_factory.mktemp("planted"), LEVELS, between=0.03)


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        ({"less": "a+oracle", "than": ["c+oracle", "d+oracle"]}, "supported"),
        ({"less": "d+oracle", "than": ["c+oracle"]}, "refuted"),
        ({"less": "c+oracle", "than": ["d+oracle", "a+oracle"]}, "refuted"),
        ({"less": "a+oracle", "than": ["b+oracle"]}, "equivalent"),
        ({"less": "a+oracle", "than": ["b+oracle", "d+oracle"]}, "equivalent"),
        ({"less": "a+oracle", "than": ["c+oracle"], "margin": 2.0}, "equivalent"),
        ({"less": "a+oracle", "than": ["b+oracle"], "margin": 0.001}, "underpowered"),
        ({"more": "e+oracle", "than": ["d+oracle"]}, "supported"),
        ({"nearer": "c+oracle", "to": 5.2, "than": ["a+oracle", "e+oracle"]}, "supported"),
        ({"nearer": "a+oracle", "to": 5.2, "than": ["c+oracle"]}, "refuted"),
        ({"rising": {"a+oracle": 0, "c+oracle": 1, "d+oracle": 2, "e+oracle": 3}}, "supported"),
        ({"falling": {"a+oracle": 0, "c+oracle": 1, "d+oracle": 2}}, "refuted"),
        ({"rising": {"d+oracle": 0, "a+oracle": 1, "z+oracle": 2}, "margin": 0.9}, "equivalent"),
        ({"lowest": {"d+oracle": 0, "a+oracle": 1, "e+oracle": 2}, "within": [0.5, 1.5]}, "supported"),
        ({"lowest": {"a+oracle": 0, "c+oracle": 1, "e+oracle": 2}, "within": [0.5, 1.5]}, "refuted"),
        ({"contrast": {"e+oracle": 1, "c+oracle": -1, "d+oracle": -1, "a+oracle": 1}}, "equivalent"),
        ({"contrast": {"e+oracle": 1, "c+oracle": -1, "d+oracle": 1, "a+oracle": -1}}, "supported"),
        ({"contrast": {"c+oracle": 1, "e+oracle": -0.9}}, "refuted"),
        ({"less": "a+oracle", "than": ["x+oracle"]}, "not evaluated"),
    ],
)
def test_verdicts_on_planted_differences(run, part, verdict):
    judgement = judge(claim(**part), run)
    assert judgement.verdict == verdict
    for effect in judgement.findings:
        assert effect.n == UTTERANCES and effect.seeds == 5
    if verdict == "underpowered":
        assert "a longer run needs" in judgement.reasons[0]


@pytest.mark.parametrize("margins", [0, 1, 2, 3, -2])
def test_planted_effects_get_the_right_verdict_in_four_of_five_runs(margins):
    """With a deviation between trainings of a third of the margin and five seeds."""
    rng, margin, right = np.random.default_rng(margins + 9), 0.3, 0
    expected = "equivalent" if margins == 0 else "supported" if margins > 0 else "refuted"
    for _ in range(400):
        effect = Effect("", "mcd", margins * margin + margin / 3 * rng.standard_normal(5), margin, 10)
        right += effect.outcome == expected
    assert right >= 0.8 * 400


def test_trainings_of_one_objective_are_told_apart_in_at_most_six_percent():
    """Supported or refuted, at five seeds and with a margin far below the deviation between trainings."""
    rng = np.random.default_rng(4)
    rejected = [p_different([Effect("", "mcd", rng.standard_normal(5), 0.01, 10)]) < 0.05 for _ in range(4000)]
    assert np.mean(rejected) <= 0.06
    several = [p_different([Effect("", "mcd", values, 0.01, 10) for values in rng.standard_normal((3, 5))]) < 0.05
               for _ in range(2000)]  # fmt: skip
    assert np.mean(several) <= 0.06


def test_equivalence_of_different_systems_is_rare():
    rng = np.random.default_rng(5)
    wrong = [p_equivalent([Effect("", "mcd", 1.0 + rng.standard_normal(5), 1.0, 10)]) < 0.05 for _ in range(2000)]
    assert np.mean(wrong) <= 0.06


def test_the_effect_is_positive_if_the_claim_holds(run):
    (effect,) = judge(claim(less="a+oracle", than=["d+oracle"]), run).findings
    assert effect.difference.value == pytest.approx(2.0, abs=0.1)
    assert effect.sentence == "mcd: a+oracle below d+oracle"
    (effect,) = judge(claim(nearer="c+oracle", to=5.0, than=["e+oracle"]), run).findings
    assert effect.difference.value == pytest.approx(2.0, abs=0.1)
    (effect,) = judge(claim(contrast={"c+oracle": 1, "d+oracle": -0.5}), run).findings
    assert effect.difference.value == pytest.approx(2.0, abs=0.1)
    assert effect.sentence == "mcd: +1 c+oracle -0.5 d+oracle above 0"


def test_trend_and_lowest_place_agree_with_numpy():
    axis = {"a": 0.0, "b": 1.0, "c": 3.0}
    assert fitted_change(axis, np.array([2.0, 4.0, 8.0])) == pytest.approx(6.0)
    places = {str(x): x for x in (0.0, 0.4, 0.8, 1.0, 1.3)}
    assert lowest_place(places, np.array([(x - 0.7) ** 2 for x in places.values()])) == pytest.approx(0.7)
    assert lowest_place(places, np.array(list(places.values()))) == 0.0


def test_few_seeds_decide_nothing(run, tmp_path):
    few = planted_run(tmp_path, LEVELS, seeds=3, between=0.03)
    judgement = judge(claim(less="a+oracle", than=["d+oracle"]), few)
    assert judgement.verdict == "underpowered"
    assert judgement.reasons[0] == "a decision takes 5 training seeds, and the run has 3"
    few = planted_run(tmp_path, LEVELS, seeds=3, between=0.03, statistics={"decision_seeds": 3})
    assert judge(claim(less="a+oracle", than=["d+oracle"]), few).verdict == "supported"
    single = planted_run(tmp_path, LEVELS, seeds=1)
    judgement = judge(claim(less="a+oracle", than=["d+oracle"]), single)
    assert judgement.verdict == "underpowered" and "a single seed shows no variance" in judgement.reasons[1]


def test_claims_are_corrected_together(tmp_path):
    weak = planted_run(tmp_path, {"a+oracle": 4.0, "b+oracle": 4.6}, between=0.15)
    alone = judge(claim(0.001, less="a+oracle", than=["b+oracle"]), weak)
    many = judge_run({str(n): claim(0.001, less="a+oracle", than=["b+oracle"]) for n in range(20)}, weak)
    assert alone.verdict == "supported" and alone.p < 0.05
    assert {judgement.verdict for judgement in many.values()} == {"underpowered"}
    assert many["0"].p == pytest.approx(min(1.0, 20 * alone.p))


def test_secondary_comparisons_decide_nothing(run):
    one = claim(less="a+oracle", than=["c+oracle"])
    both = Claim.model_validate({**one.model_dump(), "secondary": [
        {"metric": "mcd", "less": "d+oracle", "than": ["c+oracle"], "margin": 0.2},
        {"metric": "wer", "less": "d+oracle", "than": ["c+oracle"], "margin": 0.2}]})  # fmt: skip
    judgement = judge(both, run)
    assert judgement.verdict == "supported" and judgement.secondary[0].outcome == "refuted"
    assert list(judgement.missing) == ["wer: the run has no wer"]


def _with_training(folder, name="a", **cost):
    """A training of model ``name`` that fell from 3 to 1 and by 10 % of that in the last quarter."""
    trained = folder / "train" / f"{name}-acoustic-seed0"
    trained.mkdir(parents=True, exist_ok=True)
    header = "step,loss_generator,valid_generator,valid_monitored_cosine,valid_monitored_moved"
    last = f"100,1,1,{cost.pop('cosine', 0.2)},{cost.pop('moved', 0.2)}"
    (trained / "curve.csv").write_text(f"{header}\n50,1,3,0,0\n75,1,1.2,0,0\n{last}\n", encoding="utf-8")
    made = {"adapter": name, "role": "acoustic", "seed": 0}
    (trained / "model.json").write_text(json.dumps(made), encoding="utf-8")
    values = {"seconds": 9.0, "steps": 100, "saved_step": 100, "parameters": 10, "keep": "best", **cost}
    (trained / "cost.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("part", [{"less": "a+oracle"}, {"more": "a+oracle"}])
def test_convergence_gates_support_and_refutation_alike(tmp_path, part):
    run = planted_run(tmp_path, LEVELS, between=0.03)
    _with_training(tmp_path)
    decided = "supported" if "less" in part else "refuted"
    judgement = judge(claim(**part, than=["d+oracle"]), run)
    assert judgement.verdict == "not converged" and list(judgement.unconverged) == ["a (acoustic)"]
    assert f"the verdict would be '{decided}'" in judgement.reasons[0]
    equal = judge(claim(**part, than=["b+oracle"]), planted_run(tmp_path, LEVELS, between=0.03))
    assert equal.verdict == "not converged"
    _with_training(tmp_path, plateau=True)
    assert judge(claim(**part, than=["d+oracle"]), planted_run(tmp_path, LEVELS, between=0.03)).verdict == decided


def test_a_decision_stands_if_an_earlier_run_has_the_same_sign(tmp_path):
    run, part = planted_run(tmp_path / "full", LEVELS, between=0.03), {"less": "a+oracle", "than": ["d+oracle"]}
    _with_training(tmp_path / "full")
    for steps, level, verdict in ((50, 5.9, "supported"), (50, 6.1, "not converged"), (60, 5.9, "not converged")):
        earlier = planted_run(tmp_path / "half", {**LEVELS, "a+oracle": level}, between=0.001)
        _with_training(tmp_path / "half", steps=steps)
        assert judge(claim(**part), replace_trainings(run), replace_trainings(earlier)).verdict == verdict


def replace_trainings(run):
    """The run without its cached training table."""
    vars(run).pop("trainings", None)
    return run


@pytest.mark.parametrize(
    ("admission", "quantities", "verdict"),
    [
        ({"refines": ["a+oracle"]}, {"cosine": 0.2}, "supported"),
        ({"refines": ["a+oracle"]}, {"cosine": 0.04}, "not testable"),
        ({"moved": ["a+oracle"]}, {"moved": 0.1}, "supported"),
        ({"moved": ["a+oracle"]}, {"moved": 0.01}, "not testable"),
        ({"refines": ["b+oracle"]}, {}, "not testable"),  # not trained in this run
        ({"calibrated": ["a+oracle"]}, {}, "not testable"),  # not measured
        ({"diverse": ["a+oracle"]}, {}, "not testable"),
        ({"equal": [{"metric": "mcd", "systems": ["a+oracle", "b+oracle"], "margin": 0.2}]}, {}, "supported"),
        ({"equal": [{"metric": "mcd", "systems": ["a+oracle", "d+oracle"], "margin": 0.2}]}, {}, "not testable"),
    ],
)
def test_conditions_of_a_claim(tmp_path, admission, quantities, verdict):
    run = planted_run(tmp_path, LEVELS, between=0.03)
    _with_training(tmp_path, plateau=True, **quantities)
    conditional = Claim.model_validate(
        {**claim(less="a+oracle", than=["d+oracle"]).model_dump(), "admission": admission}
    )
    judgement = judge(conditional, run)
    assert judgement.verdict == verdict
    assert bool(judgement.reasons) == (verdict == "not testable")


@pytest.mark.parametrize(("value", "verdict"), [(1.2, "supported"), (0.6, "not testable"), (1.4, "not testable")])
def test_a_sampler_has_to_be_calibrated(tmp_path, value, verdict):
    run = planted_run(tmp_path, LEVELS, between=0.03)
    values = claim(less="a+oracle", than=["d+oracle"]).model_dump()
    conditional = Claim.model_validate({**values, "admission": {"calibrated": ["a+oracle"]}})
    run.value = lambda metric, system: value
    assert judge(conditional, run).verdict == verdict


def test_a_metric_without_headroom_shows_neither_difference_nor_equivalence(tmp_path):
    part = {"less": "a+oracle", "than": ["b+oracle"]}
    floor = planted_run(tmp_path, {"copy-synthesis": 4.0, "a+oracle": 4.0, "b+oracle": 4.01}, between=0.03)
    judgement = judge(claim(**part), floor)
    assert judgement.verdict == "not testable" and "mcd has no headroom" in judgement.reasons[0]
    room = planted_run(tmp_path, {"copy-synthesis": 1.0, "a+oracle": 4.0, "b+oracle": 4.01}, between=0.03)
    assert judge(claim(**part), room).verdict == "equivalent"
    clear = planted_run(tmp_path, {"copy-synthesis": 4.0, "a+oracle": 4.0, "b+oracle": 4.1}, between=0.03)
    assert judge(claim(0.01, **part), clear).verdict == "supported"


def test_lowest_at_an_end_of_the_range_in_every_training_is_certain(run):
    judgement = judge(claim(lowest={"a+oracle": 0, "d+oracle": 1, "e+oracle": 2}, within=[-0.5, 0.5]), run)
    assert judgement.verdict == "supported" and judgement.findings[0].is_exact
    assert replace(judgement.findings[0], per_seed=np.full(5, 2.0)).outcome == "refuted"
