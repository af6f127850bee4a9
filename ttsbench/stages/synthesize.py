"""Stage synthesize: sample every test utterance several times, and vocode the first of these draws.

Leaves ``sample<k>/<id>.wav`` and ``sample<k>/<id>.json`` (cost, and the times of the phones, or the reason of a
failure) for each vocoded draw, and ``draws/<id>.npz`` with all draws before the vocoder, which proper scores read. For
the recordings the latter holds their own mel and prosody, as the reference of the former.

A worker in which an adapter or a vocoder crashed is replaced, and its chunk is repeated with both in a child process:
only the utterances that crash count as failed, and the failure names the plug-in.

Operations and memory are counted on the first draw of every eighth utterance, and the first chunk of a stream is timed
there. See ``sampling`` for how a draw is made and timed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ttsbench.audio.wav import load_clip_audio, write
from ttsbench.config.schema import MelConfig
from ttsbench.config.specs import SynthesizeSpec
from ttsbench.config.systems import ANOTHER_RENDERING, COPY_SYNTHESIS, GROUND_TRUTH
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.devices import compute_device, compute_seconds, device_name, host_name, use_device
from ttsbench.engine.isolation import Call, CallCrashed, caller
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import content_hash
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import Record, is_made, record_path, wav_path, write_failure, write_record
from ttsbench.evaluation.draws import draws_path, write_draws
from ttsbench.models.representation import make_vocoder
from ttsbench.stages.model_draws import recorded_draws, sampled_draws
from ttsbench.stages.redraws import redrawn_mels
from ttsbench.stages.sampling import OperationCost, Sample, Sampler
from ttsbench.types import Cost, Draws, Phone, Samples

SynthesizeJob = Job[SynthesizeSpec]
CHUNK = 8  # draws per task, rounded to whole utterances
COUNTED_SHARE = 8  # operations are counted on one utterance in this many
CRASH_CAUSES = "(a native library, or out of memory)"


def tasks(run: Run, job: SynthesizeJob) -> Sequence[Task]:
    """Return chunks of utterances that lack the record of a vocoded draw, or their draws."""
    folder = job.path(run)
    ids = [utterance.id for utterance in PreparedCorpus(run.layout.prepare).split("test")]
    missing = [id_ for id_ in ids if not _is_complete(folder, id_, job.spec)]
    size = max(1, CHUNK // job.spec.draws)
    return [{"utterances": missing[start : start + size]} for start in range(0, len(missing), size)]


def _is_complete(folder: Path, id_: str, spec: SynthesizeSpec) -> bool:
    has_draws = spec.system == COPY_SYNTHESIS or draws_path(folder, id_).exists()
    return has_draws and all(is_made(folder, id_, draw) for draw in range(spec.samples))


def finish(run: Run, job: SynthesizeJob) -> None:
    """Check that every clip has its record; records are written last."""
    ids = [utterance.id for utterance in PreparedCorpus(run.layout.prepare).split("test")]
    require_parts(record_path(job.path(run), id_, draw) for id_ in ids for draw in range(job.spec.samples))


def work(run: Run, job: SynthesizeJob, task: Task, progress: Progress) -> None:
    """Synthesize a chunk."""
    corpus = _corpus(run.folder, job.key)
    utterances = [corpus.by_id[id_] for id_ in task["utterances"]]
    with caller(job.path(run) / f"{content_hash(task['utterances'])}.started") as call:
        clips = _ClipWriter(run, job, corpus, call)
        for done, utterance in enumerate(utterances):
            if job.spec.system == GROUND_TRUTH:
                clips.write_recording(utterance)
            elif job.spec.system == ANOTHER_RENDERING:
                clips.write_redrawn(utterance, redrawn_mels(run.experiment, corpus, utterance), job.spec.draws)
            elif not job.spec.models:
                clips.write_copy(utterance)
            else:
                clips.write_samples(utterance)
            progress((done + 1) / len(utterances))


class _ClipWriter:
    """Writes the clips and draws of one system. Records go last, so that a clip with a record is complete."""

    def __init__(self, run: Run, job: SynthesizeJob, corpus: PreparedCorpus, call: Call) -> None:
        self._run, self._job, self._corpus, self._call = run, job, corpus, call
        self._folder, self._spec = job.path(run), job.spec
        self._mel, self._max_s = run.experiment.mel, run.experiment.corpus.max_s
        self._has_mels = run.experiment.codec is None  # the latents of a codec are no mels

    def write_recording(self, utterance: PreparedUtterance) -> None:
        """Write the recording as a clip, and its mel and prosody as the reference of all draws."""
        write_draws(self._folder, utterance.id, recorded_draws(self._corpus, utterance, self._has_mels))
        try:
            samples = load_clip_audio(Path(utterance.audio), self._mel.sample_rate, max_s=self._max_s)
        except ClipError as error:
            write_failure(self._folder, utterance.id, 0, str(error))
            return
        samples = samples[: utterance.frames * self._mel.hop_length]
        self._write_clip(utterance, 0, samples, None, self._corpus.features(utterance).durations)

    def write_copy(self, utterance: PreparedUtterance) -> None:
        """Vocode the mel of the recording."""
        features = self._corpus.features(utterance)
        self._vocode(utterance, 0, torch.from_numpy(features.mel), features.durations)

    def write_redrawn(self, utterance: PreparedUtterance, log_mels: NDArray[np.float32], count: int) -> None:
        """Store ``count`` of the first half of the mels (K, T, M) as draws, the rest as law, and vocode the first."""
        half = len(log_mels) // 2
        write_draws(self._folder, utterance.id, Draws(log_mels[: min(count, half)], law=log_mels[half:]))
        self._vocode(utterance, 0, torch.from_numpy(log_mels[0]), self._corpus.features(utterance).durations)

    def write_samples(self, utterance: PreparedUtterance) -> None:
        """Sample the draws of an utterance, store all of them, and vocode as many as the system has clips."""
        try:
            samples, draws, operations = self._call(_sampled, self._run, self._job, utterance.id)
        except CallCrashed:
            reason = f"{_adapters(self._run, self._spec)} crashed on this utterance {CRASH_CAUSES}"
            samples, draws, operations = [ClipError(reason)] * self._spec.samples, Draws(failure=reason), None
        write_draws(self._folder, utterance.id, draws)
        for number, sample in enumerate(samples[: self._spec.samples]):
            if isinstance(sample, ClipError):
                write_failure(self._folder, utterance.id, number, str(sample))
                continue
            durations = sample.prosody.durations if sample.prosody else None
            self._vocode(utterance, number, sample.log_mel, durations, sample, operations if number == 0 else None)

    def _vocode(
        self, utterance: PreparedUtterance, number: int, log_mel: torch.Tensor, durations: NDArray[np.int64] | None,
        sample: Sample | None = None, operations: OperationCost | None = None,
    ) -> None:  # fmt: skip
        try:
            samples, seconds = self._call(_vocoded, self._run, self._job.key, log_mel)
        except ClipError as error:
            write_failure(self._folder, utterance.id, number, str(error))
            return
        except CallCrashed:
            plugin = self._run.experiment.codec or self._run.experiment.vocoder
            kind = "vocoder" if self._has_mels else "codec"
            reason = f"the {kind} '{plugin.name}' crashed on this utterance {CRASH_CAUSES}"
            write_failure(self._folder, utterance.id, number, reason)
            return
        audio_s = len(samples) / self._mel.sample_rate
        sampling_s, nfe, parameters = (sample.seconds, sample.nfe, sample.parameters) if sample else (0.0, 0, 0)
        counted: Mapping[str, Any] = {**(asdict(operations) if operations else {}), **_machine(self._run)}
        cost = Cost(sampling_s, seconds, audio_s, nfe, parameters, **counted)
        self._write_clip(utterance, number, samples, cost, durations)

    def _write_clip(
        self, utterance: PreparedUtterance, number: int, samples: Samples, cost: Cost | None,
        durations: NDArray[np.int64] | None,
    ) -> None:  # fmt: skip
        path = wav_path(self._folder, utterance.id, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(path, samples, self._mel.sample_rate)
        except ClipError as error:
            write_failure(self._folder, utterance.id, number, str(error))
            return
        phones = None if durations is None else _phone_times(utterance.phones, durations, self._mel)
        write_record(self._folder, utterance.id, number, Record(path, cost, phones))


def _machine(run: Run) -> dict[str, str]:
    """Return the device and the host of this worker, for the record of a cost."""
    return {"device": device_name(compute_device(run.experiment.compute.accelerator)), "host": host_name()}


def _phone_times(labels: Sequence[str], durations: NDArray[np.int64], mel: MelConfig) -> tuple[Phone, ...]:
    """Return phones with their times, from durations in frames (P,)."""
    bounds = (np.concatenate([[0], np.cumsum(durations)]) * mel.hop_length / mel.sample_rate).tolist()
    return tuple(Phone(label, start, end) for label, start, end in zip(labels, bounds[:-1], bounds[1:], strict=True))


@lru_cache(maxsize=2)
def _corpus(folder: Path, key: str) -> PreparedCorpus:
    return PreparedCorpus(RunLayout(folder).prepare)


def _adapters(run: Run, spec: SynthesizeSpec) -> str:
    """Return the adapters of a system for a message, such as "the adapter 'flow' (acoustic model)"."""
    names = []
    for role, settings in spec.sampling.items():
        config = run.experiment.adapters[settings.label]
        label = "" if settings.label == config.adapter else f", label '{settings.label}'"
        names.append(f"the adapter '{config.adapter}' ({role} model{label})")
    return " or ".join(names)


def _sampled(run: Run, job: SynthesizeJob, id_: str) -> tuple[list[Sample | ClipError], Draws, OperationCost | None]:
    """Return all draws of an utterance, what is stored of them, and the operations of one if they are counted."""
    sampler, corpus = _sampler(run, job), _corpus(run.folder, job.key)
    utterance = corpus.by_id[id_]
    operations = None
    if any(id_ == counted.id for counted in corpus.split("test")[::COUNTED_SHARE]):
        operations = sampler.operation_cost((utterance, 0), _vocoder(run, job.key))
    size = 1 if sampler.device.type == "cpu" else run.experiment.synthesis.batch_size
    numbers = range(job.spec.draws)
    samples = [
        sample
        for start in range(0, len(numbers), size)
        for sample in sampler.sample([(utterance, number) for number in numbers[start : start + size]])
    ]
    return samples, sampled_draws(samples, sampler, corpus, run.experiment.codec is None), operations


def _vocoded(run: Run, key: str, log_mel: torch.Tensor) -> tuple[Samples, float]:
    """Return the samples (N,) of a log-mel (T, M), and the seconds that the vocoder took."""
    compute = run.experiment.compute
    vocoder, device = _vocoder(run, key), use_device(compute.accelerator, compute.tf32)
    if key not in _warm_vocoders:
        vocoder.synthesize(log_mel)  # the first call is slower than the others
        _warm_vocoders.add(key)
    start = compute_seconds(device)
    samples: Samples = vocoder.synthesize(log_mel).numpy()
    return samples, compute_seconds(device) - start


_vocoders: dict[str, Any] = {}
_warm_vocoders: set[str] = set()


def _vocoder(run: Run, key: str) -> Any:
    """Return the vocoder of the job with this key."""
    if key not in _vocoders:
        _vocoders.clear()
        _vocoders[key] = make_vocoder(run.experiment)
    return _vocoders[key]


_samplers: dict[str, Sampler] = {}


def _sampler(run: Run, job: SynthesizeJob) -> Sampler:
    """Return the sampler of the job, after a first draw that is not timed: of the shortest test utterance."""
    key = f"{run.folder}:{job.key}"
    if key not in _samplers:
        _samplers.clear()
        corpus = _corpus(run.folder, job.key)
        _samplers[key] = Sampler(run, job, corpus)
        shortest = min(corpus.split("test"), key=lambda utterance: utterance.frames)
        _samplers[key].sample([(shortest, 0)])
    return _samplers[key]
