"""Read answer files: JSON and CSV of the page, and CSV of webMUSHRA. A session is accepted or rejected as a whole.

If an answer is missing, or is one that the page does not offer, the page did not write the file, and the rest of it
cannot be trusted either. Rejected sessions are listed with the reason.
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
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ttsbench.errors import AnswerError, ConfigError
from ttsbench.listening import webmushra
from ttsbench.listening.key import Key, KeyTrial
from ttsbench.listening.kinds import Kind
from ttsbench.listening.session import RawRating, Session

FORMAT = "ttsbench-listening-1"
SUFFIXES = (".json", ".csv")
LONGEST_CODE = 64


@dataclass(frozen=True)
class Rating:
    """An accepted rating. In paired tests ``system`` is rated against the baseline, whatever their order was."""

    listener: str
    list: int
    utterance: str
    seed: int
    system: str
    rating: int
    position: float  # of the question in the session; NaN if unknown
    seconds: float


@dataclass(frozen=True)
class AcceptedSession:
    """An accepted session; ``missed`` counts the failed attention checks."""

    file: str
    listener: str
    list: int
    ratings: Sequence[Rating]
    checks: int
    missed: int
    device: str = ""
    comment: str = ""


@dataclass(frozen=True)
class RejectedSession:
    """A rejected session or file, with the number of lost ratings by system.

    A ``copy`` repeats the answers of an accepted session, because the page saves them in two formats.
    """

    file: str
    listener: str
    list: str
    reason: str
    lost: Mapping[str, int]
    copy: bool = False


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the given files and the answer files in given folders; raises ``ConfigError`` if there are none."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"{path} does not exist. Give answer files, or folders that hold them.")
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        found += inside if path.is_dir() else [path]
    if not found:
        raise ConfigError(f"{paths[0]} holds no answer files ({', '.join(SUFFIXES)}).")
    return list(dict.fromkeys(found))


def read_answers(files: Sequence[Path], key: Key, kind: Kind) -> tuple[list[AcceptedSession], list[RejectedSession]]:
    """Return the accepted and the rejected sessions; of several sessions of a listener the first is accepted."""
    sessions: list[Session] = []
    rejected: list[RejectedSession] = []
    for path in files:
        try:
            sessions += _sessions(path, key)
        except AnswerError as error:
            rejected.append(RejectedSession(path.name, "", "", str(error), {}))
    accepted: dict[str, AcceptedSession] = {}
    for session in sorted(sessions, key=partial(_order, key)):
        try:
            checked = _checked(session, key, kind)
        except AnswerError as error:
            rejected.append(_refused(session, key, kind, str(error)))
            continue
        before = accepted.setdefault(checked.listener, checked)
        if before is not checked and _content(before) == _content(checked):
            reason = f"it repeats the answers of {before.file}"
            rejected.append(RejectedSession(checked.file, checked.listener, str(checked.list), reason, {}, copy=True))
        elif before is not checked:
            rejected.append(_refused(session, key, kind, f"{checked.listener} has already answered, in {before.file}"))
    return list(accepted.values()), rejected


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
        raise AnswerError(f"it holds no readable answers ({type(error).__name__}: {str(error)[:80]})") from error


def _from_json(values: Any, file: str) -> Session:
    if values["format"] != FORMAT:
        raise AnswerError(f"its format is {str(values['format'])[:40]!r}, not {FORMAT!r}")
    given = [
        RawRating(str(answer["trial"]), str(stimulus), rating, answer.get("position"), answer.get("seconds"))
        for answer in values["answers"] for stimulus, rating in answer["ratings"].items()
    ]  # fmt: skip
    started, device, comment = (str(values.get(name) or "") for name in ("started", "device", "comment"))
    return Session(
        file, str(values["testId"]), str(values["listener"] or ""), str(values["list"]), started, given, device, comment
    )


def _from_csv(text: str, file: str) -> list[Session]:
    """Read a file that may hold several sessions."""
    rows: dict[tuple[str, str, str, str], list[RawRating]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text), restval=""):  # fields that a short row lacks are empty
        if row["test_id"] == "test_id":
            continue  # concatenated files repeat their heading
        session = (row["test_id"], row["listener"], row["list"], row.get("started") or "")
        rows[session].append(
            RawRating(row["trial"], row["stimulus"], row["rating"], row.get("position"), row.get("seconds"))
        )
    if not rows:
        raise AnswerError("it holds no readable answers (no rows)")
    return [Session(file, test, who, number, started, given) for (test, who, number, started), given in rows.items()]


def _checked(session: Session, key: Key, kind: Kind) -> AcceptedSession:
    """Return the session if every answer is present and valid; raises ``AnswerError``."""
    if session.test_id != key.test_id:
        raise AnswerError(f"it belongs to test {session.test_id[:40]!r}, but this test is {key.test_id!r}")
    listener, trials = code(session.listener), key.trials_of(session.list)
    if not listener:
        raise AnswerError("it does not name the listener")
    if not trials:
        raise AnswerError(f"the test has {len(key.lists)} lists, and none is {session.list[:20]!r}")
    wanted = {(id_, stimulus) for id_ in trials for stimulus in _rated(key.trials[id_], kind)}
    values: dict[tuple[str, str], tuple[int, RawRating]] = {}
    for given in session.ratings:
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
    return AcceptedSession(session.file, listener, int(session.list), ratings, len(checks), checks.count(False),
                    session.device, session.comment)  # fmt: skip


def code(listener: str) -> str:
    """Return a listener's code reduced to characters that are safe in tables and file names."""
    return re.sub(r"[^\w.@-]+", "-", listener.strip())[:LONGEST_CODE]


