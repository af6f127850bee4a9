"""Stage prepare: turn a corpus into a manifest, cached features and normalisation statistics.

Writes ``manifest.jsonl`` (id, speaker, text, phones, split, ...), ``excluded.csv`` (id, reason), ``notes.json`` and
``statistics.json``. A bad clip is excluded with its reason; a corpus that is unusable as a whole is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from ttsbench import registry
from ttsbench.config.schema import CorpusConfig, Experiment
from ttsbench.config.specs import PrepareSpec
from ttsbench.data.corpus import PreparedUtterance, dump_utterance, normalisation
from ttsbench.data.features import Features, extract, feature_path, load_features, save_features
from ttsbench.data.normalisers import base_language
from ttsbench.data.splits import Split, hold_out, split
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.progress import console
from ttsbench.engine.store import cache_dir, check_space, read_json, write_json, write_text
from ttsbench.errors import ClipError, CorpusError, TtsbenchError
from ttsbench.models.representation import codec_signature, make_codec
from ttsbench.reporting.csv import write_csv
from ttsbench.types import SILENCE, Phone, Utterance

CHUNK = 16  # clips per task
BYTES_PER_MINUTE = 2_500_000  # features and reference wavs
MOST_EXCLUDED = 0.5  # a corpus that loses a larger share is refused


def list_corpus(config: CorpusConfig) -> tuple[list[Utterance], list[tuple[str, str]]]:
    """Return the usable utterances of a corpus and the excluded ids with reasons; raises ``CorpusError``."""
    from ttsbench.data.listing import check_listing

    corpus = registry.load("corpora", config.name)(config.path, **config.options)
    return check_listing(corpus.utterances(), config.language)


def tasks(run: Run, job: Job[PrepareSpec]) -> Sequence[Task]:
    """List, split and check the corpus without reading audio, then divide it into chunks."""
    folder = job.path(run)
    needed_bytes = int(job.spec.minutes * BYTES_PER_MINUTE)
    check_space(folder, needed_bytes)
    try:
        check_space(cache_dir(), needed_bytes)
    except TtsbenchError:  # a full cache costs nothing but the features that it would have kept
        check_space(folder, 2 * needed_bytes)
    config = run.experiment.corpus
    utterances, excluded = list_corpus(config)
    split_corpus(utterances, config)  # raises before long work starts
    chunks = [utterances[start : start + CHUNK] for start in range(0, len(utterances), CHUNK)]
    write_json(folder / "listing.json", {"chunks": len(chunks), "excluded": excluded})
    return [
        {"chunk": index, "utterances": [_dump(utterance) for utterance in chunk]}
        for index, chunk in enumerate(chunks)
        if not _is_whole(_part(folder, index))
    ]


def work(run: Run, job: Job[PrepareSpec], task: Task, progress: Progress) -> None:
    """Read, align and analyse a chunk of clips."""
    rows: list[dict[str, Any]] = []
    for done, values in enumerate(task["utterances"]):
        utterance = _parse(values)
        try:
            rows.append(_prepare_one(utterance, run.experiment, job.path(run) / "features"))
        except ClipError as error:
            rows.append({"utterance": values, "reason": str(error)})
        progress((done + 1) / len(task["utterances"]))
    write_json(_part(job.path(run), task["chunk"]), rows)


def finish(run: Run, job: Job[PrepareSpec]) -> None:
    """Split the usable clips and write manifest, exclusions and statistics."""
    folder, config = job.path(run), run.experiment.corpus
    listing = read_json(folder / "listing.json")
    parts = [_part(folder, chunk) for chunk in range(listing["chunks"])]
    require_parts(parts)
    rows = [row for part in parts for row in read_json(part)]
    usable = [row for row in rows if "reason" not in row]
    excluded = [tuple(pair) for pair in listing["excluded"]]
    excluded += [(row["utterance"]["id"], row["reason"]) for row in rows if "reason" in row]
    write_csv(pd.DataFrame(excluded, columns=["id", "reason"]), folder / "excluded.csv")
    if len(usable) < MOST_EXCLUDED * len(rows):
        raise CorpusError(
            f"{len(rows) - len(usable)} of {len(rows)} clips of '{config.name}' cannot be used, too many to continue. "
            f"The first: {excluded[0][0]}: {excluded[0][1]} All are listed in {folder / 'excluded.csv'}."
        )
    prepared, notes = _split(usable, config)
    if excluded:
        notes.append(f"{len(excluded)} clips were excluded; see prepare/excluded.csv.")
    write_text(folder / "manifest.jsonl", "".join(dump_utterance(each) + "\n" for each in prepared))
    write_json(folder / "notes.json", notes)
    train = [load_features(Path(each.features)) for each in prepared if each.split == "train"]
    write_json(
        folder / "statistics.json",
        {
            "normalisation": asdict(normalisation(train)),
            "phones": sorted({phone for each in prepared for phone in each.phones}),
            "speakers": sorted({each.speaker for each in prepared}),
        },
    )


def features_exist(folder: Path) -> bool:
    """Return whether the cache still holds the features of a prepared corpus."""
    return all(_is_whole(part) for part in (folder / "parts").glob("*.json"))


def _is_whole(part: Path) -> bool:
    """Return whether a part and all features that it lists exist, with the sizes that it lists."""
    try:
        rows = read_json(part)
        return all("reason" in row or Path(row["features"]).stat().st_size == row["bytes"] for row in rows)
    except (OSError, KeyError, TtsbenchError):
        return False


def _prepare_one(utterance: Utterance, experiment: Experiment, own: Path) -> dict[str, Any]:
    """Return the row of one clip; its features are computed unless they are cached.

    ``own`` is the folder of the run for features that the cache cannot take.
    """
    from ttsbench.audio.wav import check_length, load_clip_audio
    from ttsbench.data.listing import utterance_language

    mel, config = experiment.mel, experiment.corpus
    if not utterance.audio.is_file():
        raise ClipError(f"{utterance.audio} is missing; restore it or remove '{utterance.id}' from the metadata.")
    try:
        path = feature_path(utterance, mel, config.alignment, codec_signature(experiment))
    except OSError as error:
        unreadable = error.filename or utterance.audio
        raise ClipError(f"{unreadable} cannot be read ({error.strerror}): restore it.") from error
    source = _alignment_source(utterance, config)
    features = _cached_features(path)
    if features is not None:
        check_length(utterance.audio, max_s=config.max_s)  # the cached features may come from a run with a larger limit
    else:
        samples = load_clip_audio(utterance.audio, mel.sample_rate, max_s=config.max_s)
        phones = _align(utterance, samples, mel.sample_rate, source, utterance_language(utterance, config.language))
        features = extract(samples, phones, mel, make_codec(experiment))
        path = _stored(features, path, own)
    facts = {"features": str(path), "bytes": path.stat().st_size, "alignment": source}
    return {"utterance": _dump(utterance), **facts, **_phones_and_frames(features)}


def _cached_features(path: Path) -> Features | None:
    """Return cached features; None if there are none, or if they were damaged, in which case they are removed."""
    try:
        return load_features(path) if path.exists() else None
    except (ClipError, OSError):  # OSError: a damaged file in a cache that cannot be written
        return None


def _stored(features: Features, path: Path, own: Path) -> Path:
    """Write features to the cache, or to the run's own folder if the cache cannot be written; return the file."""
    try:
        save_features(path, features)
        return path
    except (OSError, TtsbenchError) as error:
        _report_cache(str(path.parent), str(error))
        save_features(own / path.name, features)
        return own / path.name


