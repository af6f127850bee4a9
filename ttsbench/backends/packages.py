"""Optional packages, which `pip install ttsbench[EXTRA]` adds and `make install` always includes."""

from __future__ import annotations

from importlib.util import find_spec

from ttsbench.errors import ConfigError

EXTRAS = {
    "fastdtw": "mcd",
    "mel_cepstral_distance": "mcd",
    "pymcd": "mcd",
    "ray": "ray",
    "speechbrain": "pretrained",
    "torchmetrics": "pretrained",
    "transformers": "pretrained",
}


def require_package(package: str, instead: str) -> None:
    """Raise ``ConfigError`` with the command that installs a missing package, and an alternative without it."""
    if find_spec(package) is None:
        raise ConfigError(
            f"The package {package} is not installed; run 'pip install ttsbench[{EXTRAS[package]}]'. {instead} works "
            "without it."
        )
