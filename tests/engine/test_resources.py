"""Tasks start when the resources that they need are free, and needs that no machine has are refused."""

import json
import os

import pytest
from tinycorpus import tiny_experiment

from ttsbench.engine.allocation import Allocator, WaitingTasks
from ttsbench.engine.events import TaskCall
from ttsbench.engine.executor import execute
from ttsbench.engine.job import Job, Run
from ttsbench.engine.local import LocalEngine
from ttsbench.engine.resources import Resources, check_needs, cuda_devices, needed
from ttsbench.errors import ConfigError

MACHINE = Resources(4.0, 2.0, 16.0)


def call(name, **needs):
    return TaskCall(Job(name, "train", (), name, name, 1.0, None), 0, {}, Resources(**needs))


def start_all(waiting, allocator):
    """Start all tasks that may start; return their names with their grants."""
    started = []
    while (entry := waiting.take(allocator)) is not None:
        started.append((entry[0].job.id, entry[1]))
    return started


def queue(*calls):
    waiting = WaitingTasks()
    for each in calls:
        waiting.put(each)
    return waiting


def test_sums_of_cpus_and_memory_stay_within_the_machine():
    allocator = Allocator(MACHINE)
    waiting = queue(*(call(f"m{i}", cpus=1, memory_gb=6) for i in range(3)), *(call(f"c{i}") for i in range(5)))
    started = start_all(waiting, allocator)
    assert [name for name, _ in started] == ["m0", "m1", "c0", "c1"], "memory ends the first kind, CPUs the second"
    allocator.release(started[0][1])
    assert [name for name, _ in start_all(waiting, allocator)] == ["m2"]


def test_each_whole_gpu_goes_to_one_task_and_shares_are_spread():
    allocator = Allocator(MACHINE, ["0", "5"])
    started = start_all(queue(*(call(f"g{i}", cpus=0.5, gpus=1) for i in range(3))), allocator)
    assert [grant.gpus for _, grant in started] == [("0",), ("5",)]
    shared = start_all(queue(*(call(f"s{i}", cpus=0.1, gpus=1 / 3) for i in range(9))), Allocator(MACHINE, ["0", "5"]))
    assert [grant.gpus[0] for _, grant in shared] == ["0", "5"] * 3, "three thirds fill a GPU"
    both = start_all(queue(call("both", gpus=2)), Allocator(MACHINE, ["0", "5"]))
    assert both[0][1].gpus == ("0", "5")


def test_small_tasks_do_not_overtake_a_task_that_waits_for_the_same_resource():
    allocator = Allocator(MACHINE, ["0", "5"])
    running = start_all(queue(call("share", gpus=0.5)), allocator)
    waiting = queue(call("large", gpus=2), call("small", gpus=0.5), call("cpu"))
    assert [name for name, _ in start_all(waiting, allocator)] == ["cpu"]
    allocator.release(running[0][1])
    assert [name for name, _ in start_all(waiting, allocator)] == ["large"]


def test_impossible_needs_are_refused_with_what_the_machines_have():
    check_needs({"train": Resources(2.0, 1.0)}, [Resources(64.0), MACHINE])
    with pytest.raises(ConfigError, match=r"compute.resources.train: a task needs 8 CPUs, 1 GPUs, and no machine"):
        check_needs({"train": Resources(8.0, 1.0)}, [Resources(64.0), MACHINE])


def test_experiment_with_impossible_needs_is_refused_before_any_job(tmp_path):
    run = Run(tmp_path, tiny_experiment(None, compute={"resources": {"train": {"cpus": 3}}}))
    jobs = [
        Job("prepare", "prepare", (), "a", "prepare", 1.0, None),
        Job("t", "train", ("prepare",), "b", "t", 1.0, None),
    ]
    with pytest.raises(ConfigError, match=r"compute.resources.train: a task needs 3 CPUs, .* \(they have 2 CPUs"):
        execute(run, jobs, 2, None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stage", "machine", "gpus"),
    [
        ("train", Resources(16.0, 2.0), 1.0),
        ("score", Resources(16.0, 2.0), 0.125),
        ("synthesize", Resources(3.0, 1.0), 0.3333),
        ("report", Resources(16.0, 2.0), 0.0),
        ("train", Resources(16.0), 0.0),
    ],
)
def test_defaults_give_trainings_whole_gpus_and_every_other_cpu_a_share(stage, machine, gpus):
    compute = tiny_experiment(None, compute={}).compute
    assert needed(compute, stage, [machine]) == Resources(1.0, pytest.approx(gpus))
    on_cpu = tiny_experiment(None, compute={"accelerator": "cpu"}).compute
    assert needed(on_cpu, stage, [machine]).gpus == 0.0


def test_needs_of_the_experiment_replace_the_defaults():
    resources = {"score": {"gpus": 0.0, "cpus": 0.5, "memory_gb": 2.0}}
    compute = tiny_experiment(None, compute={"threads": 4, "resources": resources}).compute
    assert needed(compute, "score", [MACHINE]) == Resources(0.5, 0.0, 2.0)
    assert needed(compute, "train", [MACHINE]).cpus == 4.0
    with pytest.raises(ConfigError, match="more than one GPU must be a whole number"):
        tiny_experiment(None, compute={"resources": {"train": {"gpus": 1.5}}})


def record_gpus(run, call, progress):
    """Write down which GPUs this worker sees."""
    line = json.dumps([call.job.id, os.environ.get("CUDA_VISIBLE_DEVICES"), os.getpid()])
    (run.folder / f"{call.job.id}-{call.index}.json").write_text(line, encoding="utf-8")


def test_local_worker_sees_the_gpus_of_its_task_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("ttsbench.engine.local.cuda_devices", lambda compute: ("3", "7"))
    engine = LocalEngine(Run(tmp_path, tiny_experiment(None)), 2, record_gpus)
    try:
        for needs in ({"gpus": 1.0}, {"gpus": 1.0}, {"gpus": 2.0}, {}):
            engine.submit(call(f"job{len(list(tmp_path.iterdir()))}", **needs))
            while not any(type(event).__name__ == "TaskDone" for event in engine.events(0.2)):
                pass
    finally:
        engine.close()
    seen = dict(json.loads(path.read_text())[:2] for path in tmp_path.glob("job*"))
    assert seen == {"job0": "3", "job1": "3", "job2": "3,7", "job3": ""}


def test_machine_without_gpus_leaves_the_environment_alone(tmp_path):
    assert cuda_devices(tiny_experiment(None).compute) == ()
