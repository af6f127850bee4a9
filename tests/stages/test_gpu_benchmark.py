"""benchmarks/gpu.py runs on a CPU at toy size: only its figures need a GPU."""

import importlib.util
import sys
from pathlib import Path

import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_the_benchmark_of_a_device_measures_everything_it_names(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    gpu = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, gpu)  # where dataclasses look their module up
    spec.loader.exec_module(gpu)
    rows = list(gpu.Bench(torch.device("cpu"), "32-true", gpu.TINY).rows())
    assert {row["measured"] for row in rows} == {
        "matmul", "training", "sampling", "agreement", "vocoder", "recognition",
    }  # fmt: skip
    assert all(row[name] > 0 for row in rows for name in ("rtf", "steps_per_s", "tflops") if name in row)
    assert all(row["agrees"] and row["difference"] == 0 for row in rows if row["measured"] == "agreement")
    assert [row["batch"] for row in rows if row["measured"] == "recognition"] == [1, 2]