def _rated(trial: KeyTrial, kind: Kind) -> tuple[str, ...]:
    """Return the rated stimuli of a trial: in a pair, the second is rated against the first."""
    return trial.stimuli[1:] if kind.paired else trial.stimuli


def _whole(given: RawRating, kind: Kind) -> int:
    """Return a rating as an integer on the scale; raises ``AnswerError``."""
    value = _number(given.rating)
    if not (value.is_integer() and kind.low <= value <= kind.high):
        raise AnswerError(
            f"{given.stimulus} is rated {str(given.rating)[:20]!r}, and ratings are whole numbers from {kind.low} to "
            f"{kind.high}"
        )
    return int(value)


def _number(value: Any) -> float:
    """Return a number, or NaN for any other value."""
    try:
        return math.nan if isinstance(value, bool) or value in (None, "") else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _rating(key: Key, kind: Kind, listener: str, number: int, rating: int, given: RawRating) -> Rating:
    system, sign = _system(key, kind, given)
    heard = next(key.stimuli[name] for name in key.trials[given.trial].stimuli if key.stimuli[name].system == system)
    return Rating(listener, number, heard.utterance, heard.seed, system, sign * rating, _number(given.position),
                  _number(given.seconds))  # fmt: skip


def _system(key: Key, kind: Kind, given: RawRating) -> tuple[str, int]:
    """Return the system that a rating is about, and the sign that makes high ratings favour it."""
    system = key.stimuli[given.stimulus].system
    if kind.paired and system == key.baseline:
        other = key.trials[given.trial].stimuli[0]
        return key.stimuli[other].system, -1
    return system, 1


def _order(key: Key, session: Session) -> tuple[float, bool]:
    """Order by time, with unknown times last; JSON files, which hold comments, precede CSV files of the same session.

    A time before the export of the test counts as unknown: a forged session cannot displace a listener with it.
    """
    started, created = _timestamp(session.started), _timestamp(key.created)
    is_possible = math.isnan(created) or started >= created
    return started if is_possible and not math.isnan(started) else math.inf, not session.file.lower().endswith(".json")


def _timestamp(text: str) -> float:
    """Return an ISO 8601 time as seconds since 1970, NaN for any other text; times without a zone are UTC."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def _content(session: AcceptedSession) -> tuple[int, int, frozenset[tuple[str, str, int]]]:
    return (
        session.list,
        session.missed,
        frozenset((rating.utterance, rating.system, rating.rating) for rating in session.ratings),
    )


def _refused(session: Session, key: Key, kind: Kind, reason: str) -> RejectedSession:
    """Return the rejection of a session, and count its ratings that belong to this test."""
    lost: dict[str, int] = defaultdict(int)
    for rating in _known(session.ratings, key, kind):
        lost[_system(key, kind, rating)[0]] += 1
    return RejectedSession(session.file, code(session.listener), code(session.list), reason, dict(lost))


def _known(ratings: Sequence[RawRating], key: Key, kind: Kind) -> Iterator[RawRating]:
    for rating in ratings:
        trial = key.trials.get(rating.trial)
        if trial is not None and trial.expected is None and rating.stimulus in _rated(trial, kind):
            yield rating
