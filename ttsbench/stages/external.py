"""Stage external: run a command or a Python function of the user on every test sentence, and time it.

The function is called as ``function(text=..., prompt=..., seed=..., output=...)`` and writes the audio file ``output``;
``prompt`` is the path of another recording of the speaker, or None. The command is split like a shell command and run
without a shell; its placeholders are ``{text}``, ``{prompt}``, ``{seed}``, ``{speaker}``, ``{id}`` and ``{output}``.
A command without ``{text}`` reads the text from standard input.

Time is CPU time, of the child process for a command (including its start and the loading of its model) and of this
process for a function, which is called once before the first call that is timed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.audio.wav import read
from ttsbench.config.specs import ExternalSpec
from ttsbench.devices import host_name
from ttsbench.engine.isolation import CallCrashed, caller
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import content_hash
from ttsbench.errors import ClipError, TtsbenchError
from ttsbench.evaluation.clip_record import Record, is_made, record_path, wav_path, write_failure, write_record
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.models.speech_model import utterance_seed
from ttsbench.types import Cost

CHUNK = 4  # utterances per task
LONGEST_REASON = 200  # characters of the last line that a failed command prints


def tasks(run: Run, job: Job[ExternalSpec]) -> Sequence[Task]:
    """Return chunks of utterances without a clip."""
    folder = job.path(run)
    ids = [utterance.id for utterance in evaluated_utterances(run.folder)]
    left = [id_ for id_ in ids if not is_made(folder, id_, 0)]
    return [{"utterances": left[start : start + CHUNK]} for start in range(0, len(left), CHUNK)]


def work(run: Run, job: Job[ExternalSpec], task: Task, progress: Progress) -> None:
    """Synthesize a chunk of utterances."""
    by_id = {utterance.id: utterance for utterance in evaluated_utterances(run.folder)}
    folder = job.path(run)
    with caller(folder / f"{content_hash(task['utterances'])}.started") as call:
        for done, id_ in enumerate(task["utterances"]):
            try:
                record = call(_make_clip, job.spec, by_id[id_], wav_path(folder, id_, 0))
                write_record(folder, id_, 0, record)
            except CallCrashed:
                write_failure(folder, id_, 0, f"{job.spec.system} crashed on this sentence")
            except TtsbenchError as error:
                write_failure(folder, id_, 0, str(error))
            progress((done + 1) / len(task["utterances"]))


def finish(run: Run, job: Job[ExternalSpec]) -> None:
    """Check that every clip has its record."""
    require_parts(record_path(job.path(run), utterance.id, 0) for utterance in evaluated_utterances(run.folder))


def _make_clip(spec: ExternalSpec, utterance: EvaluatedUtterance, output: Path) -> Record:
    """Return the record of the clip that the system makes; raises ``ClipError`` if it makes none."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    seed = utterance_seed("external", spec.seed, utterance.id)
    if spec.command:
        seconds = _run_command(spec, utterance, seed, output)
    else:
        seconds = _call_function(spec, utterance, seed, output)
    if not output.exists():
        raise ClipError(f"{spec.system} wrote no {output.name}")
    samples, rate = read(output)
    cost = Cost(seconds, 0.0, len(samples) / rate, None, None, device="cpu", host=host_name())
    return Record(output, cost)


def _run_command(spec: ExternalSpec, utterance: EvaluatedUtterance, seed: int, output: Path) -> float:
    """Run the command for an utterance and return its CPU seconds."""
    values = {
        "{text}": utterance.text, "{prompt}": utterance.prompt or "", "{seed}": str(seed), "{output}": str(output),
        "{speaker}": utterance.speaker, "{id}": utterance.id,
    }  # fmt: skip
    arguments = [_filled(argument, values) for argument in shlex.split(spec.command)]
    before = os.times()
    try:
        process = subprocess.run(
            arguments,
            input=None if "{text}" in spec.command else f"{utterance.text}\n",
            stdin=subprocess.DEVNULL if "{text}" in spec.command else None,
            capture_output=True, text=True, errors="replace", timeout=spec.timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ClipError(f"{arguments[0]} took more than {spec.timeout_s:g} s") from None
    except (OSError, ValueError) as error:
        raise ClipError(f"{arguments[0]} cannot be run: {error}") from error
    after = os.times()
    if process.returncode != 0:
        reason = (process.stderr.strip().splitlines() or ["it printed nothing"])[-1][:LONGEST_REASON]
        raise ClipError(f"{arguments[0]} ended with status {process.returncode}: {reason}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def _filled(argument: str, values: dict[str, str]) -> str:
    """Return an argument with its placeholders replaced once, so that a text may contain ``{seed}``."""
    for name, value in values.items():
        if name in argument:
            head, _, tail = argument.partition(name)
            return f"{_filled(head, values)}{value}{_filled(tail, values)}"
    return argument


def _call_function(spec: ExternalSpec, utterance: EvaluatedUtterance, seed: int, output: Path) -> float:
    """Call the function for an utterance and return its CPU seconds."""
    function = _warm_function(spec.function, utterance, seed, output)
    start = time.process_time()
    _call(function, spec.function, utterance, seed, output)
    return time.process_time() - start


def _call(function: Callable[..., Any], name: str, utterance: EvaluatedUtterance, seed: int, output: Path) -> None:
    try:
        function(text=utterance.text, prompt=utterance.prompt, seed=seed, output=str(output))
    except Exception as error:
        raise ClipError(f"{name}: {type(error).__name__}: {error}") from error


_warmed: dict[str, Callable[..., Any]] = {}


def _warm_function(name: str, utterance: EvaluatedUtterance, seed: int, output: Path) -> Callable[..., Any]:
    """Return the function; the first call of this process is not timed."""
    if name not in _warmed:
        function = _load(name)
        _call(function, name, utterance, seed, output)
        _warmed[name] = function
    return _warmed[name]


@lru_cache(maxsize=8)
def _load(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = registry.load_reference(name)
    return function
