"""``ttsbench new adapter NAME``: an installable package with one objective, one metric and its tests."""

from ttsbench.checks.scaffold.write import write_adapter_package

__all__ = ["write_adapter_package"]
