"""A metric that keeps its promises, and metrics that each break one promise."""

import numpy as np

from ttsbench import Behaviour, MeasurementError, MetricInfo, NotApplicable
from ttsbench.audio.usable import require_usable

PROMISES = Behaviour(
    identity=0.0,
    gain=1e-3,
    resample=0.5,
    symmetric=1e-9,
    worsens=frozenset({"noise", "low_pass", "smoothing"}),
)


class SpectralDistance:
    """Root mean square difference of long-term log spectra, each relative to its own mean: keeps its promises."""

    columns = ("distance_db",)
    needs = frozenset({"reference"})
    behaviour = PROMISES
    higher_is_better = False

    @property
    def info(self):
        return MetricInfo(
            "planted", "Planted", "dB", self.higher_is_better, self.columns, "planted|v1", "none", self.needs,
            behaviour=self.behaviour,
        )  # fmt: skip

    def spectrum(self, clip):
        require_usable(clip)
        frames = np.lib.stride_tricks.sliding_window_view(clip.samples.astype(np.float64), 400)[::200] * np.hanning(400)
        levels = 10 * np.log10((np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)[2:180])
        return levels - levels.mean()

    def measure(self, clip, reference):
        difference = self.spectrum(clip) - self.spectrum(reference)
        return (float(np.sqrt(np.mean(difference**2))),)

    def reduce(self, rows):
        return float(rows[:, 0].mean())


class Loudness(SpectralDistance):
    """Depends on the level, as a cepstral distance with c0 does."""

    def spectrum(self, clip):
        return super().spectrum(clip) + 10 * np.log10(np.mean(clip.samples**2))


class Flipped(SpectralDistance):
    """Has the wrong direction."""

    def measure(self, clip, reference):
        return (-super().measure(clip, reference)[0],)


class SilenceIsPerfect(SpectralDistance):
    """Gives 0 for a clip that cannot be measured."""

    def measure(self, clip, reference):
        try:
            return super().measure(clip, reference)
        except MeasurementError:
            return (0.0,)


class Lopsided(SpectralDistance):
    """Weighs frequencies by the power of the clip, so that clip and reference cannot be exchanged."""

    def measure(self, clip, reference):
        here, there = self.spectrum(clip), self.spectrum(reference)
        weights = 10 ** (here / 10)
        return (float(np.sqrt(np.average((here - there) ** 2, weights=weights))),)


class Biased(SpectralDistance):
    """Is at least 0.1 dB."""

    def measure(self, clip, reference):
        return (super().measure(clip, reference)[0] + 0.1,)


class Deaf(SpectralDistance):
    """Gives 0 for everything."""

    def measure(self, clip, reference):
        require_usable(clip)
        return (0.0,)


class Random(SpectralDistance):
    """Adds a new random number to every measurement."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def measure(self, clip, reference):
        return (super().measure(clip, reference)[0] + 0.1 * self.rng.random(),)


class Hole(SpectralDistance):
    """Gives NaN for white noise."""

    def measure(self, clip, reference):
        values = super().measure(clip, reference)
        return (float("nan"),) if np.abs(self.spectrum(clip)).max() < 6 else values


class Squeamish(SpectralDistance):
    """Refuses most quiet clips."""

    def measure(self, clip, reference):
        if np.abs(clip.samples).max() < 0.2 and clip.id != "one-0":
            raise MeasurementError(f"clip {clip.id!r} is quiet")
        return super().measure(clip, reference)


class Elsewhere(SpectralDistance):
    """Does not apply to these recordings."""

    def measure(self, clip, reference):
        require_usable(clip)
        raise NotApplicable("only the espeak corpus has the attributes")