@cache
def _report_cache(folder: str, reason: str) -> None:
    """Print once per process that the cache is not used; the worker passes the line on."""
    text = f"The cache {folder} cannot be written ({reason[:200]}): the run stores its features itself."
    console().print(text, highlight=False, markup=False)


def _phones_and_frames(features: Features) -> dict[str, Any]:
    if set(features.phones) <= {SILENCE}:
        raise ClipError("the alignment holds silence only; check that text and audio match.")
    return {"phones": features.phones, "frames": len(features.mel)}


def _alignment_source(utterance: Utterance, config: CorpusConfig) -> str:
    if config.alignment == "auto":
        return "textgrid" if utterance.textgrid is not None else "pocketsphinx"
    if config.alignment == "textgrid" and utterance.textgrid is None:
        raise ClipError(f"'{utterance.id}' has no TextGrid; set corpus.alignment to auto to align it.")
    return config.alignment


def _align(utterance: Utterance, samples: Any, sample_rate: int, source: str, language: str) -> Sequence[Phone]:
    if source == "textgrid" and utterance.textgrid is not None:
        from ttsbench.data.textgrid import fitted, read_textgrid
        from ttsbench.data.textgrid_fit import require_fit

        phones = fitted(read_textgrid(utterance.textgrid), len(samples) / sample_rate, utterance.textgrid)
        require_fit(phones, samples, sample_rate, utterance.textgrid)
        return phones
    from ttsbench.data.alignment import align

    if base_language(language) != "en":
        raise ClipError(
            f"'{utterance.id}' has no TextGrid, and pocketsphinx aligns English only: supply "
            f"TextGrid/{utterance.id}.TextGrid, for example by the Montreal Forced Aligner."
        )
    return align(utterance.text, samples, sample_rate)


