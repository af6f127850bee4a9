"""A metric that conforms, and metrics with one fault each."""

import numpy as np

from ttsbench import MetricInfo
from ttsbench.audio.usable import require_usable


class Metric:
    """Difference of log-energies: conforms."""

    def __init__(self):
        self.info = MetricInfo("planted", "Planted", "dB", False, ("difference",), "planted|v1", "none")

    def measure(self, clip, reference):
        require_usable(clip, reference)
        return (abs(float(np.log(np.mean(clip.samples**2) / np.mean(reference.samples**2)))),)

    def reduce(self, rows):
        return float(rows[:, 0].mean())


class NanMetric(Metric):
    def measure(self, clip, reference):
        super().measure(clip, reference)
        return (float("nan"),)


class TwoNumbers(Metric):
    def measure(self, clip, reference):
        return super().measure(clip, reference) * 2


class RandomMetric(Metric):
    def measure(self, clip, reference):
        return (super().measure(clip, reference)[0] + np.random.rand(),)  # noqa: NPY002


class Unseeded(Metric):
    def measure(self, clip, reference):
        return (super().measure(clip, reference)[0] + np.random.default_rng().random(),)


class WritesSamples(Metric):
    def measure(self, clip, reference):
        values = super().measure(clip, reference)
        reference.samples *= 0.5
        return values


class MeasuresSilence(Metric):
    def measure(self, clip, reference):
        return (float(np.nan_to_num(clip.samples).sum() - np.nan_to_num(reference.samples).sum()),)


class RaisesValueError(Metric):
    def measure(self, clip, reference):
        if not len(clip.samples):
            raise ValueError("no samples")
        return super().measure(clip, reference)


class ForgetsTheReference(Metric):
    def measure(self, clip, reference):
        require_usable(clip)
        level = np.mean(np.nan_to_num(reference.samples) ** 2) if len(reference.samples) else 1.0
        return (abs(float(np.log(np.mean(clip.samples**2) / (level + 1e-9)))),)


class LastRow(Metric):
    def reduce(self, rows):
        return float(rows[-1, 0])


class NeedsTwoRows(Metric):
    def reduce(self, rows):
        return float(rows[:2, 0].sum() / rows[1, 0] + len(rows))


class SortsRows(Metric):
    def reduce(self, rows):
        rows[:] = rows[np.argsort(-rows[:, 0])]
        rows[0] = 0
        return float(rows.mean())


class GivesArray(Metric):
    def reduce(self, rows):
        return rows.mean(axis=0)


class WrongDirection(Metric):
    def __init__(self):
        self.info = MetricInfo("planted", "Planted", "dB", True, ("difference",), "planted|v1", "none")


class Unsigned(Metric):
    def __init__(self):
        self.info = MetricInfo("planted", "Planted", "dB", False, ("difference",), "v1", "none")


class NeedsMusic(Metric):
    def __init__(self):
        needs = frozenset({"reference", "music"})
        self.info = MetricInfo("planted", "Planted", "dB", False, ("difference",), "planted|v1", "none", needs)
