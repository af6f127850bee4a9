"""A corpus in the `folder` layout, made within a second: speech-like clips, words of the dictionary, TextGrids."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import soundfile
from speechlike import speechlike

from ttsbench import registry
from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment
from ttsbench.engine.job import Run
from ttsbench.engine.sentinels import mark_done, open_folder
from ttsbench.pipeline.plan import make_plan
from ttsbench.stages import prepare

SAMPLE_RATE = 16000
WORDS = (("see", "S", "IY1"), ("no", "N", "OW1"), ("may", "M", "EY1"), ("two", "T", "UW1"), ("law", "L", "AO1"))
# A model that trains in a moment, and a mel that goes with 16 kHz.
TINY = {
    "mel": {"sample_rate": SAMPLE_RATE, "n_fft": 512, "hop_length": 256, "n_mels": 20, "f_max": 7600.0},
    "model": {"dim": 16, "encoder_layers": 1, "backbone_layers": 1, "kernel": 3},
    "train": {
        "acoustic": {"steps": 4, "batch_size": 4, "crop_frames": 24, "warmup_steps": 2, "log_every": 2},
        "prosody": {"steps": 4, "batch_size": 4, "crop_frames": None, "warmup_steps": 2, "log_every": 2},
    },
    "compute": {"accelerator": "cpu", "threads": 1, "reuse": False},
    "statistics": {"resamples": 100},
}


def sentence(index: int) -> list[tuple[str, ...]]:
    """Four words; the sentences of different indices differ."""
    digits = [index % 5, index // 5 % 5, (index + 1) % 5, (index * 2 + 1) % 5]
    return [WORDS[digit] for digit in digits]


def textgrid(phones: Sequence[tuple[float, float, str]], end_s: float) -> str:
    """A long TextGrid with one tier of phones."""
    head = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = {end_s}\n'
    tier = "tiers? <exists>\nsize = 1\nitem []:\n item [1]:\n"
    tier += f' class = "IntervalTier"\n name = "phones"\n xmin = 0\n xmax = {end_s}\n'
    rows = [f' intervals [{i}]:\n xmin = {a}\n xmax = {b}\n text = "{label}"\n'
            for i, (a, b, label) in enumerate(phones, 1)]  # fmt: skip
    return head + tier + f" intervals: size = {len(phones)}\n" + "".join(rows)


def tiny_corpus(root: Path, clips: int = 12, corrupt: Sequence[str] = ()) -> Path:
    """``clips`` clips of 1.3 to 1.5 s by two speakers; those named in ``corrupt`` hold no audio."""
    (root / "wavs").mkdir(parents=True)
    (root / "TextGrid").mkdir()
    lines = []
    for index in range(clips):
        id_, spoken, duration_s = f"c{index:02d}", sentence(index), 1.3 + 0.05 * (index % 5)
        speaker = f"s{index % 2}"
        samples = speechlike(duration_s, 110.0 + 50 * (index % 2) + 3 * index, SAMPLE_RATE, 0.9 + 0.02 * index)
        soundfile.write(root / "wavs" / f"{id_}.wav", samples, SAMPLE_RATE)
        labels = ["", *(phone for word in spoken for phone in word[1:]), ""]
        step = duration_s / len(labels)
        phones = [(i * step, (i + 1) * step, label) for i, label in enumerate(labels)]
        (root / "TextGrid" / f"{id_}.TextGrid").write_text(textgrid(phones, duration_s), encoding="utf-8")
        text = " ".join(word[0] for word in spoken)
        lines.append(f"{id_}|{text}|{text}|{speaker}\n")
    for id_ in corrupt:
        (root / "wavs" / f"{id_}.wav").write_bytes(b"this is no audio at all")
    (root / "metadata.csv").write_text("".join(lines), encoding="utf-8")
    return root


def tiny_experiment(corpus: Path | None, /, **changes: object) -> Experiment:
    """The tiny experiment on a corpus in the folder layout; ``changes`` replace whole sections."""
    values = {
        "name": "tiny",
        "corpus": {"name": "folder", "path": None if corpus is None else str(corpus), "test": 3, "valid": 2},
        "adapters": {"l1": {}, "l2": {}},
        "metrics": {"mcd": {}, "nfe": {}},
        **TINY,
    }
    return validate({**values, **changes}, "tiny")


def install(root: Path) -> Path:
    """Write metadata with which the plug-ins of tinyplugins.py count as installed if ``root`` is on ``sys.path``."""
    info = root / "tinyplugins-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tinyplugins\nVersion: 1.0\n", encoding="utf-8")
    entries = {
        "adapters": {
            "two_groups": "TwoGroups",
            "pupil": "Pupil",
            "aborting": "Aborting",
            "consistency": "Consistency",
            "variational": "Variational",
        },
        "metrics": {"level": "Level", "mortal_level": "MortalLevel", "faulty": "Faulty", "irreducible": "Irreducible"},
        "transcribers": {"echo": "Echo", "mortal_echo": "MortalEcho"},
    }
    lines = []
    for kind, names in entries.items():
        lines += [f"[ttsbench.{kind}]", *(f"{name} = tinyplugins:{value}" for name, value in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@contextmanager
def installed(root: Path) -> Iterator[None]:
    """Install the plug-ins inside the block; workers inherit ``sys.path``."""
    sys.path.insert(0, str(install(root)))
    registry.clear_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        registry.clear_caches()


def prepared(root: Path, corpus: Path, /, **changes: object) -> Run:
    """A run whose prepare stage is done, in this process."""
    run = Run(root / "run", tiny_experiment(corpus, **changes))
    job = make_plan(run.experiment)[0]
    open_folder(job.path(run), job.key)
    for task in prepare.tasks(run, job):
        prepare.work(run, job, task, lambda fraction: None)
    prepare.finish(run, job)
    mark_done(job.path(run), job.key)
    return run
