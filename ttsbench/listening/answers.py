"""Reading what listeners handed in: JSON and CSV of the page, CSV of webMUSHRA. A session counts whole or not at all.

Where an answer is missing, or is none that the page lets anybody give, the file is not what the page wrote, and the
rest of it is not to be trusted either. Whatever does not count is listed with its reason.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.errors import AnswerError, ConfigError
from ttsbench.listening import webmushra
from ttsbench.listening.key import Key, KeyTrial
from ttsbench.listening.kinds import Kind
from ttsbench.listening.session import Given, Session

FORMAT = "ttsbench-listening-1"
SUFFIXES = (".json", ".csv")
LONGEST_CODE = 64


@dataclass(frozen=True)
class Rating:
    """One rating that counts. Of a pair, ``system`` is rated against the baseline, whichever was heard first."""

    listener: str
    list: int
    utterance: str
    seed: int
    system: str
    rating: int
    position: float  # of the question in the session; NaN where it is not known
    seconds: float


@dataclass(frozen=True)
class Answered:
    """A session that counts. ``missed``: attention checks that were answered otherwise than they asked for."""

    file: str
    listener: str
    list: int
    ratings: Sequence[Rating]
    checks: int
    missed: int
    device: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Refused:
    """A session, or a file, that does not count, with the ratings by system that are lost with it.

    A ``copy`` holds the answers of a session that counts: the page saves them in two forms.
    """

    file: str
    listener: str
    list: str
    reason: str
    lost: Mapping[str, int]
    copy: bool = False


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files that were named, and those in folders that were; raises ``ConfigError`` where there are none."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"There is no {path}. Give files of answers, or folders that hold them.")
        inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        found += inside if path.is_dir() else [path]
    if not found:
        raise ConfigError(f"{paths[0]} holds no answers ({', '.join(SUFFIXES)}).")
    return list(dict.fromkeys(found))


def read_answers(files: Sequence[Path], key: Key, kind: Kind) -> tuple[list[Answered], list[Refused]]:
    """Sessions that count, and what does not. Of several sessions of one listener the first counts."""
    sessions: list[Session] = []
    refused: list[Refused] = []
    for path in files:
        try:
            sessions += _sessions(path, key)
        except AnswerError as error:
            refused.append(Refused(path.name, "", "", str(error), {}))
    answered: dict[str, Answered] = {}
    for session in sorted(sessions, key=_order):
        try:
            one = _checked(session, key, kind)
        except AnswerError as error:
            refused.append(_refused(session, key, kind, str(error)))
            continue
        before = answered.setdefault(one.listener, one)
        if before is not one and _content(before) == _content(one):
            reason = f"it holds the answers of {before.file} once more"
            refused.append(Refused(one.file, one.listener, str(one.list), reason, {}, copy=True))
        elif before is not one:
            refused.append(_refused(session, key, kind, f"{one.listener} has answered before, in {before.file}"))
    return list(answered.values()), refused


def _sessions(path: Path, key: Key) -> list[Session]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return [_from_json(json.loads(text), path.name)]
        columns = next(csv.reader(io.StringIO(text)), [])
        if webmushra.TEST in columns:
            return webmushra.read_results(text, path.name, key)
        return _from_csv(text, path.name)
    except (OSError, ValueError, csv.Error, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AnswerError(f"it holds no answers ({type(error).__name__}: {str(error)[:80]})") from error


def _from_json(values: Any, file: str) -> Session:
    if values["format"] != FORMAT:
        raise AnswerError(f"its format is {str(values['format'])[:40]!r}, not {FORMAT!r}")
    given = [
        Given(str(answer["trial"]), str(stimulus), rating, answer.get("position"), answer.get("seconds"))
        for answer in values["answers"] for stimulus, rating in answer["ratings"].items()
    ]  # fmt: skip
    started, device, comment = (str(values.get(name) or "") for name in ("started", "device", "comment"))
    return Session(
        file, str(values["testId"]), str(values["listener"] or ""), str(values["list"]), started, given, device, comment
    )


def _from_csv(text: str, file: str) -> list[Session]:
    """Several sessions may stand under one another."""
    rows: dict[tuple[str, str, str, str], list[Given]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        if "test_id" in row and row["test_id"] == "test_id":
            continue  # files that were joined keep their headings
        session = (row["test_id"], row["listener"], row["list"], row.get("started") or "")
        rows[session].append(
            Given(row["trial"], row["stimulus"], row["rating"], row.get("position"), row.get("seconds"))
        )
    if not rows:
        raise AnswerError("it holds no answers (no rows)")
    return [Session(file, test, who, number, started, given) for (test, who, number, started), given in rows.items()]


def _checked(session: Session, key: Key, kind: Kind) -> Answered:
    """The session, if every answer is there and possible; raises ``AnswerError``."""
    if session.test_id != key.test_id:
        raise AnswerError(f"it answers another test, {session.test_id[:40]!r}; this one is {key.test_id!r}")
    listener, trials = code(session.listener), key.trials_of(session.list)
    if not listener:
        raise AnswerError("it does not say whose answers these are")
    if not trials:
        raise AnswerError(f"there is no list {session.list[:20]!r} among the {len(key.lists)} of the test")
    wanted = {(id_, stimulus) for id_ in trials for stimulus in _rated(key.trials[id_], kind)}
    values: dict[tuple[str, str], tuple[int, Given]] = {}
    for given in session.given:
        place = (given.trial, given.stimulus)
        if place not in wanted:
            raise AnswerError(f"{given.stimulus[:40]!r} in {given.trial[:40]!r} is not rated in list {session.list}")
        if place in values:
            raise AnswerError(f"{given.stimulus} is rated twice")
        values[place] = _whole(given, kind), given
    if len(values) < len(wanted):
        raise AnswerError(f"incomplete: {len(wanted) - len(values)} of {len(wanted)} ratings are missing")
    checks = [key.trials[id_].expected == rating for (id_, _), (rating, _) in values.items()
              if key.trials[id_].expected is not None]  # fmt: skip
    ratings = [_rating(key, kind, listener, int(session.list), rating, given)
               for (id_, _), (rating, given) in values.items() if key.trials[id_].expected is None]  # fmt: skip
    return Answered(session.file, listener, int(session.list), ratings, len(checks), checks.count(False),
                    session.device, session.comment)  # fmt: skip


def code(listener: str) -> str:
    """A listener's code with nothing in it that a table or a file of comments would stumble over."""
    return re.sub(r"[^\w.@-]+", "-", listener.strip())[:LONGEST_CODE]


