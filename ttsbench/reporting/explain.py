"""``ttsbench explain``: why two runs give the same wavs different numbers, part by part of the signature.

Error rates are computed again from the stored transcripts: with the text and the transcripts of the first run, with the
normaliser of the second, with the transcripts of its recogniser, and with both. The effect of a part is its mean over
the orders in which the parts can be exchanged (the Shapley value: L. S. Shapley, "A value for n-person games", 1953),
so that the effects add up to the difference. For other metrics the parts of the signatures that differ are listed with
the difference of the values, which they cause together.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment
from ttsbench.config.systems import PROMPT
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.errors import ConfigError, MeasurementError, TtsbenchError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.evaluation.transcripts import TRANSCRIPTS, clip_key
from ttsbench.types import Clip

RATE = 16000
CLOSE = 1e-9


@dataclass(frozen=True)
class _Run:
    folder: Path
    experiment: Experiment
    summary: Mapping[tuple[str, str], tuple[float, str]]  # (metric, system) -> value, signature
    utterances: Mapping[str, EvaluatedUtterance]

    def transcripts(self, system: str) -> dict[str, str]:
        """Return id -> transcript of the first draw, of the clips that have one."""
        folders = sorted(path.parent for path in (self.folder / "transcripts" / system).rglob(TRANSCRIPTS))
        if not folders:
            return {}
        clips = read_json(folders[0] / TRANSCRIPTS)["clips"]
        return {id_: clips[clip_key(id_, 0)]["text"] for id_ in self.utterances
                if "text" in clips.get(clip_key(id_, 0), {})}  # fmt: skip


def explain(first: Path, second: Path) -> str:
    """Return the differences between two runs in Markdown; raises ``TtsbenchError`` if they share no number."""
    a, b = _read(first), _read(second)
    shared = [cell for cell in a.summary if cell in b.summary]
    if not shared:
        raise ConfigError(f"{first} and {second} have no system and metric in common; score the same wavs by name.")
    lines = [f"# {first.name} and {second.name}", ""]
    by_metric: dict[str, list[str]] = {}
    for metric, system in shared:
        by_metric.setdefault(metric, []).append(system)
    for metric, systems in by_metric.items():
        lines += _metric_lines(a, b, metric, systems)
    return "\n".join(lines)


def _read(folder: Path) -> _Run:
    layout = RunLayout(folder)
    if not layout.summary.exists():
        raise TtsbenchError(f"{folder} holds no finished run: it has no {layout.summary.name}.")
    with layout.summary.open(newline="", encoding="utf-8") as file:
        summary = {
            (row["metric"], row["system"]): (float(row["value"] or "nan"), row["signature"])
            for row in csv.DictReader(file)
        }
    experiment = validate(read_json(layout.experiment), str(layout.experiment))
    try:
        utterances = {utterance.id: utterance for utterance in evaluated_utterances(folder)}
    except (OSError, TtsbenchError):  # an archive holds no texts
        utterances = {}
    return _Run(folder, experiment, summary, utterances)


def _metric_lines(a: _Run, b: _Run, metric: str, systems: Sequence[str]) -> list[str]:
    signatures = [run.summary[metric, systems[0]][1] for run in (a, b)]
    different = signature_differences(*signatures)
    lines = [f"## {metric}", ""]
    if not different:
        lines += ["The signatures are equal: differences come from the wavs, the texts or the set of utterances.", ""]
    lines += [f"- {one or 'nothing'} against {other or 'nothing'}" for one, other in different]
    lines += [""] * bool(different)
    plugin = registry.load("metrics", metric)(**a.experiment.metrics[metric])
    parts = "transcript" in plugin.info.needs and bool(a.utterances) and bool(b.utterances)
    heads = ["system", a.folder.name, b.folder.name, "difference"]
    heads += ["by normaliser", "by recogniser and its vocabulary", "by utterances"] if parts else []
    lines += [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for system in systems:
        values = [run.summary[metric, system][0] for run in (a, b)]
        numbers = [*values, values[1] - values[0]]
        effects = _effects(a, b, metric, system, values) if parts else []
        lines.append(f"| {system} | {' | '.join(f'{number:.4f}' for number in [*numbers, *effects])} |")
    return [*lines, ""]


def signature_differences(first: str, second: str) -> list[tuple[str, str]]:
    """Return the parts that only one of two signatures has, side by side.

    >>> signature_differences("wer|words:v3|corpus|whisper|en", "wer|whisper-basic|corpus|whisper|en")
    [('words:v3', 'whisper-basic')]
    """
    a, b = first.split("|"), second.split("|")
    return list(zip_longest([part for part in a if part not in b], [part for part in b if part not in a], fillvalue=""))


def _effects(a: _Run, b: _Run, metric: str, system: str, values: Sequence[float]) -> list[float]:
    """Return the effects of normaliser, recogniser and set of utterances on an error rate, which add up."""
    transcripts = [run.transcripts(system) for run in (a, b)]
    common = [
        id_ for id_ in transcripts[0] if id_ in transcripts[1] and a.utterances[id_].text == b.utterances[id_].text
    ]
    metrics = [registry.load("metrics", metric)(**run.experiment.metrics[metric]) for run in (a, b)]
    clips = [[_clip(a, system, id_, spoken[id_]) for id_ in common] for spoken in transcripts]
    rates = np.array([[_rate(plugin, heard) for heard in clips] for plugin in metrics])  # (normaliser, recogniser)
    normaliser = ((rates[1, 0] - rates[0, 0]) + (rates[1, 1] - rates[0, 1])) / 2
    recogniser = ((rates[0, 1] - rates[0, 0]) + (rates[1, 1] - rates[1, 0])) / 2
    rest = (values[1] - values[0]) - normaliser - recogniser
    return [normaliser, recogniser, 0.0 if abs(rest) < CLOSE else rest]


def _clip(run: _Run, system: str, id_: str, transcript: str) -> Clip:
    """Return a clip for its text and transcript; its sound is of no importance here, but may not be silent."""
    utterance = run.utterances[id_]
    text = utterance.prompt_text if system == PROMPT else utterance.text
    sound = np.sin(np.arange(RATE, dtype=np.float32) / 10)
    return Clip(id_, sound, RATE, text, transcript=transcript)


def _rate(metric: Any, clips: Sequence[Clip]) -> float:
    rows = []
    for clip in clips:
        try:
            rows.append(metric.measure(clip, clip))
        except MeasurementError:  # a text that one normaliser cannot read
            continue
    return float(metric.reduce(np.array(rows, dtype=np.float64))) if rows else float("nan")
