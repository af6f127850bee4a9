"""Figures: what they show of a planted run, that they can be drawn again from their tables, and how they look."""

import itertools
import json
import re
import shutil
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ttsbench import registry
from ttsbench.audio.histogram import Bins
from ttsbench.cli import main
from ttsbench.config.loading import validate
from ttsbench.errors import ConfigError
from ttsbench.evaluation.estimates import BootstrapSettings, Comparison
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.summary import compare, difference_frame, summary, summary_frame
from ttsbench.reporting.figures import (
    Drawing,
    FinishedRun,
    draw_differences,
    draw_distributions,
    draw_diversity,
    draw_ranks,
    draw_sweep,
    draw_tradeoff,
    draw_training,
    draw_verdicts,
    save_figure,
    styled,
    write_figures,
)
from ttsbench.reporting.figures.calibration import calibration
from ttsbench.reporting.figures.differences import differences
from ttsbench.reporting.figures.distributions import distributions, distributions_frame
from ttsbench.reporting.figures.diversity import diversity
from ttsbench.reporting.figures.identity import OBJECTIVES, looks
from ttsbench.reporting.figures.ranks import mean_ranks, pair_shares, ranks
from ttsbench.reporting.figures.spectrograms import draw_spectrograms
from ttsbench.reporting.figures.tradeoff import on_front, tradeoff
from ttsbench.reporting.figures.training import training
from ttsbench.types import MetricInfo

SAMPLING = BootstrapSettings(100, 0.95, 0)
# System -> level of MCD, function evaluations.
SYSTEMS = {"ground-truth": (0.0, 0), "copy-synthesis": (3.0, 0), "l1+oracle": (5.0, 1), "l2+oracle": (5.0, 1),
           "flow+oracle": (6.0, 1), "diffusion+oracle": (4.5, 16)}  # fmt: skip
EXPERIMENT = validate(
    {
        "name": "planted",
        "metrics": {name: {} for name in ("mcd", "nfe", "js_log_f0", "w1_same_input_f0", "gv_ratio")},
        "adapters": {name: {} for name in ("l1", "l2", "flow", "diffusion")},
        "prosody": ["oracle"],
        "table": {"titles": {"l1+oracle": "L1 costs $5 or $6", "mcd": "distortion"}},
    },
    "test",
)


class Mean:
    def __init__(self, name, unit="dB", higher=False, needs=frozenset()):
        self.info = MetricInfo(name, f"The {name}", unit, higher, ("value",), f"{name}|v1", "none", needs)

    def reduce(self, rows):
        return float(rows[:, 0].mean())


class Counts:
    """Two bins, from 0 to 2."""

    bins = Bins(0.0, 1.0, 2)

    def __init__(self):
        columns = ("code", "clip_0_0", "clip_0_1", "reference_0_0", "reference_0_1")
        self.info = MetricInfo("js_log_f0", "JS", "bits", False, columns, "js|v1", "none")

    def measure(self, clip, reference):
        raise NotImplementedError

    def reduce(self, rows):
        clip, reference = rows[:, 1:].sum(axis=0).reshape(2, 2)
        return float(abs(clip - reference).sum() / reference.sum())

    def floor(self, rows, rng):
        return 0.0


def rows_of(metric, value):
    """Two seeds, twelve utterances; ``value(system, rng)`` gives a clip's statistics, or None where not asked."""
    rng, lines = np.random.default_rng(0), []
    for system in SYSTEMS:
        for seed in ("0", "1"):
            for number in range(12):
                found = value(system, rng)
                numbers = found or [np.nan] * len(metric.info.columns)
                error = "" if found else "not applicable"
                lines.append([system, seed, "0", f"u{number}", *numbers, error, ""])
    columns = ["system", "seed", "sample", "utterance", *metric.info.columns, "error", "warning"]
    return MetricRows(metric, pd.DataFrame(lines, columns=columns), metric.info.signature)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    metrics = [
        rows_of(Mean("mcd"), lambda system, rng: [SYSTEMS[system][0] + 0.05 * rng.standard_normal()]),
        rows_of(Mean("nfe", "calls", needs=frozenset({"cost"})),
                lambda system, rng: [float(SYSTEMS[system][1])] if system != "ground-truth" else None),
        rows_of(Counts(), lambda system, rng: [0.0, 3.0, 1.0, 1.0, 3.0] if system == "flow+oracle"
                else [0.0, 1.0, 3.0, 1.0, 3.0]),
        rows_of(Mean("w1_same_input_f0", "semitones", None), lambda system, rng: [rng.uniform(0, 2)]),
        rows_of(Mean("gv_ratio", "ratio", None), lambda system, rng: [rng.uniform(0.8, 1.2)]),
    ]  # fmt: skip
    cells = summary(metrics, list(SYSTEMS), SAMPLING)
    summary_frame(cells, metrics).to_csv(folder / "summary.csv", index=False)
    found = compare(metrics, list(SYSTEMS)[2:], SAMPLING)
    difference_frame(found, metrics).to_csv(folder / "differences.csv", index=False)
    for seed in (0, 1):
        model = folder / "train" / f"l1-acoustic-seed{seed}"
        model.mkdir(parents=True)
        (model / "curve.csv").write_text("step,loss_generator,valid_generator\n1,5,\n2,4,4.5\n", encoding="utf-8")
    by_name = {rows.info.name: rows for rows in metrics}
    return FinishedRun(folder, EXPERIMENT, "Twelve utterances.", list(SYSTEMS), by_name, {})


