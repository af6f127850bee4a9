"""The trainer on a device that does not exist: no tensor elsewhere, and no wait between logs."""

import pytest
from lightning.fabric import Fabric
from pretendfabric import PretendFabric
from tinycorpus import installed, prepared, tiny_corpus
from tinytraining import job_of, state, step, trainer_of, with_train

from ttsbench.checks.conformance import pretend_device
from ttsbench.checks.conformance.host_waits import counted_waits

ADAPTERS = {"l1": {}, "two_groups": {}}
LOG_EVERY = 4
MOST_AT_A_LOG = 12  # losses and norms are read there


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretend")
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        prepared_run = prepared(root, tiny_corpus(root / "corpus"), adapters=ADAPTERS, prosody=["same"])
        yield with_train(prepared_run, log_every=LOG_EVERY, steps=100, validate_every=100)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_trainer_waits_for_its_device_only_where_it_logs(run, adapter):
    with pretend_device.pretended() as device:
        trainer = trainer_of(PretendFabric(device), run, job_of(run, adapter, name=f"pretend-{adapter}"))
        step(trainer, 1)  # the first step is logged and initialises layers
        with counted_waits() as between:
            step(trainer, LOG_EVERY - 2)
        with counted_waits() as logged:
            step(trainer, 1)
        trainer._checkpoint()
    assert not between
    assert 0 < logged.total() <= MOST_AT_A_LOG
    assert {value.device.type for value in state(trainer).values()} == {pretend_device.NAME}
    cpu = trainer_of(Fabric(accelerator="cpu"), run, job_of(run, adapter, name=f"cpu-{adapter}"))
    step(cpu, 1)
    assert trainer._curve[0] == pytest.approx(cpu._curve[0], rel=1e-4)
    resumed = trainer_of(Fabric(accelerator="cpu"), run, job_of(run, adapter, name=f"pretend-{adapter}"))
    assert resumed._step == LOG_EVERY


def test_a_value_that_is_read_at_every_step_is_found(run, monkeypatch):
    with pretend_device.pretended() as device:
        trainer = trainer_of(PretendFabric(device), run, job_of(run, "l1", name="pretend-reading"))
        losses = trainer._model.adapter.losses

        def reading(*arguments):
            values = losses(*arguments)
            float(values["generator"].detach())
            return values

        monkeypatch.setattr(trainer._model.adapter, "losses", reading)
        step(trainer, 1)
        with counted_waits() as waits:
            step(trainer, 2)
    assert waits.total() == 2
    assert next(iter(waits)).startswith("stages/test_pretend_training.py:")
