"""A small finished run, and simulated listeners who answer a listening test of it."""

import json
from functools import lru_cache

import numpy as np
import soundfile
from speechlike import speechlike

from ttsbench.engine.store import write_json
from ttsbench.evaluation.clip_record import Record, write_failure, write_record
from ttsbench.evaluation.test_set import EvaluatedUtterance, write_listing
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS

RATE = 16000
MODELS = ("l1+oracle", "l2+oracle", "flow+oracle", "sled+text")
SYSTEMS = ("ground-truth", "copy-synthesis", *MODELS)
HOSTILE = "</script><img src=x onerror=alert(1)>"


@lru_cache
def speech(rate, which):
    """Samples at a rate in Hz, longer than any clip."""
    return speechlike(2.5, 120.0, rate, 1 + 0.05 * which)


def make_run(folder, utterances=14, seeds=(0,), rates=(RATE, 22050), failed=(), short=(), text="Say {}."):
    """Write clips of different level, length and rate; models have one clip per training seed."""
    write_listing(folder, [EvaluatedUtterance(f"u{number}", text.format(number)) for number in range(utterances)])
    write_json(
        folder / "experiment.json", {"name": "tiny", "title": "Tiny run", "metrics": {"mcd": {}}, "seeds": seeds}
    )
    (folder / "summary.csv").write_text("system,metric\n" + "".join(f"{name},mcd\n" for name in SYSTEMS))
    for which, system in enumerate(SYSTEMS):
        for seed in seeds if system in MODELS else seeds[:1]:
            for number in range(utterances):
                clips, id_ = folder / "wavs" / system / f"seed{seed}", f"u{number}"
                if (system, id_) in failed:
                    write_failure(clips, id_, 0, "the model diverged")
                    continue
                seconds = 0.3 if (system, id_) in short else 0.6 + 0.1 * which + 0.02 * number
                rate = rates[which % len(rates)]
                begin = number * rate // 20
                samples = (0.1 + 0.1 * which) * speech(rate, which)[begin : begin + int(seconds * rate)]
                path = clips / "sample0" / f"{id_}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, samples, rate)
                write_record(clips, id_, 0, Record(path))
    return folder


def answers(test, rate, listener="anna", number=1, started="2099-01-01T10:00:00Z"):
    """Return the answers that the page would save.

    ``rate(system, utterance)`` returns the rating of a clip; in tests of pairs, ``rate(first, second, utterance)`` that
    of the second clip. Attention checks are answered correctly.
    """
    key = read_key(test)
    together = KINDS[key.kind].arrangement == "together"
    given = []
    for position, id_ in enumerate(key.lists[number - 1], start=1):
        trial = key.trials[id_]
        heard = [key.stimuli[name] for name in trial.stimuli]
        if trial.expected is not None:
            ratings = {trial.stimuli[-1]: trial.expected}
        elif together:
            ratings = {name: rate(one.system, one.utterance) for name, one in zip(trial.stimuli, heard, strict=True)}
        else:
            ratings = {trial.stimuli[-1]: rate(*(one.system for one in heard), heard[0].utterance)}
        given.append({"trial": id_, "position": position, "seconds": 3.5, "ratings": ratings})
    return {
        "format": "ttsbench-listening-1", "testId": key.test_id, "list": number, "listener": listener,
        "started": started, "finished": started, "device": "headphones", "comment": "", "answers": given,
    }  # fmt: skip


def save(folder, values):
    """A file of answers, named after the listener."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{values['listener']}.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def as_rows(values):
    """The same as the page's CSV."""
    lines = ["test_id,list,listener,trial,stimulus,rating,position,seconds,started"]
    for answer in values["answers"]:
        for stimulus, rating in answer["ratings"].items():
            lines.append(
                f"{values['testId']},{values['list']},{values['listener']},{answer['trial']},{stimulus},{rating},"
                f"{answer['position']},{answer['seconds']},{values['started']}"
            )
    return "\n".join(lines) + "\n"


def noisy(means, rng, low, high, listener=0.0, noise=0.6):
    """Ratings of systems with these means, by a listener whose ratings are shifted by ``listener``."""

    def rate(system, utterance):
        return int(np.clip(round(means[system] + listener + rng.normal(0, noise)), low, high))

    return rate
