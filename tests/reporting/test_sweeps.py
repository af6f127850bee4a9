"""Sweeps group systems that differ in one setting, and each setting has its figure."""

import pandas as pd

from ttsbench import registry
from ttsbench.config.loading import validate
from ttsbench.config.systems import systems
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.figures import FinishedRun
from ttsbench.reporting.figures.families import find_sweeps
from ttsbench.reporting.figures.sweeps import langevin, nfe, temperature

EXPERIMENT = validate(
    {
        "name": "sweeps",
        "metrics": {"mcd": {}, "nfe": {}},
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


def test_systems_that_differ_in_one_setting_are_a_sweep():
    found = {(sweep.parameter, sweep.family): sweep.systems for sweep in find_sweeps(EXPERIMENT)}
    assert found == {
        ("temperature", "flow+oracle"): {0: "flow-t0+oracle", 0.5: "flow-t0.5+oracle", 1: "flow-t1+oracle"},
        ("temperature", "l1+flow"): {0: "l1+flow-t0", 0.5: "l1+flow-t0.5", 1: "l1+flow-t1"},
        ("nfe", "diffusion+oracle"): {n: f"diffusion-{n}+oracle" for n in (1, 4, 16)},
        ("nfe", "diffusion temperature=0.5+oracle"): {n: f"cool-{n}+oracle" for n in (1, 4, 16)},
        ("guidance", "sled condition_dropout=0.1+oracle"): {g: f"sled-{g}+oracle" for g in (1, 1.5, 2.0)},
    }


def run_of(folder, experiment, metrics=("mcd", "nfe")):
    """A run whose every system has a value of its own under the first metric, and all one under the others."""
    names = [system.name for system in systems(experiment)]
    rows = [
        {"system": name, "metric": metric, "value": value, "low": value - 1, "high": value + 1}
        for number, name in enumerate(names)
        for metric, value in zip(metrics, (5.0 + number, 7.0), strict=True)
    ]
    pd.DataFrame(rows).to_csv(folder / "summary.csv", index=False)
    loaded = {name: registry.load("metrics", name)() for name in metrics}
    known = {name: MetricRows(metric, pd.DataFrame(), "s") for name, metric in loaded.items()}
    return FinishedRun(folder, experiment, "", names, known, {})


def test_each_figure_has_its_own_sweeps(tmp_path):
    run = run_of(tmp_path, EXPERIMENT)
    heat, steps = temperature(run).frame, nfe(run).frame
    assert set(heat["metric"]) == {"MCD (dB) ↓"}, "costs and constant metrics are left out"
    swept = heat[heat["setting"].notna()]
    assert swept.groupby("family")["setting"].agg(list).to_dict() == {
        "flow+oracle": [0, 0.5, 1],
        "l1+flow": [0, 0.5, 1],
    }
    assert heat.loc[heat["setting"].isna(), "family"].tolist() == ["copy-synthesis"]
    assert set(steps["family"]) == {"diffusion+oracle", "diffusion temperature=0.5+oracle", "copy-synthesis"}
    assert langevin(run) is None


def test_steps_of_refinement_stand_beside_the_hypothesis(tmp_path):
    energies = {f"nce-{n}": {"adapter": "nce_ebm", "nfe": n} for n in (1, 10, 100)}
    values = {**EXPERIMENT.model_dump(mode="json"), "adapters": {"l2": {}, **energies}, "systems": []}
    run = run_of(tmp_path, validate({**values, "prosody": ["oracle"]}, "test"))
    frame = langevin(run).frame
    assert nfe(run) is None
    assert frame.loc[frame["setting"].notna(), "setting"].tolist() == [1, 10, 100]
    assert frame.loc[frame["setting"].isna(), "family"].tolist() == ["copy-synthesis", "l2+oracle"]


def test_students_stand_beside_their_teacher(tmp_path):
    steps = {f"diffusion-{n}": {"adapter": "diffusion", "nfe": n} for n in (1, 4, 16)}
    values = {**EXPERIMENT.model_dump(mode="json"), "adapters": {**steps, "dmd": {"nfe": 2}}, "systems": []}
    run = run_of(tmp_path, validate({**values, "prosody": ["oracle"]}, "test"))
    frame = nfe(run).frame.set_index("system")
    assert frame.loc["dmd+oracle", ["objective", "setting"]].tolist() == ["dmd", 2]
    assert temperature(run) is None


def test_folders_of_wavs_have_no_sweeps(tmp_path):
    alone = EXPERIMENT.model_copy(update={"adapters": {}})
    run = FinishedRun(tmp_path, alone, "", [], {}, {})
    assert not any(figure(run) for figure in (temperature, nfe, langevin))
