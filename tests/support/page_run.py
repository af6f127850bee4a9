"""A finished run for tests of its page: hostile texts and labels; clips that are missing, failed or have warnings."""

import csv

import soundfile
from PIL import Image
from speechlike import speechlike
from tinycorpus import SAMPLE_RATE, tiny_experiment

from ttsbench.engine.store import write_json, write_text
from ttsbench.evaluation.clip_record import Record, wav_path, write_failure, write_record
from ttsbench.evaluation.summary import SUMMARY_COLUMNS
from ttsbench.evaluation.test_set import EvaluatedUtterance, write_listing

HOSTILE = "</script><img src=x onerror=alert(1)> & `code` {{ 7 * 7 }}"
LABEL = "<img src=x onerror=alert(1)>"  # may name a folder, as it has no slash
SYSTEMS = ["ground-truth", "copy-synthesis", "c+oracle", "a+oracle", LABEL]
TEXTS = {"u0": "see no may two", "u1": HOSTILE, 'u"2 #%': "law see may two"}
MCD = {"ground-truth": 0.0, "copy-synthesis": 3.5, "a+oracle": 6.25, LABEL: 4.125, "c+oracle": None}


def seeds_of(system):
    return [0] if system in SYSTEMS[:2] else [0, 3]


def write_rows(path, columns, value):
    """``value(system, seed, utterance)`` gives the columns, or a reason."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "seed", "sample", "utterance", *columns, "error", "warning"])
        for system in SYSTEMS:
            for seed in seeds_of(system):
                for id_ in TEXTS:
                    found = value(system, seed, id_)
                    failed = isinstance(found, str)
                    rows.writerow([system, seed, 0, id_, *(("",) * len(columns) if failed else found),
                                   found if failed else "", ""])  # fmt: skip


def write_summary(folder):
    with (folder / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(SUMMARY_COLUMNS)
        for system in SYSTEMS:
            value, failed = MCD[system], 6 if MCD[system] is None else 0
            numbers = ["", "", ""] if failed else [value, value - 0.5, value + 0.25]
            count = 3 * len(seeds_of(system))
            rows.writerow([system, "mcd", *numbers, count - failed, failed, "dB", "false", f"mcd|{HOSTILE}", ""])
            rows.writerow([system, "wer", 0.5, "", "", count, 0, "ratio", "false", "wer|v1", ""])


def write_clips(folder):
    """Write every clip, except one that failed."""
    for number, system in enumerate(SYSTEMS):
        for seed in seeds_of(system):
            wavs = folder / "wavs" / system / f"seed{seed}"
            heard = {}
            for place, id_ in enumerate(TEXTS):
                if (system, id_) == ("c+oracle", "u0"):
                    write_failure(wavs, id_, 0, f"it diverged {HOSTILE}")
                    continue
                path = wav_path(wavs, id_, 0)
                path.parent.mkdir(parents=True, exist_ok=True)
                quiet = 0.25 if system == LABEL else 1.0
                soundfile.write(
                    path, quiet * speechlike(0.5 + 0.1 * place, 120 + 10 * number, SAMPLE_RATE), SAMPLE_RATE
                )
                write_record(wavs, id_, 0, Record(path))
                heard[f"{id_}#0"] = {"text": f"see {HOSTILE}"}
            write_json(folder / "transcripts" / system / f"seed{seed}" / "transcripts.json", {"clips": heard})


def make_run(folder):
    """Write the files of a finished run that the page reads."""
    folder.mkdir(parents=True)
    experiment = tiny_experiment(None, metrics={"mcd": {}, "wer": {}}, seeds=[0, 3], title=HOSTILE)
    write_json(folder / "experiment.json", experiment.model_dump(mode="json"))
    write_listing(folder, [EvaluatedUtterance(id_, text, f"s{HOSTILE}") for id_, text in TEXTS.items()])
    write_summary(folder)
    write_json(folder / "table.json", {
        "title": HOSTILE, "references": SYSTEMS[:2], "titles": {SYSTEMS[1]: f"Copy {HOSTILE}"},
        "notes": [f"Note {HOSTILE}", "`a+b`: two", "third", "fourth"],
        "signs": {"†": f"differs from {HOSTILE}"},
        "metrics": {"mcd": {"title": f"MCD {HOSTILE}", "best": [LABEL], "signs": {"†": [LABEL]}}},
    })  # fmt: skip
    write_rows(folder / "scores" / "mcd.csv", ["distortion_db"], lambda system, seed, id_: (
        f"no {HOSTILE}" if MCD[system] is None else (MCD[system] + seed,)))  # fmt: skip
    write_rows(folder / "scores" / "wer.csv", ["errors", "words", "substitutions", "deletions", "insertions"],
               lambda system, seed, id_: (1.0, 4.0, 1.0, 0.0, 0.0))  # fmt: skip
    write_clips(folder)
    columns = "claim,statement,paper,corpus,run,verdict,sentence,value,low,high,p,effect_size,mde,n,seeds,part_verdict"
    evidence = (
        f"C1,{HOSTILE},Paper 2023,espeak,tiny,supported,a below b,0.123456,0.05,0.2,0.004,0.67,0.01,60,2,supported"
    )
    write_text(folder / "claims.csv", f"{columns}\n{evidence}\nC2,other,P,,,not evaluated,unit tested,,,,,,,,,\n")
    (folder / "figures").mkdir()
    Image.new("RGB", (40, 30)).save(folder / "figures" / "forest.png")
    write_json(folder / "figures" / "captions.json", {"forest": f"Forest {HOSTILE}", "gone": "Not drawn"})
    write_json(folder / "provenance.json", {
        "command": f"ttsbench compare {HOSTILE}", "commit": None, "seeds": [0, 3], "device": "cpu",
        "date": "2024-02-03T04:05:06+00:00", "machine": {"system": "Linux", "processor": "Chip", "cores": 2},
    })  # fmt: skip
    return folder
