"""Measurements on the embedded corpus."""

import numpy as np
import pytest
import soundfile


def log_f0(utterance):
    """Voiced frames: times (s) and log F0, by WORLD."""
    pyworld = pytest.importorskip("pyworld")
    samples, rate = soundfile.read(utterance.audio)
    f0, times = pyworld.dio(samples, rate, f0_floor=50.0, f0_ceil=600.0)
    return times, pyworld.stonemask(samples, f0, times, rate)


def measured_phrases(utterances):
    """(utterance, phrase, median F0 in Hz) of every phrase."""
    for utterance in utterances:
        times, f0 = log_f0(utterance)
        for phrase in utterance.attributes["phrases"]:
            inside = f0[(times >= phrase["start_s"]) & (times < phrase["end_s"])]
            yield utterance, phrase, float(np.median(inside[inside > 0]))
