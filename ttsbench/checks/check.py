"""``ttsbench check NAME``: conformance of one adapter or metric, in seconds, without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttsbench import registry
from ttsbench.checks.conformance.finding import Finding
from ttsbench.errors import ConfigError

__all__ = ["Finding", "check", "root_causes"]


def check(name: str, options: Mapping[str, Any] | None = None) -> list[Finding]:
    """Check a plug-in in all kinds (adapter, metric) that have the name; ``options`` go to its constructor.

    ``name`` may also be ``module:Class`` for a class that is not registered. Raises ``ConfigError`` for an unknown
    name, an unknown option and a plug-in that cannot be imported.
    """
    from ttsbench.checks.conformance import pretend_device

    pretend_device.register()  # before torch computes any gradient
    if ":" in name:
        kind, cls_name = _kind_and_name(name, options or {})
        with registry.temporarily_registered(kind, cls_name, name):
            return _check_registered(cls_name, options or {})
    return _check_registered(name, options or {})


def root_causes(findings: Sequence[Finding]) -> list[Finding]:
    """Return the failures that follow from no other; of those with the same problem, only the first."""
    causes: dict[str, Finding] = {}
    for finding in findings:
        if not finding.ok and not finding.follows_from:
            causes.setdefault(finding.problem, finding)
    return list(causes.values())


def _check_registered(name: str, options: Mapping[str, Any]) -> list[Finding]:
    import torch

    from ttsbench.checks.conformance.adapter import check_adapter
    from ttsbench.checks.conformance.metric import check_metric

    torch.set_num_threads(1)  # on tensors this small, threads cost more than they gain
    adapters, metrics = registry.registered("adapters"), registry.registered("metrics")
    if name not in adapters and name not in metrics:
        raise ConfigError(f"Unknown adapter or metric '{name}'. {registry.did_you_mean(name, {*adapters, *metrics})}")
    findings: list[Finding] = []
    if name in adapters:
        registry.check_options("adapters", name, options, ("context",))
        findings += check_adapter(name, options)
    if name in metrics:
        registry.check_options("metrics", name, options, ())
        findings += check_metric(name, options)
    return findings


def _kind_and_name(reference: str, options: Mapping[str, Any]) -> tuple[registry.Kind, str]:
    """Kind and name of the class ``module:Class``: a class with ``losses`` is an adapter, any other a metric."""
    cls = registry.load_reference(reference)
    if hasattr(cls, "losses"):
        return "adapters", getattr(getattr(cls, "info", None), "name", cls.__name__)
    return "metrics", getattr(getattr(cls(**options), "info", None), "name", cls.__name__)
