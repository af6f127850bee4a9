"""Sweeps: which systems belong together, and the figure of them."""

import pandas as pd
from ttsbench.sweeps import find_sweeps, moving, sweep_frame

from ttsbench.experiment import validate
from ttsbench.figures import sweep_figure

EXPERIMENT = validate(
    {
        "name": "sweeps",
        "metrics": {"mcd": {}},
        "adapters": {
            "l1": {},
            **{f"flow-t{t:g}": {"adapter": "flow", "temperature": t} for t in (0, 0.5, 1)},
            **{f"diffusion-{n}": {"adapter": "diffusion", "nfe": n} for n in (1, 4, 16)},
            **{f"cool-{n}": {"adapter": "diffusion", "nfe": n, "temperature": 0.5} for n in (1, 4, 16)},
            **{
                f"sled-{g}": {"adapter": "sled", "options": {"condition_dropout": 0.1}, "sampling": {"guidance": g}}
                for g in (1.5, 2.0)
            },
            "sled-1": {"adapter": "sled", "options": {"condition_dropout": 0.1}},
            "other": {"adapter": "flow", "temperature": 0.2, "options": {"coupling": "spline"}},
        },
        "systems": [
            *(f"flow-t{t:g}+oracle" for t in (0, 0.5, 1)),
            *(f"l1+flow-t{t:g}" for t in (0, 0.5, 1)),
            *(f"{name}-{n}+oracle" for name in ("diffusion", "cool") for n in (1, 4, 16)),
            *(f"sled-{g}+oracle" for g in (1, 1.5, 2.0)),
            "other+oracle",
            "l1+oracle",
            "l1+l1",
        ],
    },
    "test",
)


def test_what_varies_in_one_setting_alone_is_a_sweep():
    found = {(sweep.parameter, sweep.family): sweep.systems for sweep in find_sweeps(EXPERIMENT)}
    assert found == {
        ("temperature", "flow+oracle"): {0: "flow-t0+oracle", 0.5: "flow-t0.5+oracle", 1: "flow-t1+oracle"},
        ("temperature", "l1+flow"): {0: "l1+flow-t0", 0.5: "l1+flow-t0.5", 1: "l1+flow-t1"},
        ("nfe", "diffusion+oracle"): {n: f"diffusion-{n}+oracle" for n in (1, 4, 16)},
        ("nfe", "diffusion temperature=0.5+oracle"): {n: f"cool-{n}+oracle" for n in (1, 4, 16)},
        ("guidance", "sled condition_dropout=0.1+oracle"): {g: f"sled-{g}+oracle" for g in (1, 1.5, 2.0)},
    }


def summary():
    systems = [name for sweep in find_sweeps(EXPERIMENT) for name in sweep.systems.values()]
    rows = [
        {"system": name, "metric": metric, "unit": "dB", "value": value, "low": value - 1, "high": value + 1}
        for number, name in enumerate(systems)
        for metric, value in (("mcd", 5.0 + number), ("params", 7.0))
    ]
    return pd.DataFrame(rows)


def test_the_figure_has_a_panel_for_each_metric_that_moves_and_a_line_for_each_family():
    frame = sweep_frame(find_sweeps(EXPERIMENT), summary())
    temperatures = moving(frame, "temperature")
    assert set(temperatures["metric"]) == {"mcd"}
    figure = sweep_figure(temperatures, pd.DataFrame({"metric": ["mcd"], "value": [4.0]}))
    (panel,) = [axes for axes in figure.axes if axes.get_visible()]
    lines = {
        line.get_label(): line.get_xdata().tolist() for line in panel.lines if not line.get_label().startswith("_")
    }
    assert lines == {"flow+oracle": [0, 0.5, 1], "l1+flow": [0, 0.5, 1]}
    assert panel.get_title() == "mcd (dB)"


def test_no_sweep_no_rows():
    frame = sweep_frame([], summary())
    assert moving(frame, "nfe").empty