def _rated(trial: KeyTrial, kind: Kind) -> tuple[str, ...]:
    """Stimuli that have a rating of their own: of a pair, the second against the first."""
    return trial.stimuli[1:] if kind.paired else trial.stimuli


def _whole(given: Given, kind: Kind) -> int:
    """A rating as a whole number within the scale; raises ``AnswerError``."""
    value = _number(given.rating)
    if not (value.is_integer() and kind.low <= value <= kind.high):
        raise AnswerError(
            f"{given.stimulus} is rated {str(given.rating)[:20]!r}, and ratings are whole numbers from {kind.low} to "
            f"{kind.high}"
        )
    return int(value)


def _number(value: Any) -> float:
    """A number, or NaN for what is none."""
    try:
        return math.nan if isinstance(value, bool) or value in (None, "") else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _rating(key: Key, kind: Kind, listener: str, number: int, rating: int, given: Given) -> Rating:
    system, sign = _system(key, kind, given)
    heard = next(key.stimuli[name] for name in key.trials[given.trial].stimuli if key.stimuli[name].system == system)
    return Rating(listener, number, heard.utterance, heard.seed, system, sign * rating, _number(given.position),
                  _number(given.seconds))  # fmt: skip


def _system(key: Key, kind: Kind, given: Given) -> tuple[str, int]:
    """Whom a rating is about, and the sign that makes it speak for that system."""
    system = key.stimuli[given.stimulus].system
    if kind.paired and system == key.baseline:
        other = key.trials[given.trial].stimuli[0]
        return key.stimuli[other].system, -1
    return system, 1


def _order(session: Session) -> tuple[str, bool]:
    """By time, those of unknown time last; JSON, which holds comments, before a CSV of the same session."""
    return session.started or "~", not session.file.lower().endswith(".json")


def _content(one: Answered) -> tuple[int, int, frozenset[tuple[str, str, int]]]:
    return one.list, one.missed, frozenset((rating.utterance, rating.system, rating.rating) for rating in one.ratings)


def _refused(session: Session, key: Key, kind: Kind, reason: str) -> Refused:
    """With the ratings of systems that it holds, as far as they are of this test."""
    lost: dict[str, int] = defaultdict(int)
    for one in _known(session.given, key, kind):
        lost[_system(key, kind, one)[0]] += 1
    return Refused(session.file, code(session.listener), code(session.list), reason, dict(lost))


def _known(given: Sequence[Given], key: Key, kind: Kind) -> Iterator[Given]:
    for one in given:
        trial = key.trials.get(one.trial)
        if trial is not None and trial.expected is None and one.stimulus in _rated(trial, kind):
            yield one
