"""``ttsbench score``: score folders of wavs from any source in the same table as a comparison.

Clips are matched by stem. Two folders with the same name are two draws of one system. Every file may have its own
sample rate. The user's files are never changed, and only the few clips that the page plays are copied.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from ttsbench.config.loading import merge, parse_override, validate
from ttsbench.config.protocols import protocol
from ttsbench.config.schema import Experiment
from ttsbench.config.specs import CollectSpec
from ttsbench.config.systems import GROUND_TRUTH, PROMPT, metric_infos
from ttsbench.data.normalisers import default_normaliser, languages_of
from ttsbench.data.utterance_lists import read_languages, read_speakers, read_texts
from ttsbench.engine.job import AnyJob, Job
from ttsbench.engine.layout import RunLayout, wavs_folder
from ttsbench.engine.store import content_hash, read_json, write_json
from ttsbench.errors import ConfigError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances, write_listing
from ttsbench.pipeline.evaluation_plan import scoring_jobs
from ttsbench.pipeline.folder_request import FolderRequest
from ttsbench.pipeline.keys import job_key
from ttsbench.pipeline.prompt_list import check_languages, language_of, read_prompt_list
from ttsbench.pipeline.validation import check_scoring, check_table
from ttsbench.stages.collect import find_clips, read_cost

METRICS = ("mcd", "ffe", "log_f0_rmse", "f0_correlation", "js_log_f0", "js_energy", "js_mel", "std_ratio_log_f0",
           "gv_ratio", "speaker_similarity")  # fmt: skip
METRICS_WITH_TEXT = ("wer", "cer", "js_duration", "std_ratio_duration")
METRICS_WITH_DRAWS = ("energy_score", "energy_score_window", "crps", "calibration", "coverage_50")
METRICS_OF_DIVERSITY = ("cv_f0", "diversity_mel")
METRICS_WITH_SPEAKERS = ("speaker_similarity_prompt",)


def set_up(request: FolderRequest, folder: Path, overrides: Sequence[str]) -> tuple[Experiment, list[str]]:
    """Check the request and write its listing into the run folder; return the experiment and notes for the user."""
    references = find_clips(request.reference, folder) if request.reference else {}
    if request.prompt_list:
        utterances, notes = read_prompt_list(request.prompt_list, references), []
        language = request.language or language_of(utterances, request.prompt_list)
        check_languages(utterances, language, request.prompt_list)
    elif request.reference:
        texts = read_texts(request.transcripts, "--transcripts") if request.transcripts else {}
        speakers = read_speakers(request.speakers, "--speakers") if request.speakers else {}
        languages = read_languages(request.transcripts, "--transcripts") if request.transcripts else {}
        utterances = _listing(references, texts, speakers, languages)
        notes = _unmatched_ids(request, references, texts, speakers)
        named = [utterance for utterance in utterances if utterance.text]
        language = request.language
        if request.transcripts and named and not language:
            language = language_of(named, request.transcripts)
        check_languages(named, language, request.transcripts)
    else:
        raise ConfigError("score needs recordings (--reference DIR) or a prompt list (--list FILE).")
    if request.protocol:
        preset = protocol(request.protocol)
        language = language or preset.language
        notes = [f"Protocol {request.protocol}: {preset.source}.", *preset.deviations, *notes]
    notes = [*_unmatched_clips(request, [utterance.id for utterance in utterances], folder), *notes]
    experiment = _experiment(request, folder, utterances, language or "en", overrides)
    if not RunLayout(folder).utterances.exists() or utterances != evaluated_utterances(folder):
        write_listing(folder, utterances)
    write_json(RunLayout(folder).folder_request, _dump(request, notes))
    return experiment, notes


def make_folder_plan(experiment: Experiment, folder: Path) -> list[AnyJob]:
    """Return the jobs of a comparison of folders after ``set_up``."""
    values = read_json(RunLayout(folder).folder_request)
    utterances = evaluated_utterances(folder)
    phones = any("phones" in info.needs for info in metric_infos(experiment).values())
    systems = {GROUND_TRUTH: [values["reference"]]} if values["reference"] and not values["list"] else {}
    systems |= values["generated"]
    listed = _listed_jobs(utterances) if values["list"] else []
    collected = [*listed, *(_collect(name, paths, utterances, phones, folder) for name, paths in systems.items())]
    return [*collected, *scoring_jobs(experiment, collected, utterances=_utterance_key(utterances))]


def _listing(
    references: Mapping[str, Path], texts: Mapping[str, str], speakers: Mapping[str, str], languages: Mapping[str, str]
) -> list[EvaluatedUtterance]:
    """Return all references; the prompt of each is the speaker's next reference, if its speaker is known."""
    by_speaker: dict[str, list[str]] = defaultdict(list)
    for id_ in references:
        by_speaker[speakers.get(id_, "")].append(id_)
    listing = []
    for id_ in references:
        same_speaker = by_speaker[speakers.get(id_, "")]
        other = same_speaker[(same_speaker.index(id_) + 1) % len(same_speaker)]
        prompt = str(references[other].resolve()) if id_ in speakers and other != id_ else None
        text, speaker, language = (values.get(id_, "") for values in (texts, speakers, languages))
        listing.append(EvaluatedUtterance(id_, text, speaker, prompt, language=language))
    return listing


