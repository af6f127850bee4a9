"""The floor of MCD agrees with PESQ: the evidence of benchmarks/mcd_floor.py on copies of LibriSpeech clips."""

import importlib.util
from pathlib import Path

import pytest

from ttsbench.audio.cepstrum import FLOOR_DB

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "mcd_floor.py"


@pytest.fixture(scope="module")
def evidence():
    pytest.importorskip("pesq")
    spec = importlib.util.spec_from_file_location("mcd_floor", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_kind_of_damage_is_heard_by_pesq(evidence, speech_data):
    """A few damages whose order is known, as a quick test of the script."""
    recordings = evidence.load(speech_data / "librispeech-3spk", 2)
    found = {name: evidence.mean_pesq(recordings, evidence.damage_all(recordings, evidence.damages()[name])) for name in
             ("noise 0 dB", "noise 30 dB", "mu-law 8 kHz", "another sentence")}  # fmt: skip
    assert found["another sentence"] < 1.5 and found["noise 0 dB"] < found["mu-law 8 kHz"] < found["noise 30 dB"]
    assert evidence.agreement({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 9.0, "b": 5.0, "c": 4.0}) == 1


@pytest.mark.slow
def test_mcd_ranks_damages_as_pesq_does(evidence, speech_data):
    recordings = evidence.load(speech_data / "librispeech-3spk", 4)
    damaged = {name: evidence.damage_all(recordings, damage) for name, damage in evidence.damages().items()}
    scores = {name: evidence.mean_pesq(recordings, copies) for name, copies in damaged.items()}
    own, low = ({name: evidence.mean_mcd(recordings, copies, floor) for name, copies in damaged.items()}
                for floor in (FLOOR_DB, -80.0))  # fmt: skip
    assert evidence.agreement(scores, own) > 0.8 > evidence.agreement(scores, low)
    assert own["low-pass 4.3 kHz"] < own["babble 10 dB"] < own["another sentence"]
    assert low["low-pass 4.3 kHz"] > low["another sentence"]
