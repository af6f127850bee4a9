"""Export a test for webMUSHRA, and read its result files.

M. Schoeffler et al., "webMUSHRA: a comprehensive framework for web-based listening tests", Journal of Open Research
Software 6(1), 2018, https://doi.org/10.5334/jors.187; for its configurations and results see ``doc/experimenter.md``
and ``service/write.php`` in https://github.com/audiolabs/webMUSHRA. A MUSHRA list becomes pages of type ``mushra``, a
MOS list one page of type ``likert_single_stimulus``. Paired tests are not exported, because ``paired_comparison`` shows
which clip is the reference.

webMUSHRA adds the hidden reference itself, under the name ``reference``. Its Likert results do not name the listener,
so the questionnaire at the end asks for a code.
"""

from __future__ import annotations

import csv
import html
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.engine.store import write_text
from ttsbench.listening.key import Key
from ttsbench.listening.page import Page
from ttsbench.listening.session import RawRating, Session

TEST = "session_test_id"  # a column that identifies a result of webMUSHRA
SESSION = "session_uuid"  # a column that tells sessions apart, also those of listeners who typed the same code
LISTENERS = ("listener", SESSION)  # columns that identify the listener; the first that is filled
STIMULI = ("rating_stimulus", "stimuli")
RATINGS = ("rating_score", "stimuli_rating")
BUFFER = 2048  # samples
INSTRUCTIONS = (
    "You will hear samples of speech and rate each of them. Judge how the speech sounds, not what is said. "
    "If a sample asks you to choose a certain answer, please choose that answer."
)
README = """\
Copy web/audio of this test to configs/resources/{test_id}/ in the folder of webMUSHRA, and the .yaml files to configs/.
A listener of list 1 opens index.html?config={test_id}-list1.yaml, and so on. Hand the CSV files that appear in
results/ to ttsbench listen import. The server must run PHP, or pymushra in its place.
"""


def write_configurations(folder: Path, page: Page) -> None:
    """Write one configuration per list; none for paired tests."""
    if page.kind.paired:
        return
    test_id = page.key.test_id
    for number, _ in enumerate(page.key.lists, start=1):
        write_text(folder / f"{test_id}-list{number}.yaml", _yaml(_configuration(page, number)))
    write_text(folder / "README.txt", README.format(test_id=test_id))


def _yaml(values: dict[str, Any]) -> str:
    """Return YAML for the parser of webMUSHRA, which needs nested lists to start on their own line."""
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000)
    return text.replace("\n- - random\n", "\n-\n  - random\n")


def _configuration(page: Page, number: int) -> dict[str, Any]:
    trials = _mushra(page, number) if page.kind.arrangement == "together" else [_likert(page, number)]
    return {
        "testname": "Listening test",
        "testId": f"{page.key.test_id}-list{number}",
        "bufferSize": BUFFER,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "pages": [
            {"type": "generic", "id": "instructions", "name": "Instructions", "content": INSTRUCTIONS},
            {"type": "volume", "id": "volume", "name": "Volume", "stimulus": _path(page, page.volume),
             "content": "Use headphones. Set a comfortable volume and do not change it afterwards.",
             "defaultVolume": 0.5},
            ["random", *trials],
            {"type": "finish", "name": "Thank you", "content": "Please enter the code that you were given.",
             "popupContent": "Your answers were sent.", "showResults": False, "writeResults": True,
             "questionnaire": [{"type": "text", "label": "Code", "name": LISTENERS[0]}]},
        ],
    }  # fmt: skip


def _mushra(page: Page, number: int) -> list[dict[str, Any]]:
    pages = []
    for id_ in page.key.lists[number - 1]:
        trial = page.key.trials[id_]
        hidden = {name for name in trial.stimuli if page.key.stimuli[name].system == GROUND_TRUTH}
        pages.append(
            {"type": "mushra", "id": id_, "name": "Comparison",
             "content": "<br/>".join(html.escape(text) for text in (page.kind.question, page.text(trial)) if text),
             "showWaveform": False, "enableLooping": False, "switchBack": True,
             "reference": _path(page, trial.reference), "createAnchor35": False, "createAnchor70": False,
             "stimuli": {name: _path(page, name) for name in trial.stimuli if name not in hidden}}
        )  # fmt: skip
    return pages


def _likert(page: Page, number: int) -> dict[str, Any]:
    names = [page.key.trials[id_].stimuli[0] for id_ in page.key.lists[number - 1]]
    return {
        "type": "likert_single_stimulus",
        "id": "quality",
        "name": "Quality",
        "content": html.escape(page.kind.question),
        "mustRate": True,
        "mustPlayback": "ended",
        "stimuli": {name: _path(page, name) for name in names},
        "response": [{"value": rating, "label": label} for rating, label in page.kind.labels.items()],
    }


def _path(page: Page, stimulus: str) -> str:
    return f"configs/resources/{page.key.test_id}/{stimulus}.wav"


def read_results(text: str, file: str, key: Key) -> list[Session]:
    """Return the sessions of a webMUSHRA CSV file, in the order in which they started."""
    ratings: dict[tuple[str, str, str], list[RawRating]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text), restval=""):
        if row[TEST] == TEST:
            continue  # joined files repeat their heading
        listener = next((row[column] for column in LISTENERS if row.get(column)), "")
        ratings[row[TEST], listener, row.get(SESSION) or ""].append(_given(row, key))
    sessions = []
    for (test, listener, _), given in ratings.items():
        test_id, _, number = test.rpartition("-list")
        sessions.append(Session(file, test_id, listener, number, "", given))
    return sessions


def _given(row: dict[str, str], key: Key) -> RawRating:
    """Return one rating; Likert pages carry the id of their list, so the stimulus identifies the trial."""
    rating = next((row[column] for column in RATINGS if row.get(column)), "")
    stimulus = next((row[column] for column in STIMULI if row.get(column)), "")
    trial = row.get("trial_id", "")
    if stimulus == "reference" and trial in key.trials:
        names = key.trials[trial].stimuli
        stimulus = next((name for name in names if key.stimuli[name].system == GROUND_TRUTH), stimulus)
    elif trial not in key.trials:
        trials = key.trials_of(row[TEST].rpartition("-list")[2])
        trial = next((id_ for id_ in trials if stimulus in key.trials[id_].stimuli), trial)
    return RawRating(trial, stimulus, rating.strip())