def _unmatched_clips(request: FolderRequest, ids: Sequence[str], output: Path) -> list[str]:
    """Return notes on clips that are not compared; raises ``ConfigError`` if none of a folder is."""
    notes, known = [], set(ids)
    expected = request.prompt_list or request.reference
    for name, folders in request.generated.items():
        for folder in folders:
            stems = set(find_clips(folder, output))
            if not stems & known:
                raise ConfigError(
                    f"None of the {len(stems)} clips in {folder} has the stem of a clip in {expected}: "
                    f"{min(stems)!r} against {min(known)!r}. Rename one side, clips are matched by stem."
                )
            if extra := stems - known:
                notes.append(f"{name}: {len(extra)} clips have no reference and were left out, such as {min(extra)}.")
    return notes


def _unmatched_ids(
    request: FolderRequest, references: Mapping[str, Path], texts: Mapping[str, str], speakers: Mapping[str, str]
) -> list[str]:
    """Return notes on references without a text or a speaker; raises ``ConfigError`` if no reference has one."""
    notes = []
    for option, pairs in (("--transcripts", texts), ("--speakers", speakers)):
        if pairs and not set(pairs) & set(references):
            raise ConfigError(
                f"{option}: none of its {len(pairs)} ids is the stem of a reference: {min(pairs)!r} against "
                f"{min(references)!r}. Its first column holds the stems."
            )
        if pairs and (missing := set(references) - set(pairs)):
            notes.append(f"{option}: no entry for {len(missing)} of {len(references)} clips, such as {min(missing)}.")
    return notes


def _experiment(
    request: FolderRequest,
    folder: Path,
    utterances: Sequence[EvaluatedUtterance],
    language: str,
    overrides: Sequence[str],
) -> Experiment:
    """Return the request as an experiment without adapters, with every plug-in checked."""
    values: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9._-]", "-", folder.resolve().name).lstrip("._-") or "score",
        "title": f"{', '.join(request.generated)} against {request.source}",
        "metrics": dict.fromkeys(request.metrics or _default_metrics(request, language)),
        "corpus": {"name": "folder", "test": len(utterances), "language": language},
    }
    if request.protocol:
        preset = protocol(request.protocol)
        values |= {"metrics": {name: dict(options) for name, options in preset.metrics.items()},
                   "transcriber": dict(preset.transcriber)}  # fmt: skip
    if request.vocabulary:
        values["transcriber"] = {"options": {"word_list": str(request.vocabulary.resolve())}}
    for override in overrides:
        values = merge(values, parse_override(override, values))
    experiment = validate(values, "ttsbench score")
    check_scoring(experiment)
    check_table(experiment, [*_references(request, utterances), *request.generated])
    _check_needs(request, experiment, utterances, folder)
    return experiment


def _check_needs(
    request: FolderRequest, experiment: Experiment, utterances: Sequence[EvaluatedUtterance], output: Path
) -> None:
    """Raise ``ConfigError`` for a metric whose input was not given."""
    texts, recordings = request.transcripts or request.prompt_list, GROUND_TRUTH in _references(request, utterances)
    prompts = request.speakers or any(utterance.prompt for utterance in utterances)
    sources = (
        ("cost", _has_costs(request, output), "costs beside the wavs (<stem>.json), as ttsbench compare leaves them"),
        ("reference", recordings, "recordings (--reference DIR, or a column of the list)"),
        ("draws", recordings, "recordings (--reference DIR, or a column of the list)"),
        ("transcript", texts, "--transcripts FILE, or a --list"),
        ("phones", texts, "--transcripts FILE, by which phones are aligned"),
        ("prompt", prompts, "--speakers FILE, which says whose other recordings to take, or a --list of prompts"),
    )
    for name, info in metric_infos(experiment).items():
        for need, given, source in sources:
            if need in info.needs and not given:
                raise ConfigError(f"The metric '{name}' needs {source}. Give it, or leave the metric out.")


