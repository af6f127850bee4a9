"""Export a listening test as a folder: a page to serve, its key, links for listeners, and webMUSHRA configurations.

web/            the page and its audio under random names; only this folder is served
webmushra/      the same lists as webMUSHRA configurations (MOS and MUSHRA tests)
key.json        the systems behind the names
links.txt       one link per list, to be given out in turn
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.engine.store import write_text
from ttsbench.errors import ConfigError
from ttsbench.listening.conditions import Conditions, choose
from ttsbench.listening.design import Trial, make_lists, size
from ttsbench.listening.key import Key, KeyTrial, write_key
from ttsbench.listening.kinds import Kind, kind_of
from ttsbench.listening.material import Material, read_material
from ttsbench.listening.page import Page, check_address, write_page
from ttsbench.listening.stimuli import AudioFiles, Clips
from ttsbench.listening.webmushra import write_configurations
from ttsbench.reporting.provenance import commit

WEB = "web"
CHECKS = 3  # default number of attention checks in tests without a hidden reference
LONGEST_S = 12.0  # BS.1534-3: longer samples cannot be compared from memory
EXAMPLES = 3  # clips that a listener hears before the test
SECONDS_PER_ANSWER = 4.0  # besides listening; an estimate for the summary


@dataclass(frozen=True)
class ExportRequest:
    """The options of an export; None or empty values take defaults."""

    kind: str
    systems: tuple[str, ...] = ()
    baseline: str = ""
    utterances: int | None = None
    per_listener: int | None = None
    anchors: tuple[float, ...] | None = None  # Hz
    checks: int | None = None
    seed: int = 0
    post: str = ""  # address that the page sends answers to, in addition to saving files
    show_text: bool = False
    title: str = "Listening test"  # shown to listeners; the title of the run could bias them


@dataclass(frozen=True)
class _Plan:
    """A complete design; ``rng`` makes the random choices."""

    request: ExportRequest
    kind: Kind
    material: Material
    conditions: Conditions
    clips: Clips
    lists: Sequence[Sequence[Trial]]
    rng: np.random.Generator


def export(run: Path, request: ExportRequest, output: Path) -> str:
    """Write the folder and return a summary; raises ``ConfigError`` before any file is written."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ConfigError(f"{output} is not empty, and a test in use must not change. Give another --output.")
    check_address(request.post)
    plan = _plan(run, request)
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        key = _write(folder, plan)
        folder.chmod(0o755)
        folder.replace(output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _summary(output, plan, key)


def _plan(run: Path, request: ExportRequest) -> _Plan:
    kind, material = kind_of(request.kind), read_material(run)
    conditions = choose(kind, material.systems, request.systems, request.baseline, request.anchors)
    rng = np.random.default_rng(request.seed)
    clips = Clips(material, conditions, rng, LONGEST_S if kind.arrangement == "together" else None)
    count = len(conditions.systems) - kind.paired
    numbers = size(kind.arrangement, count, len(clips.candidates) - 1, request.utterances, request.per_listener)
    clips.measure(numbers.utterances + 1)
    lists = make_lists(
        kind.arrangement, clips.usable[1:], conditions.systems, conditions.baseline, numbers.per_listener
    )
    return _Plan(request, kind, material, conditions, clips, lists, rng)


def _write(folder: Path, plan: _Plan) -> Key:
    expected = _expected(plan)
    labels = [plan.kind.labels[rating] for rating in expected]
    padded = plan.kind.arrangement == "together"
    files = AudioFiles(folder / WEB / "audio", plan.clips, labels, padded)
    checks = {_id(): _check(plan.kind, files, rating) for rating in expected}
    trials, lists = dict(checks), []
    for trial_list in plan.lists:
        questions = {_id(): _trial(plan, files, trial) for trial in trial_list}
        trials |= questions
        lists.append(_shuffled([*questions, *checks], plan.rng))  # the order of a Latin square would reveal the systems
    training = [_trial(plan, files, trial) for trial in _examples(plan)]
    volume = files.name(GROUND_TRUTH, plan.clips.usable[0])
    key = _key(plan, files, trials, lists)
    texts = {item.id: item.text for item in plan.material.utterances} if plan.request.show_text else {}
    page = Page(key, plan.kind, plan.request.title, training, volume, texts, plan.request.post)
    write_page(folder / WEB, page)
    write_configurations(folder / "webmushra", page)
    write_text(folder / "links.txt", "".join(f"index.html?list={number + 1}\n" for number in range(len(lists))))
    write_key(folder, key)
    return key


def _id() -> str:
    return f"t{secrets.token_hex(8)}"


def _shuffled(ids: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(ids[number] for number in rng.permutation(len(ids)))


def _expected(plan: _Plan) -> list[int]:
    """Return the answers that the attention checks ask for, all different if possible."""
    count = plan.request.checks
    if count is None:
        count = 0 if plan.kind.arrangement == "together" else CHECKS
    if count and plan.kind.arrangement == "together":
        raise ConfigError("--checks: a MUSHRA test screens listeners by its hidden reference. Leave the option out.")
    ratings = list(plan.kind.labels)
    return [ratings[number % len(ratings)] for number in plan.rng.permutation(max(count, len(ratings)))[:count]]


def _check(kind: Kind, files: AudioFiles, rating: int) -> KeyTrial:
    """Return a trial whose clips are all an instruction."""
    clips = [files.check(kind.labels[rating]) for _ in range(2 if kind.paired else 1)]
    return KeyTrial(stimuli=tuple(clips), expected=rating)


def _trial(plan: _Plan, files: AudioFiles, trial: Trial) -> KeyTrial:
    names = tuple(files.name(system, trial.utterance) for system in trial.systems)
    if plan.kind.arrangement != "together":
        return KeyTrial(stimuli=names)
    return KeyTrial(stimuli=_shuffled(names, plan.rng), reference=files.another(GROUND_TRUTH, trial.utterance))


def _examples(plan: _Plan) -> list[Trial]:
    """Return the examples before the test, which show its range on an utterance outside the test."""
    conditions, id_ = plan.conditions, plan.clips.usable[0]
    others = [system for system in conditions.systems if system != conditions.baseline]
    if plan.kind.arrangement == "together":
        return [Trial(id_, conditions.systems)]
    if plan.kind.paired:
        return [Trial(id_, (conditions.baseline, others[0]))]
    shown = dict.fromkeys((conditions.systems[0], *conditions.anchors, conditions.baseline, *others))
    return [Trial(id_, (system,)) for system in list(shown)[:EXAMPLES]]


def _key(plan: _Plan, files: AudioFiles, trials: Mapping[str, KeyTrial], lists: Sequence[tuple[str, ...]]) -> Key:
    conditions, kind = plan.conditions, plan.kind
    rated = [name for name in conditions.systems if not (kind.paired and name == conditions.baseline)]
    return Key(
        test_id=f"{kind.name}-{secrets.token_hex(4)}",
        kind=kind.name,
        title=plan.material.title,
        baseline=conditions.baseline,
        systems=tuple(rated),
        references=tuple(name for name in conditions.references if name in rated),
        anchors=dict(conditions.anchors),
        seeds=len({stimulus.seed for stimulus in files.stimuli.values() if stimulus.system in rated}),
        lufs=round(files.lufs, 2),
        stimuli=files.stimuli,
        trials=dict(trials),
        lists=tuple(lists),
        left_out=plan.clips.left_out,
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _summary(output: Path, plan: _Plan, key: Key) -> str:
    seconds = [
        sum(plan.clips.seconds[trial.utterance] * len(trial.systems) for trial in trials) for trials in plan.lists
    ]
    answers = [sum(len(trial.systems) for trial in trials) for trials in plan.lists]
    minutes = (max(seconds) + SECONDS_PER_ANSWER * max(answers)) / 60
    lines = [
        f"{plan.kind.title} test {key.test_id} in {output}: {', '.join(plan.conditions.systems)}.",
        f"Utterances: {len(plan.clips.usable) - 1}; lists: {len(key.lists)}; questions in each: {len(key.lists[0])}.",
        f"All clips at {key.lufs:g} LUFS. A listener needs about {minutes:.0f} min, without instructions.",
        f"Serve {output / WEB} (and nothing above it), give out the links in {output / 'links.txt'} in turn,",
        f"collect the answer files, and run: ttsbench listen import {output} ANSWERS",
    ]
    if key.left_out:
        id_, reason = next(iter(key.left_out.items()))
        lines.append(f"{len(key.left_out)} utterances cannot be used, such as {id_}: {reason}.")
    return "\n".join(lines)
