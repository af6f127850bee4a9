"""``ttsbench score``: systems that are folders of wavs, wherever they came from, in the same table as a comparison.

Clips are matched by stem. Two folders under one name are two draws of one system. Every file may have its own sample
rate. What was handed in is never changed, nor copied but for the few clips that the page plays.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.config.loading import check_scoring, check_table, merge, metric_info, parse_override, validate
from ttsbench.config.schema import LABEL, Experiment
from ttsbench.engine.job import Job
from ttsbench.engine.store import read_json, write_json
from ttsbench.errors import ConfigError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances, write_listing
from ttsbench.pipeline.evaluation_plan import GROUND_TRUTH, job_key, scoring_jobs
from ttsbench.stages.collect import find_clips

REQUEST = "folders.json"
METRICS = ("mcd", "ffe", "log_f0_rmse", "f0_correlation", "js_log_f0", "js_energy", "js_mel", "std_ratio_log_f0",
           "gv_ratio", "speaker_similarity")  # fmt: skip
WITH_TEXT = ("wer", "cer", "js_duration", "std_ratio_duration")
WITH_DRAWS = ("cv_f0", "diversity_mel")
WITH_SPEAKERS = ("speaker_similarity_prompt",)


@dataclass(frozen=True)
class Request:
    """What is compared with what."""

    reference: Path
    generated: Mapping[str, tuple[Path, ...]]  # system -> a folder for each draw
    transcripts: Path | None = None
    speakers: Path | None = None
    metrics: tuple[str, ...] = ()  # a default choice by what was given where empty


def parse_generated(arguments: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """``NAME=DIR`` arguments as system -> folders; raises ``ConfigError`` for a name that cannot stand in a table."""
    systems: dict[str, list[Path]] = defaultdict(list)
    for argument in arguments:
        name, separator, folder = argument.partition("=")
        if not separator or not folder:
            raise ConfigError(f"--generated takes NAME=DIR, got '{argument}'; for example --generated mine=out/wavs.")
        if name == GROUND_TRUTH or not re.fullmatch(rf"{LABEL}(\+{LABEL})?", name):
            raise ConfigError(
                f"--generated: '{name}' cannot name a system: use letters, digits, '.', '_' and '-', and not "
                f"'{GROUND_TRUTH}', which is the reference."
            )
        systems[name].append(Path(folder))
    for name, folders in systems.items():
        if len(set(folders)) < len(folders):
            raise ConfigError(f"--generated: '{name}' was given the folder {folders[0]} twice; draws must differ.")
    return {name: tuple(folders) for name, folders in systems.items()}


def set_up(request: Request, folder: Path, overrides: Sequence[str]) -> tuple[Experiment, list[str]]:
    """Check everything, write the listing into the run's folder, and say what to know before the table is read."""
    references = find_clips(request.reference)
    texts = read_pairs(request.transcripts, "--transcripts") if request.transcripts else {}
    speakers = read_pairs(request.speakers, "--speakers") if request.speakers else {}
    notes = _unmatched(request, references, texts, speakers)
    experiment = _experiment(request, folder, len(references), overrides)
    utterances = _listing(references, texts, speakers)
    if not (folder / "utterances.json").exists() or utterances != evaluated_utterances(folder):
        write_listing(folder, utterances)
    write_json(folder / REQUEST, _dump(request, notes))
    return experiment, notes


def make_folder_plan(experiment: Experiment, folder: Path) -> list[Job]:
    """The jobs of a comparison of folders that was set up."""
    values = read_json(folder / REQUEST)
    utterances = evaluated_utterances(folder)
    phones = any("phones" in metric_info(name, experiment).needs for name in experiment.metrics)
    systems = {GROUND_TRUTH: [values["reference"]], **values["generated"]}
    collected = [_collect(name, folders, utterances, phones) for name, folders in systems.items()]
    return [*collected, *scoring_jobs(experiment, collected)]


def request_notes(folder: Path) -> list[str]:
    """What was said when the comparison was set up, for the table."""
    notes: list[str] = read_json(folder / REQUEST)["notes"]
    return notes