def _has_costs(request: FolderRequest, output: Path) -> bool:
    """Return whether the first clip of any system has its cost beside it."""
    firsts = [next(iter(find_clips(folders[0], output).values())) for folders in request.generated.values()]
    return any(read_cost(path) for path in firsts)


def _references(request: FolderRequest, utterances: Sequence[EvaluatedUtterance]) -> list[str]:
    """Return the reference rows: the recordings, and the prompts of a list."""
    if not request.prompt_list:
        return [GROUND_TRUTH]
    fields = {GROUND_TRUTH: "recording", PROMPT: "prompt"}
    return [name for name, field in fields.items() if any(getattr(utterance, field) for utterance in utterances)]


def _default_metrics(request: FolderRequest, language: str) -> tuple[str, ...]:
    kinds = {default_normaliser(code) == "characters" for code in languages_of(language)}
    characters = True in kinds  # a word error rate does not join languages that are counted in characters and in words
    if request.prompt_list:
        return (*(("cer",) if characters else ("wer", "cer")), "bad_cases", "speaker_similarity_prompt", "dnsmos")
    metrics: tuple[str, ...] = METRICS
    if request.transcripts:
        metrics += METRICS_WITH_TEXT if language == "en" else ("cer",) if characters else ("wer", "cer")
    if request.speakers:
        metrics += METRICS_WITH_SPEAKERS
    if any(len(folders) > 1 for folders in request.generated.values()):
        metrics = (*METRICS_WITH_DRAWS, *metrics, *METRICS_OF_DIVERSITY)  # proper scores stand first
    return metrics


def _listed_jobs(utterances: Sequence[EvaluatedUtterance]) -> list[Job[CollectSpec]]:
    """Return the jobs that record the recordings and the prompts that a list names."""
    jobs = []
    rows: tuple[tuple[str, Literal["recording", "prompt"]], ...] = ((GROUND_TRUTH, "recording"), (PROMPT, "prompt"))
    for name, field in rows:
        paths = [getattr(utterance, field) for utterance in utterances]
        if not any(paths):
            continue
        spec = CollectSpec(name, 0, 1, (), listed=field)
        files = [_file_state({"": Path(path)}, "") if path else [] for path in paths]
        key = job_key("collect", vars(spec), files, [utterance.id for utterance in utterances])
        jobs.append(Job(f"collect {name}", "collect", (), key, wavs_folder(name, None), 0.005 * len(paths), spec))
    return jobs


def _collect(
    name: str, folders: Sequence[str], utterances: Sequence[EvaluatedUtterance], phones: bool, output: Path
) -> Job[CollectSpec]:
    """Return the job that records the clips of a system; its key changes with every file."""
    clips = [find_clips(Path(folder), output) for folder in folders]
    files = [[_file_state(paths, utterance.id) for utterance in utterances] for paths in clips]
    texts = [utterance.text for utterance in utterances] if phones else [utterance.id for utterance in utterances]
    spec = CollectSpec(name, 0, len(folders), tuple(folders), phones)
    cost_s = 0.005 * len(utterances) * len(folders) * (20 if phones else 1)
    key = job_key("collect", vars(spec), files, texts)
    return Job(f"collect {name}", "collect", (), key, wavs_folder(name, None), cost_s, spec)


def _utterance_key(utterances: Sequence[EvaluatedUtterance]) -> str:
    """Return the hash of what the user said about the clips: their texts, speakers and prompts."""
    return content_hash([asdict(utterance) for utterance in utterances])


def _file_state(clips: Mapping[str, Path], id_: str) -> list[Any]:
    if id_ not in clips:
        return []
    status, cost = clips[id_].stat(), read_cost(clips[id_])
    state = [str(clips[id_]), status.st_size, status.st_mtime_ns]
    return [*state, asdict(cost)] if cost else state


def _dump(request: FolderRequest, notes: Sequence[str]) -> dict[str, Any]:
    """Return the request as JSON, with absolute folders: a report may be made from another working directory."""
    return {
        "reference": str(request.reference.resolve()) if request.reference else None,
        "list": str(request.prompt_list.resolve()) if request.prompt_list else None,
        "generated": {name: [str(path.resolve()) for path in folders] for name, folders in request.generated.items()},
        "notes": list(notes),
    }
