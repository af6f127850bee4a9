"""``ttsbench check NAME``: conformance of one adapter or metric, in seconds, without data."""

from __future__ import annotations

from ttsbench import registry
from ttsbench.checks.conformance.finding import Finding
from ttsbench.errors import ConfigError

__all__ = ["Finding", "check"]


def check(name: str) -> list[Finding]:
    """Every property a plug-in of this name must have, as adapter and as metric where both kinds know it.

    Built with its default options. Raises ``ConfigError`` for a name that neither kind knows, and for a plug-in that
    cannot be imported.
    """
    import torch

    from ttsbench.checks.conformance.adapter import check_adapter
    from ttsbench.checks.conformance.metric import check_metric

    torch.set_num_threads(1)  # on tensors this small, threads cost more than they gain
    findings: list[Finding] = []
    adapters, metrics = registry.registered("adapters"), registry.registered("metrics")
    if name not in adapters and name not in metrics:
        raise ConfigError(f"Unknown adapter or metric '{name}'. {registry.did_you_mean(name, {*adapters, *metrics})}")
    if name in adapters:
        findings += check_adapter(name)
    if name in metrics:
        findings += check_metric(name)
    return findings
