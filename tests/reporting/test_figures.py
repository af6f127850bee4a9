"""Figures: what they show of a planted run."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from planted_figures import EXPERIMENT, SAMPLING, SYSTEMS, Counts, Mean, planted_run, rows_of

from ttsbench.config.loading import validate
from ttsbench.evaluation.estimates import Comparison
from ttsbench.evaluation.summary import compare, difference_frame, summary, summary_frame
from ttsbench.reporting.figures import (
    FinishedRun,
    draw_differences,
    draw_distributions,
    draw_sweep,
    draw_verdicts,
)
from ttsbench.reporting.figures.calibration import calibration
from ttsbench.reporting.figures.differences import differences
from ttsbench.reporting.figures.distributions import distributions, distributions_frame
from ttsbench.reporting.figures.diversity import diversity
from ttsbench.reporting.figures.identity import OBJECTIVES, looks
from ttsbench.reporting.figures.ranks import mean_ranks, pair_shares, ranks
from ttsbench.reporting.figures.tradeoff import on_front, tradeoff
from ttsbench.reporting.figures.training import training
from ttsbench.types import MetricInfo


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return planted_run(tmp_path_factory.mktemp("figures"))


def test_the_front_holds_models_that_no_cheaper_model_equals():
    points = pd.DataFrame({"at": [1, 1, 2, 4, 4], "value": [5.0, 6.0, 5.5, 4.0, 4.0], "better": "down"})
    assert on_front(points) == [True, False, False, True, True]
    assert on_front(points.assign(better="up")) == [False, True, False, False, False]


def test_quality_against_cost(run):
    frame = tradeoff(run).frame.set_index(["metric", "system"])
    assert set(frame["cost"]) == {"NFE"}
    assert frame.loc[("distortion (dB) ↓", "diffusion+oracle"), "at"] == 16
    assert frame.loc[("distortion (dB) ↓", "diffusion+oracle"), "front"]
    assert not frame.loc[("distortion (dB) ↓", "flow+oracle"), "front"]
    assert frame.loc["distortion (dB) ↓", "copy_synthesis"].iloc[0] == pytest.approx(3.0, abs=0.1)


def test_significant_differences_are_marked(run):
    frame = differences(run).frame
    shown = {"distortion (dB)", "JS log-F0 (bits)", "W1 F0, one input (semitones)", "global variance ratio"}
    assert set(frame["metric"]) == shown, "no cost, because none was selected"
    constant = frame[frame["metric"] == "JS log-F0 (bits)"].set_index("system")["significant"]
    assert constant.to_dict() == {"l2+oracle": False, "flow+oracle": True, "diffusion+oracle": False}
    distortion = frame[frame["metric"] == "distortion (dB)"].set_index("system")
    assert list(distortion.index) == ["l2+oracle", "flow+oracle", "diffusion+oracle"]
    assert set(distortion["baseline"]) == {"L1 costs $5 or $6"}
    assert distortion["significant"].to_dict() == {"l2+oracle": False, "flow+oracle": True, "diffusion+oracle": True}
    assert distortion.loc["flow+oracle", "difference"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("reach", [0.0034, 0.0076, 0.12, 3.0, 180.0])
def test_tick_labels_neither_overlap_nor_leave_the_figure(reach):
    """Beside each other where differences are small and panels four, and a long name at its whole length."""
    rows = [{"metric": f"m{number}", "better": "down", "baseline": "L2", "system": name, "difference": -reach / 2,
             "low": -reach, "high": 0.1 * reach, "significant": True}
            for number in range(4) for name in ("short", "adversary and speaker encoder")]  # fmt: skip
    figure = draw_differences(pd.DataFrame(rows))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        low, high = axes.get_window_extent().x0, axes.get_window_extent().x1
        shown = [box for box in boxes if low - 1 <= (box.x0 + box.x1) / 2 <= high + 1]
        assert len(shown) >= 2
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(shown))
    assert min(label.get_window_extent().x0 for label in figure.axes[0].get_yticklabels()) >= 0


def test_shares_are_those_of_the_counts(run):
    frame = distributions(run).frame.set_index(["system", "left"])
    assert frame.loc["flow+oracle", "share"].tolist() == [0.75, 0.25]
    assert frame.loc["l2+oracle", "share"].tolist() == frame.loc["flow+oracle", "reference"].tolist() == [0.25, 0.75]
    assert frame.loc["flow+oracle", "value"].tolist() == [1.0, 1.0]
    assert np.allclose(np.log(frame.loc["l2+oracle", "right"].tolist()), [1, 2]), "bins of log-F0 are shown in Hz"


def test_ranks_by_hand():
    """Three systems on four blocks, ranks 1 2 3, 1 2 3, 2 1 3 and 1.5 1.5 3."""
    values = pd.DataFrame({"a": [1.0, 1, 2, 1], "b": [2.0, 2, 1, 1], "c": [3.0, 3, 3, 3]})
    found = mean_ranks(pair_shares(values, higher_is_better=False))
    assert found["rank"].tolist() == [1.375, 1.625, 3.0]
    assert mean_ranks(pair_shares(values, higher_is_better=True))["rank"].tolist() == [2.625, 2.375, 1.0]
    assert found["utterances"].tolist() == [4, 4, 4]


def test_the_critical_difference_is_that_of_the_paper():
    """Demsar 2006, section 3.2.2: four classifiers on fourteen data sets have CD 1.25 at .05."""
    values = pd.DataFrame(np.random.default_rng(0).random((14, 4)), columns=list("abcd"))
    assert mean_ranks(pair_shares(values, True))["critical_difference"].iloc[0] == pytest.approx(1.25, abs=0.005)


def test_only_metrics_of_single_clips_are_ranked(run):
    frame = ranks(run).frame
    assert set(frame["metric"]) == {"distortion"}
    assert mean_ranks(frame).set_index("system")["rank"]["diffusion+oracle"] == 1.0
    assert set(frame["utterances"]) == {12}


def test_the_spread_is_shown_in_its_scenarios(run):
    frame = diversity(run).frame
    assert dict(zip(frame["scenario"], frame["metric"], strict=True)) == {
        "draws of one input": "W1 F0 (semitones)",
        "whole test set": "global variance ratio",
    }


def test_training_has_a_row_for_each_recorded_loss(run):
    frame = training(run).frame
    assert frame.groupby("kind").size().to_dict() == {"training": 4, "validation": 2}
    assert set(frame["seed"]) == {"0", "1"}


def test_metrics_with_the_same_title_get_their_names(run):
    titles = {"mcd": "Same", "gv_ratio": "Same"}
    experiment = run.experiment.model_copy(update={"table": run.experiment.table.model_copy(update={"titles": titles})})
    alike = FinishedRun(run.folder, experiment, "", run.systems, run.metrics, {})
    assert [alike.heading(name).title for name in ("mcd", "gv_ratio", "nfe")] == ["Same, mcd", "Same, gv_ratio", "NFE"]


def figures_of(run, adapters, models, titles=None):
    values = {"name": "many", "metrics": {"mcd": {}}, "adapters": adapters, "table": {"titles": titles or {}}}
    return FinishedRun(run.folder, validate(values, "test"), "", models, run.metrics, {})


def test_systems_of_one_objective_share_look_and_label(run):
    adapters = {"l1": {}, "flow": {}, "few": {"adapter": "diffusion"}, "many": {"adapter": "diffusion", "nfe": 64}}
    models = ["l1+oracle", "flow+oracle", "few+oracle", "many+oracle", "l1+flow"]
    own = figures_of(run, adapters, models, {"l1+oracle": "L1", "few+oracle": "few"})
    assert [own.family(name) for name in models] == ["L1", "flow+oracle", "Diffusion", "Diffusion", "l1+flow"]
    assert [own.end_to_end(name) for name in models] == [False, False, False, False, True]
    named = figures_of(run, adapters, models, {"diffusion+oracle": "teacher"})
    assert named.family("many+oracle") == "teacher"
    two = figures_of(run, adapters, ["l1+oracle", "few+oracle", "many+oracle"], {"few+oracle": "few"})
    assert two.family("few+oracle") == "few", "with two adapters, every label has its own look"


def test_looks_are_the_same_in_all_figures_and_never_repeat():
    def frame(names, hollow=False):
        return pd.DataFrame({"system": names, "objective": names, "end_to_end": hollow})

    alone, together = looks(frame(["sled"]))["sled"], looks(frame(["l1", "sled", "mine", "other"]))
    assert together["sled"] == alone and not alone.hollow
    assert looks(frame(["sled"], True))["sled"] == replace(alone, hollow=True)
    many = looks(frame([*OBJECTIVES, *(f"own{number}" for number in range(40)), "copy-synthesis"]))
    assert len({(look.colour, look.marker) for look in many.values()}) == len(many)


def test_prosody_models_are_the_objectives_where_only_they_vary(run):
    models = ["l1+l1", "l1+l2", "l1+flow", "l1+diffusion"]
    own = figures_of(run, {name: {} for name in ("l1", "l2", "flow", "diffusion")}, models)
    assert [own.objective(name) for name in models] == ["l1", "l2", "flow", "diffusion"]
    assert not any(own.end_to_end(name) for name in models)


@pytest.mark.parametrize("figure", [tradeoff, differences, distributions, diversity, ranks, training])
def test_a_run_without_data_gives_no_figure(figure, tmp_path):
    metrics = [rows_of(Mean("mcd"), lambda system, rng: [1.0])]
    alone = ["ground-truth", "copy-synthesis", "l1+oracle"]
    summary_frame(summary(metrics, alone, SAMPLING), metrics).to_csv(tmp_path / "summary.csv", index=False)
    difference_frame([], metrics).to_csv(tmp_path / "differences.csv", index=False)
    assert figure(FinishedRun(tmp_path, EXPERIMENT, "", alone, {"mcd": metrics[0]}, {})) is None


def test_systems_without_any_value_are_left_out(tmp_path):
    """Every clip of a system failed: it has no value, no difference and no rank."""
    metrics = [rows_of(Mean("mcd"), lambda system, rng: None if system == "flow+oracle" else [rng.random()])]
    summary_frame(summary(metrics, list(SYSTEMS), SAMPLING), metrics).to_csv(tmp_path / "summary.csv", index=False)
    found = compare(metrics, list(SYSTEMS)[2:], SAMPLING)
    assert isinstance(found[0], Comparison)
    difference_frame(found, metrics).to_csv(tmp_path / "differences.csv", index=False)
    empty = FinishedRun(tmp_path, EXPERIMENT, "", list(SYSTEMS), {"mcd": metrics[0]}, {})
    assert "flow+oracle" not in set(differences(empty).frame["system"])
    assert ranks(empty) is None


def test_a_metric_that_fails_on_every_clip_of_a_system_costs_no_figure(run):
    """A histogram without counts once made the limits of an axis NaN."""
    values = [0.0, 3.0, 1.0, 1.0, 3.0]
    failing = rows_of(Counts(), lambda system, rng: None if system == "flow+oracle" else values)
    alone = rows_of(Counts(), lambda system, rng: None if system != "l1+oracle" else values)
    others = {"copy-synthesis", "L1 costs $5 or $6", "l2+oracle", "diffusion+oracle"}
    for rows, shown in ((failing, others), (alone, {"L1 costs $5 or $6"})):
        own = FinishedRun(run.folder, run.experiment, "", run.systems, {"js_log_f0": rows}, {})
        assert set(distributions(own).frame["system"]) == shown
    empty = rows_of(Counts(), lambda system, rng: [0.0, 0.0, 0.0, 1.0, 3.0] if system == "l1+oracle" else [0.0] * 5)
    own = FinishedRun(run.folder, run.experiment, "", run.systems, {"js_log_f0": empty}, {})
    frame = distributions_frame(own)
    assert frame["share"].isna().all()
    FigureCanvasAgg(draw_distributions(frame)).draw()


def test_spread_against_error(run):
    class Calibrated(Mean):
        def __init__(self):
            columns = ("squared_spread", "squared_error")
            self.info = MetricInfo("calibration", "Calibration", "ratio", None, columns, "c|v1", "none")

    rows = rows_of(Calibrated(), lambda system, rng: None if system == "ground-truth" else [4.0, 9.0])
    own = FinishedRun(run.folder, run.experiment, "", run.systems, {"calibration": rows}, {})
    frame = calibration(own).frame
    assert set(frame["spread"]) == {2 / 3} and set(frame["error"]) == {1.0}, "in units of the first system's error"
    assert set(frame["system_name"] if "system_name" in frame else frame["system"]).isdisjoint({"copy-synthesis"})
    assert calibration(run) is None


def test_verdicts_have_a_mark_for_each_claim_and_corpus(tmp_path):
    columns = {"statement": "so", "run": "r"}
    rows = [("C1", "a", "supported"), ("C1", "b", "refuted"), ("C2", "", "unit tested"), ("C3", "b", "inconclusive")]
    frame = pd.DataFrame(rows, columns=["claim", "corpus", "verdict"]).assign(**columns)
    figure = draw_verdicts(frame, width=3.3)
    places = {(round(float(line.get_xdata()[0])), float(line.get_ydata()[0])) for line in figure.axes[0].lines}
    assert places == {(0, 0.0), (1, 0.0), (0, 1.0), (1, 2.0)}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["supported", "refuted", "unit tested", "inconclusive"], "the last is of an earlier version"


def test_a_sweep_is_a_line_for_each_family_and_one_across_for_what_has_no_setting():
    lines = [("temperature", "flow", t, "MCD (dB) ↓", 5 + t, 4 + t, 6 + t) for t in (0.0, 0.5, 1.0)]
    beside = [("temperature", "copy-synthesis", np.nan, "MCD (dB) ↓", 4.0, 3.0, 5.0)]
    columns = ["axis", "family", "setting", "metric", "value", "low", "high"]
    (panel,) = draw_sweep(pd.DataFrame([*lines, *beside], columns=columns)).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in panel.lines}
    assert drawn == {"flow": [5.0, 5.5, 6.0], "copy-synthesis": [4.0, 4.0]}
    assert panel.get_xscale() == "linear"
    far = pd.DataFrame([*lines, (*beside[0][:4], 100.0, 99.0, 101.0)], columns=columns)
    (panel,) = draw_sweep(far.assign(axis="function evaluations", setting=[1, 2, 4, np.nan])).axes
    assert panel.get_ylim()[1] < 10, "a reference far away does not press the rest together"
    assert panel.get_xscale() == "log"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["1", "2", "4"], "the settings of the sweep"


def test_an_interval_much_wider_than_the_others_leaves_the_panel_of_a_sweep():
    values = [("nfe", "flow", n, "JS (bits) ↓", 2.0 + n, 1.5 + n, 2.5 + n) for n in (1, 2, 3)]
    values.append(("nfe", "flow", 4, "JS (bits) ↓", 6.0, 5.5, 90.0))
    columns = ["axis", "family", "setting", "metric", "value", "low", "high"]
    (panel,) = draw_sweep(pd.DataFrame(values, columns=columns)).axes
    assert panel.get_ylim()[0] < 2.5 and 6.5 < panel.get_ylim()[1] < 12


def test_tables_without_marks_show_eight_panels():
    """Earlier versions did not mark the selected metrics."""
    values = [("nfe", "flow", n, f"m{metric}", 1.0 * n, n - 0.1, n + 0.1) for metric in range(9) for n in (1, 2)]
    frame = pd.DataFrame(values, columns=["axis", "family", "setting", "metric", "value", "low", "high"])
    titles = [axes.get_title(loc="left") for axes in draw_sweep(frame).axes if axes.get_visible()]
    assert titles == [f"m{metric}" for metric in range(8)]
    assert [axes.get_title(loc="left") for axes in draw_sweep(frame, metrics=["m8"]).axes] == ["m8"]
