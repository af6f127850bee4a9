"""Draw a small picture of a clip: its log-mel spectrogram with F0 over it, as a PNG of about ten kilobytes.

All clips share one colour scale. F0 has its own logarithmic axis over the full height, from the lowest to the highest
searched frequency, because it would only use the lowest fifth of the mel axis.
"""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.audio.pitch import F0_MAX, F0_MIN, frame_f0
from ttsbench.config.schema import MelConfig
from ttsbench.errors import ClipError
from ttsbench.types import Samples

RANGE = (-9.0, 1.0)  # natural log of mel magnitudes
WIDTH = 512  # maximum number of pixels; longer clips are averaged over time
SCALE = 2  # pixels per mel band and frame, which makes the F0 line smooth
LEVELS = 254  # of the palette; the last two entries are the F0 line and its outline
LINE, CASING = 254, 255


def picture(samples: Samples, mel: MelConfig) -> bytes:
    """Return the PNG of samples (N,) at the config's rate; raises ``ClipError`` for a clip shorter than one window."""
    if len(samples) < mel.n_fft:
        raise ClipError(f"{len(samples)} samples are too few for a spectrogram, which needs {mel.n_fft}")
    image = log_mel(magnitudes(torch.from_numpy(samples), mel), mel).numpy()
    pool = -(-len(image) // WIDTH)
    share = (_pooled(image, pool) - RANGE[0]) / (RANGE[1] - RANGE[0])
    levels = np.rint(np.clip(share, 0, 1) * (LEVELS - 1)).astype(np.uint8)
    canvas = Image.fromarray(np.ascontiguousarray(levels.T[::-1]))
    canvas.putpalette(_palette())
    canvas = canvas.resize((SCALE * canvas.width, SCALE * canvas.height), Image.Resampling.NEAREST)
    _draw_f0(canvas, samples, mel, SCALE / pool)
    buffer = io.BytesIO()
    canvas.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _pooled(image: NDArray[np.float32], pool: int) -> NDArray[np.float32]:
    """Average groups of ``pool`` frames: (T, M) -> (ceil(T / pool), M)."""
    starts = np.arange(0, len(image), pool)
    counts = np.diff(np.append(starts, len(image)))
    return (np.add.reduceat(image, starts, axis=0) / counts[:, None]).astype(np.float32)


def _palette() -> bytes:
    colours = (colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3] * 255).round().astype(np.uint8)
    return colours.tobytes() + bytes((120, 255, 255)) + bytes((0, 0, 0))


def _draw_f0(canvas: Image.Image, samples: Samples, mel: MelConfig, step: float) -> None:
    """Draw F0 over the voiced frames; a clip without F0 gets no line."""
    try:
        f0 = frame_f0(samples, mel.sample_rate, mel.hop_length)
    except ClipError:
        return
    voiced = np.flatnonzero(f0 > 0)
    height = np.log(f0[voiced] / F0_MIN) / np.log(F0_MAX / F0_MIN)
    x, y = (voiced + 0.5) * step, (1 - height) * (canvas.height - 1)
    draw = ImageDraw.Draw(canvas)
    for colour, width in ((CASING, 7), (LINE, 3)):
        for a, b in pairwise(range(len(voiced))):
            if voiced[b] == voiced[a] + 1:
                draw.line((x[a], y[a], x[b], y[b]), fill=colour, width=width)
