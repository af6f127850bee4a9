"""Reader of the sizes in SpeechBrain's ``hyperparams.yaml``.

The file is written in hyperpyyaml, whose tags name functions to call. They are never called, because the file may come
from an untrusted source.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HYPERPARAMS = "hyperparams.yaml"


class _Plain(yaml.SafeLoader):
    """A loader that ignores the tags of hyperpyyaml, such as ``!new:`` and ``!ref``."""

    def untagged(self, _suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        return self.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else node.value


_Plain.add_multi_constructor("!", _Plain.untagged)


def read_sizes(path: Path) -> dict[str, Any]:
    """Return the plain values of a hyperpyyaml file by section; references such as ``<n_mels>`` are resolved."""
    values = yaml.load(path.read_text(encoding="utf-8"), _Plain)  # a SafeLoader creates no objects
    known = {f"<{key}>": value for key, value in values.items() if not isinstance(value, dict)}
    return {
        key: {name: known.get(value, value) if isinstance(value, str) else value for name, value in section.items()}
        for key, section in values.items()
        if isinstance(section, dict)
    }
