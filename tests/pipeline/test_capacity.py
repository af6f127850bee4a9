"""Experiments that this machine cannot run are refused before work starts, with the number that is too large."""

import pytest
from lightning.fabric.accelerators import CUDAAccelerator, MPSAccelerator, XLAAccelerator

from ttsbench.config.loading import validate
from ttsbench.errors import ConfigError
from ttsbench.models.speech_model import SpeechModel
from ttsbench.pipeline import capacity
from ttsbench.pipeline.capacity import activation_bytes, check_capacity, parameters


def experiment(**sections):
    return validate({"name": "x", "adapters": {"l1": {}}, "metrics": {"mcd": {}}, **sections}, "test")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"model": {"dim": 1_000_000}}, "reduce model.dim, or the numbers of layers"),
        ({"model": {"backbone_layers": 10**12}}, "reduce model.dim, or the numbers of layers"),
        ({"train": {"acoustic": {"batch_size": 10**9}}}, "reduce train.acoustic.batch_size"),
        ({"train": {"acoustic": {"crop_frames": 10**9}}}, "reduce train.acoustic.batch_size, crop_frames"),
        ({"train": {"prosody": {"batch_size": 10**9}}}, "reduce train.prosody.batch_size"),
        ({"adapters": {"l1": {"batch_size": 10**9}}}, "reduce adapters.l1.batch_size"),
    ],
)
def test_sizes_that_cannot_be_allocated_are_refused_with_the_estimate(sections, words):
    with pytest.raises(ConfigError, match=r"needs at least [\d,]+\.\d GB of memory, and this machine has \d") as caught:
        check_capacity(experiment(**sections))
    assert words in str(caught.value)


def test_usual_sizes_are_accepted():
    check_capacity(experiment())


def test_estimated_parameters_are_a_close_lower_bound():
    size = experiment().model
    shape = {"n_phones": 40, "n_speakers": 3, "channels": 80}
    model = SpeechModel("l1", {}, "acoustic", size, shape, {})
    actual = sum(parameter.numel() for parameter in model.parameters())
    assert 0.8 * actual < parameters(size) <= actual


def test_activations_grow_with_the_batch():
    size, budget = experiment().model, experiment().train.acoustic
    assert activation_bytes(size, budget, 32) == 2 * activation_bytes(size, budget, 16)


def test_memory_limit_of_a_container_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n", encoding="ascii")
    monkeypatch.setattr(capacity, "CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
    monkeypatch.setattr(capacity, "_gpu_bytes", lambda accelerator: None)
    with pytest.raises(ConfigError, match=r"this machine has 0\.0 GB"):
        check_capacity(experiment())
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    check_capacity(experiment())


def test_more_devices_than_cores_are_refused(monkeypatch):
    monkeypatch.setattr(capacity, "cpu_count", lambda: 2)
    check_capacity(experiment(compute={"accelerator": "cpu", "devices": 2}))
    with pytest.raises(ConfigError, match="3 devices were requested, and there are 2 CPU cores"):
        check_capacity(experiment(compute={"accelerator": "cpu", "devices": 3}))


@pytest.mark.parametrize("accelerator", ["tpu", "cuda", "mps", "gpu"])
def test_accelerator_that_is_not_installed_is_refused(monkeypatch, accelerator):
    for kind in (XLAAccelerator, CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", staticmethod(lambda: False))
    with pytest.raises(ConfigError, match=f"'{accelerator}' is not available on this machine; it has auto, cpu"):
        check_capacity(experiment(compute={"accelerator": accelerator}))


def test_more_gpus_than_exist_are_refused(monkeypatch):
    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(CUDAAccelerator, "auto_device_count", staticmethod(lambda: 1))
    with pytest.raises(ConfigError, match="4 devices were requested, and there are 1 devices"):
        check_capacity(experiment(compute={"accelerator": "cuda", "devices": 4}))