def split_corpus(utterances: Sequence[Utterance], config: CorpusConfig) -> tuple[dict[str, Split], list[str]]:
    """Return the split of each utterance and notes."""
    splits, notes = split(utterances, test=config.test, valid=config.valid, seed=config.split_seed)
    if not config.held_out_speakers:
        return splits, notes
    speakers = {utterance.id: utterance.speaker for utterance in utterances}
    splits, more = hold_out(splits, speakers, config.held_out_speakers)
    return splits, [*notes, *more]


def _split(rows: Sequence[Mapping[str, Any]], config: CorpusConfig) -> tuple[list[PreparedUtterance], list[str]]:
    utterances = [_parse(row["utterance"]) for row in rows]
    splits, notes = split_corpus(utterances, config)
    mixed = len({row["alignment"] for row in rows}) > 1
    if mixed:
        notes.append(
            "Some clips have a TextGrid and others were aligned by pocketsphinx; stress marks were removed from all."
        )
    prepared = []
    for utterance, row in sorted(zip(utterances, rows, strict=True), key=lambda pair: pair[0].id):
        phones = tuple(phone.rstrip("012") if mixed else phone for phone in row["phones"])
        prepared.append(
            PreparedUtterance(
                id=utterance.id,
                speaker=utterance.speaker,
                text=utterance.text,
                split=splits[utterance.id],
                audio=str(utterance.audio),
                features=row["features"],
                phones=phones,
                frames=row["frames"],
                alignment=row["alignment"],
                attributes=utterance.attributes,
            )
        )
    return _trainable_phones(prepared, notes), notes


def _trainable_phones(prepared: Sequence[PreparedUtterance], notes: list[str]) -> list[PreparedUtterance]:
    """Replace phones that do not occur in training, such as a rare stress, by a similar phone.

    An untrained embedding would produce noise. The notes list every replacement.
    """
    trained = {phone for each in prepared if each.split == "train" for phone in each.phones}
    untrained = {phone for each in prepared for phone in each.phones} - trained
    relatives = {phone: _relative(phone, trained) for phone in sorted(untrained)}
    for phone, relative in relatives.items():
        notes.append(f"Phone {phone} does not occur in training; it is replaced by {relative}.")
    return [replace(each, phones=tuple(relatives.get(phone, phone) for phone in each.phones)) for each in prepared]


def _relative(phone: str, trained: set[str]) -> str:
    """Return the trained phone that differs only in stress or length, or silence."""
    bare = phone.rstrip("012ː")
    near = [other for other in sorted(trained) if other.rstrip("012ː") == bare]
    return near[0] if near else SILENCE


def _part(folder: Path, chunk: int) -> Path:
    return folder / "parts" / f"{chunk:05d}.json"


def _dump(utterance: Utterance) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "speaker": utterance.speaker,
        "text": utterance.text,
        "audio": str(utterance.audio),
        "textgrid": str(utterance.textgrid) if utterance.textgrid else None,
        "attributes": dict(utterance.attributes),
    }


def _parse(values: Mapping[str, Any]) -> Utterance:
    textgrid = Path(values["textgrid"]) if values["textgrid"] else None
    return Utterance(**{**values, "audio": Path(values["audio"]), "textgrid": textgrid})
