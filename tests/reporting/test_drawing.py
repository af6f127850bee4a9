"""Figures can be drawn again from their tables, with options, and are written as files."""

import json
import shutil

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from planted_figures import EXPERIMENT, SYSTEMS, planted_run

from ttsbench import registry
from ttsbench.cli import main
from ttsbench.errors import ConfigError
from ttsbench.reporting.figures import (
    Drawing,
    FinishedRun,
    draw_differences,
    draw_distributions,
    draw_diversity,
    draw_ranks,
    draw_tradeoff,
    draw_training,
    save_figure,
    styled,
    write_figures,
)
from ttsbench.reporting.figures.style import legend_size, log_axis, style
from ttsbench.reporting.figures.training import training


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return planted_run(tmp_path_factory.mktemp("figures"))


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


def test_the_command_draws_a_figure_of_a_run_again(written, tmp_path, capsys):
    shutil.copytree(written, tmp_path / "figures")
    titles = {"table": {"titles": {"l1+oracle": "L1 costs $5 or $6"}}}
    (tmp_path / "experiment.json").write_text(json.dumps(titles), encoding="utf-8")
    options = ["--width", "3.3", "--systems", "l1+oracle", "flow+oracle", "diffusion+oracle", "--format", "pdf"]
    assert main(["figure", str(tmp_path), "ranks", *options, "--output", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'again.pdf'}\n" and (tmp_path / "again.pdf").exists()
    assert main(["figure", str(tmp_path), "rank"]) == 2
    assert "Did you mean 'ranks'?" in capsys.readouterr().err


def test_no_figure_is_higher_than_a_page(written):
    frame = pd.read_csv(written / "differences.csv")
    one = frame[frame["name"] == "mcd"]
    many = pd.concat([one.assign(metric=f"metric {number}", name=f"m{number}") for number in range(60)])
    for width in (3.3, 6.9):
        figure = draw_differences(many, width=width)
        shown = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
        assert figure.get_figheight() <= 9 and shown[0] == "metric 0"
        assert len(shown) < 60


def test_training_curves_of_eight_models_are_selected_by_model_and_role(tmp_path):
    """Models of the two roles have the same titles."""
    for role in ("acoustic", "prosody"):
        for model in ("l1", "l2", "flow", "diffusion", "flow_matching"):
            folder = tmp_path / "train" / f"{model}-{role}-seed0"
            folder.mkdir(parents=True)
            (folder / "curve.csv").write_text("step,loss_generator\n1,5\n2,4\n", encoding="utf-8")
    drawing = training(FinishedRun(tmp_path, EXPERIMENT, "", list(SYSTEMS), {}, {}))
    assert sum(axes.get_visible() for axes in drawing.figure.axes) == 8
    assert len(drawing.frame.groupby(["role", "system"])) == 10, "the table has all of them"


@pytest.mark.parametrize("ends", [(1.0, 16.0), (0.002, 0.05), (1.0, 300.0)])
def test_logarithmic_axes_have_several_numbers(ends):
    axes = Figure().subplots()
    axes.plot(ends, [0, 1])
    log_axis(axes)
    low, high = axes.get_xlim()
    assert sum(low <= place <= high for place in axes.get_xticks()) >= 2


def test_a_table_of_an_earlier_version_gets_a_sentence(written, tmp_path, capsys):
    shutil.copytree(written, tmp_path / "figures")
    table = pd.read_csv(written / "differences.csv").drop(columns="significant")
    table.to_csv(tmp_path / "figures" / "differences.csv", index=False)
    (tmp_path / "experiment.json").write_text("{}", encoding="utf-8")
    assert main(["figure", str(tmp_path), "differences"]) == 2
    assert "no column 'significant': an earlier version" in capsys.readouterr().err


def test_legends_have_as_many_columns_as_fit():
    """A long label widens its own column only."""
    labels = ["l1", "l2", "flow", "diffusion", "flow matching", "hollow: predicted prosody"]
    with style():
        sizes = [legend_size(labels, width) for width in (1.0, 3.3, 6.9)]
    assert [columns for columns, _ in sizes] == [1, 3, 6]
    assert sizes[0][1] > sizes[1][1] > sizes[2][1]