# What they show


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


# A run that has nothing to show


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


# Files


DRAWN = {
    "tradeoff": draw_tradeoff, "differences": draw_differences, "distributions": draw_distributions,
    "diversity": draw_diversity, "ranks": draw_ranks, "training": draw_training,
}  # fmt: skip


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "figures"
    folder.mkdir()
    (folder / "from-an-earlier-report.png").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        own = {name: entry for name, entry in registry.registered("figures").items() if name in DRAWN}
        patch.setattr(registry, "registered", lambda kind: own)
        assert write_figures(run, folder) == {}
    return folder


def test_every_figure_has_its_files_and_a_caption(written):
    expected = {f"{name}{suffix}" for name in DRAWN for suffix in (".png", ".pdf", ".csv")}
    assert {path.name for path in written.iterdir()} == expected | {"captions.json", "notes.json"}
    captions = json.loads((written / "captions.json").read_text(encoding="utf-8"))
    assert set(captions) == set(DRAWN)
    assert all(caption.endswith(". Twelve utterances.") for caption in captions.values())


def test_fonts_are_embedded_as_truetype(written):
    for path in written.glob("*.pdf"):
        content = path.read_bytes()
        assert b"/FontFile2" in content and b"/Type3" not in content, path.name


def test_a_figure_drawn_twice_is_the_same_file(written, tmp_path):
    frame = pd.read_csv(written / "ranks.csv")
    for name in ("a", "b"):
        save_figure(draw_ranks(frame), tmp_path / name)
    for suffix in (".png", ".pdf"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("name", list(DRAWN))
def test_a_figure_can_be_drawn_again_from_its_table(name, written):
    figure = DRAWN[name](pd.read_csv(written / f"{name}.csv"))
    assert figure.get_figwidth() in (3.3, 6.9)
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert texts
    assert min(text.get_fontsize() for text in texts) >= 7
    assert not any(text.get_parse_math() for text in texts), "a name with dollars is no formula"


@pytest.mark.parametrize("name", list(DRAWN))
@pytest.mark.parametrize("width", [3.3, 6.9])
def test_figures_have_the_requested_width_and_at_most_eight_panels(name, width, written):
    figure = DRAWN[name](pd.read_csv(written / f"{name}.csv"), width=width, font_size=9)
    assert figure.get_figwidth() == width
    assert sum(axes.get_visible() for axes in figure.axes) <= 8
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 8


def test_columns_and_settings_of_the_user_win(written):
    frame = pd.read_csv(written / "diversity.csv")
    assert len({axes.get_position().x0 for axes in draw_diversity(frame, columns=1).axes}) == 1
    with mpl.rc_context({"axes.grid": True, "font.size": 11, "lines.linewidth": 3.0}):
        figure = draw_training(pd.read_csv(written / "training.csv"))
    assert {line.get_linewidth() for axes in figure.axes for line in axes.lines} == {0.7}
    with mpl.rc_context({"xtick.labelsize": 13.0}):
        figure = draw_ranks(pd.read_csv(written / "ranks.csv"))
    assert figure.axes[0].get_xticklabels()[0].get_fontsize() == 13


def test_ranks_and_fronts_are_those_of_the_selected_systems(written):
    ranks_of = pd.read_csv(written / "ranks.csv")
    figure = draw_ranks(ranks_of, systems=["flow+oracle", "diffusion+oracle"])
    marks = sorted(float(line.get_xdata()[0]) for line in figure.axes[0].lines if line.get_marker() != "None")
    assert marks == [1.0, 2.0]
    table = pd.read_csv(written / "tradeoff.csv")
    figure = draw_tradeoff(table, systems=["flow+oracle"], metrics=["mcd"])
    front = next(line for line in figure.axes[0].lines if line.get_linestyle() == "--")
    assert len(front.get_xdata()) == 1 and len(figure.axes) == 1


def test_an_unknown_system_is_refused_and_an_empty_selection_gets_a_sentence(written):
    frame = pd.read_csv(written / "ranks.csv")
    with pytest.raises(ConfigError, match=r"no system 'flow\+oracl'. Did you mean 'flow\+oracle'"):
        draw_ranks(frame, systems=["flow+oracl"])
    figure = draw_ranks(frame[:0])
    assert [text.get_text().replace("\n", " ") for text in figure.texts] == [
        "No ranks: they need at least three models and six utterances."
    ]


def test_a_metric_that_fails_on_every_clip_of_a_system_costs_no_figure(run):
    """A histogram without counts once made the limits of an axis NaN."""
    failing = rows_of(Counts(), lambda system, rng: None if system == "flow+oracle" else [0.0, 1.0, 3.0, 1.0, 3.0])
    differs = rows_of(Counts(), lambda system, rng: None if system != "l1+oracle" else [0.0, 3.0, 1.0, 1.0, 3.0])
    for rows in (failing, differs):
        own = FinishedRun(run.folder, run.experiment, "", run.systems, {"js_log_f0": rows}, {})
        drawing = distributions(own)
        assert drawing is None or "flow+oracle" not in set(drawing.frame["system"])
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
    assert set(frame["spread"]) == {2.0} and set(frame["error"]) == {3.0}
    assert set(frame["system_name"] if "system_name" in frame else frame["system"]).isdisjoint({"copy-synthesis"})
    assert calibration(run) is None


def test_verdicts_have_a_mark_for_each_claim_and_corpus(tmp_path):
    columns = {"statement": "so", "run": "r"}
    rows = [("C1", "a", "supported"), ("C1", "b", "refuted"), ("C2", "", "unit tested")]
    frame = pd.DataFrame(rows, columns=["claim", "corpus", "verdict"]).assign(**columns)
    figure = draw_verdicts(frame, width=3.3)
    places = {(round(float(line.get_xdata()[0])), float(line.get_ydata()[0])) for line in figure.axes[0].lines}
    assert places == {(0, 0.0), (1, 0.0), (0, 1.0)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["supported", "refuted", "unit tested"]


def test_files_are_written_for_a_path_that_is_text(tmp_path):
    paths = save_figure(empty_figure(), str(tmp_path / "a.b"), formats=("svg", "png"))
    assert paths == [tmp_path / "a.b.svg", tmp_path / "a.b.png"] and all(path.exists() for path in paths)


def test_a_figure_that_fails_becomes_a_note(run, tmp_path, monkeypatch):
    def broken(run):
        raise ValueError("no such column")

    figures = {"good": lambda run: Drawing(empty_figure(), "A caption."), "bad": broken, "none": lambda run: None}
    monkeypatch.setattr(registry, "registered", lambda kind: dict.fromkeys(figures))
    monkeypatch.setattr(registry, "load", lambda kind, name: figures[name])
    notes = write_figures(run, tmp_path)
    assert notes == {"bad": "The figure 'bad' could not be drawn: ValueError: no such column."}
    assert json.loads((tmp_path / "notes.json").read_text(encoding="utf-8")) == notes
    assert {path.name for path in tmp_path.iterdir()} == {"good.png", "good.pdf", "captions.json", "notes.json"}


@styled
def empty_figure():
    return Figure(figsize=(1, 1))


def test_a_spectrogram_has_f0_over_it_and_a_clip_without_f0_has_none(tmp_path):
    import soundfile
    from speechlike import speechlike

    soundfile.write(tmp_path / "voice.wav", speechlike(1.0, 150.0, 16000, 0.5), 16000)
    soundfile.write(tmp_path / "noise.wav", np.zeros(16000) + 1e-9, 16000)
    figure = draw_spectrograms(
        {"voice": tmp_path / "voice.wav", "silent": tmp_path / "noise.wav"}, "u1: it costs $5 or $6", EXPERIMENT.mel
    )
    contours = [line.get_ydata() for axes in figure.axes for line in axes.lines]
    assert np.nanmedian(contours[0]) == pytest.approx(150, rel=0.1)
    assert len(contours[1]) == 0
    assert re.match("u1: it costs", figure.get_suptitle())


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


def test_the_command_draws_a_figure_of_a_run_again(written, tmp_path, capsys):
    shutil.copytree(written, tmp_path / "figures")
    titles = {"table": {"titles": {"l1+oracle": "L1 costs $5 or $6"}}}
    (tmp_path / "experiment.json").write_text(json.dumps(titles), encoding="utf-8")
    options = ["--width", "3.3", "--systems", "l1+oracle", "flow+oracle", "diffusion+oracle", "--format", "pdf"]
    assert main(["figure", str(tmp_path), "ranks", *options, "--output", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'again.pdf'}\n" and (tmp_path / "again.pdf").exists()
    assert main(["figure", str(tmp_path), "rank"]) == 2
    assert "Did you mean 'ranks'?" in capsys.readouterr().err
