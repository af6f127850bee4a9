"""Tensors must be on the device of the model, and a training step must not wait for it often.

Both are checked on a pretended device, so that no accelerator is needed. The host may wait ``MOST_WAITS`` times a step:
after each wait an accelerator is idle until the host has queued new work.

The checks are left out of a process in which torch computed gradients before the device was registered; `ttsbench
check` registers it first.
"""

from __future__ import annotations

from functools import partial

import torch

from ttsbench.checks.conformance import learning, pretend_device, sampling
from ttsbench.checks.conformance.finding import Check
from ttsbench.checks.conformance.host_waits import counted_waits
from ttsbench.checks.conformance.tiny import SEEDS, Tiny
from ttsbench.models.speech_model import freeze
from ttsbench.types import Batch, Noise

STEPS = 2
MOST_WAITS = 4
ON_DEVICE = "losses are computed on the model's device"


def checks(tiny: Tiny) -> list[Check]:
    """Losses, gradients and samples on the model's device; none if the pretended device is not usable."""
    if not pretend_device.usable():
        return []
    return [
        Check(ON_DEVICE, partial(_training_problem, tiny), (learning.FINITE,)),
        Check("a step hardly waits for the device", partial(_wait_problem, tiny), (learning.FINITE, ON_DEVICE)),
        Check("samples are drawn on the model's device", partial(_sampling_problem, tiny), (sampling.FINITE,)),
    ]


def _training_problem(tiny: Tiny) -> str:
    model = tiny.model()
    pretend_device.move(model)
    with pretend_device.pretended() as device:
        raw = tiny.raw.to(device)
        for step in range(STEPS):
            losses = model.adapter.losses(Batch(raw.target, model(raw), raw.waveform), step, Noise(list(SEEDS)))
            elsewhere = [group for group, loss in losses.items() if loss.device != device]
            if elsewhere:
                return f"the losses of {', '.join(elsewhere)} are on the CPU and the model is not"
            for loss in losses.values():
                loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    return ""


def _wait_problem(tiny: Tiny) -> str:
    """Count waits in the last of ``STEPS`` steps; the first may initialise layers."""
    model = tiny.model()
    pretend_device.move(model)
    with pretend_device.pretended() as device:
        for step in range(STEPS):
            with counted_waits() as waits:
                raw = tiny.raw.to(device)
                noise = tiny.raw.noise(list(SEEDS), raw)
                losses = model.adapter.losses(Batch(raw.target, model(raw), raw.waveform), step, noise)
                for loss in losses.values():
                    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    if waits.total() <= MOST_WAITS:
        return ""
    lines = ", ".join(f"{line} ({count}x)" for line, count in waits.most_common(6))
    return (
        f"one step waits {waits.total()} times for the device, more than {MOST_WAITS}: {lines}. Keep values on the "
        "device: return tensors from monitored(), use torch.where for branches, and make tensors with torch.full"
    )


def _sampling_problem(tiny: Tiny) -> str:
    model = freeze(tiny.model())
    pretend_device.move(model)
    with pretend_device.pretended() as device, torch.no_grad():
        raw = tiny.raw.to(device)
        sampled = model.sample(model(raw), tiny.nfe[0], Noise(list(SEEDS)), 1.0)
    return "" if sampled.device == device else "the sample is on the CPU and the model is not"