def read_pairs(path: Path, option: str) -> dict[str, str]:
    """``id|text``, tab- or comma-separated lines, or a JSON object: id -> text. Ids are stems of the wavs.

    Raises ``ConfigError`` for a file that cannot be read, a line without separator, and an id that comes twice.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option}: {path} cannot be read as UTF-8 text: {error}.") from error
    if path.suffix == ".json":
        return _read_json_pairs(content, path, option)
    lines = [line for line in content.splitlines() if line.strip()]
    separator = next((one for one in "|\t," if lines and one in lines[0]), None)
    if separator is None:
        raise ConfigError(f"{option}: the first line of {path} has no '|', tab or comma; lines are 'id|text'.")
    rows = csv.reader(lines) if separator == "," else [line.split(separator) for line in lines]
    found: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise ConfigError(f"{option}: line {number} of {path} has no {separator!r}: {row[0][:60]!r}.")
        id_ = Path(row[0].strip()).stem if row[0].strip().lower().endswith(".wav") else row[0].strip()
        if id_ in found:
            raise ConfigError(f"{option}: {path} has {id_!r} twice, the second time in line {number}; remove one.")
        found[id_] = row[-1].strip()
    return found


def _read_json_pairs(content: str, path: Path, option: str) -> dict[str, str]:
    try:
        values = json.loads(content)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{option}: {path} is no JSON: {error}.") from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f'{option}: {path} is no object of strings, such as {{"utt1": "its text"}}.')
    return values


def _listing(
    references: Mapping[str, Path], texts: Mapping[str, str], speakers: Mapping[str, str]
) -> list[EvaluatedUtterance]:
    """Every reference; its prompt is the speaker's next reference, if speakers were given and there is another."""
    by_speaker: dict[str, list[str]] = defaultdict(list)
    for id_ in references:
        by_speaker[speakers.get(id_, "")].append(id_)
    listing = []
    for id_ in references:
        own = by_speaker[speakers.get(id_, "")]
        other = own[(own.index(id_) + 1) % len(own)]
        prompt = str(references[other].resolve()) if id_ in speakers and other != id_ else None
        listing.append(EvaluatedUtterance(id_, texts.get(id_, ""), speakers.get(id_, ""), prompt))
    return listing


def _unmatched(
    request: Request, references: Mapping[str, Path], texts: Mapping[str, str], speakers: Mapping[str, str]
) -> list[str]:
    """What has no counterpart; raises ``ConfigError`` where nothing has."""
    notes = []
    for name, folders in request.generated.items():
        for folder in folders:
            found = set(find_clips(folder))
            if not found & set(references):
                raise ConfigError(
                    f"None of the {len(found)} clips in {folder} has the stem of one in {request.reference}: "
                    f"{min(found)!r} against {min(references)!r}. Rename one side, clips are matched by stem."
                )
            if extra := found - set(references):
                notes.append(f"{name}: {len(extra)} clips have no reference and were left out, such as {min(extra)}.")
    for option, given in (("--transcripts", texts), ("--speakers", speakers)):
        if given and not set(given) & set(references):
            raise ConfigError(
                f"{option}: none of its {len(given)} ids is the stem of a reference: {min(given)!r} against "
                f"{min(references)!r}. Its first column holds the stems."
            )
        if given and (lacking := set(references) - set(given)):
            notes.append(f"{option}: nothing for {len(lacking)} of {len(references)} clips, such as {min(lacking)}.")
    return notes


def _experiment(request: Request, folder: Path, count: int, overrides: Sequence[str]) -> Experiment:
    """The request as an experiment without adapters, every plug-in checked."""
    values: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9._-]", "-", folder.resolve().name).lstrip("._-") or "score",
        "title": f"{', '.join(request.generated)} against {request.reference.name}",
        "metrics": dict.fromkeys(request.metrics or _default_metrics(request)),
        "corpus": {"name": "folder", "test": count},
    }
    for override in overrides:
        values = merge(values, parse_override(override, values))
    experiment = validate(values, "ttsbench score")
    check_scoring(experiment)
    check_table(experiment, [GROUND_TRUTH, *request.generated])
    for name in experiment.metrics:
        needs = metric_info(name, experiment).needs
        for need, given, option in (
            ("cost", False, "a run of ttsbench compare, which measures it"),
            ("transcript", request.transcripts is not None, "--transcripts FILE"),
            ("phones", request.transcripts is not None, "--transcripts FILE, by which phones are aligned"),
            ("prompt", request.speakers is not None, "--speakers FILE, which tells whose other recordings to take"),
        ):
            if need in needs and not given:
                raise ConfigError(f"The metric '{name}' needs {option}. Give it, or leave the metric out.")
    return experiment


def _default_metrics(request: Request) -> tuple[str, ...]:
    chosen: tuple[str, ...] = METRICS
    if request.transcripts:
        chosen += WITH_TEXT
    if request.speakers:
        chosen += WITH_SPEAKERS
    if any(len(folders) > 1 for folders in request.generated.values()):
        chosen += WITH_DRAWS
    return chosen


def _collect(name: str, folders: Sequence[str], utterances: Sequence[EvaluatedUtterance], phones: bool) -> Job:
    """The job that records a system's clips; it is done again when a file has changed."""
    files = [[_state(find_clips(Path(folder)), one.id) for one in utterances] for folder in folders]
    texts = [one.text for one in utterances] if phones else [one.id for one in utterances]
    spec = {"system": name, "seed": 0, "samples": len(folders), "folders": list(folders), "phones": phones}
    cost = 0.005 * len(utterances) * len(folders) * (20 if phones else 1)
    return Job(f"collect {name}", "collect", (), job_key("collect", spec, files, texts), f"wavs/{name}", cost, spec)


def _state(clips: Mapping[str, Path], id_: str) -> list[Any]:
    if id_ not in clips:
        return []
    status = clips[id_].stat()
    return [str(clips[id_]), status.st_size, status.st_mtime_ns]


def _dump(request: Request, notes: Sequence[str]) -> dict[str, Any]:
    """The folders as absolute paths: a report may be asked for from elsewhere."""
    return {
        "reference": str(request.reference.resolve()),
        "generated": {name: [str(one.resolve()) for one in folders] for name, folders in request.generated.items()},
        "notes": list(notes),
    }
