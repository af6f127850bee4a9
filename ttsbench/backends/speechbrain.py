"""SpeechBrain's ``hyperparams.yaml``, read for the sizes in it.

It is written in hyperpyyaml, whose tags name functions to be called. None is: the file may come from anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HYPERPARAMS = "hyperparams.yaml"


class _Plain(yaml.SafeLoader):
    """YAML whose tags, ``!new:`` and ``!ref`` of hyperpyyaml, are left out of account."""

    def untagged(self, _suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        return self.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else node.value


_Plain.add_multi_constructor("!", _Plain.untagged)


def read_sizes(path: Path) -> dict[str, Any]:
    """A file of hyperpyyaml as plain values by section; references such as ``<n_mels>`` are followed."""
    values = yaml.load(path.read_text(encoding="utf-8"), _Plain)  # a SafeLoader: makes no objects
    known = {f"<{key}>": value for key, value in values.items() if not isinstance(value, dict)}
    return {
        key: {name: known.get(value, value) if isinstance(value, str) else value for name, value in section.items()}
        for key, section in values.items()
        if isinstance(section, dict)
    }
