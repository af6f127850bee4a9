"""Parse the YAML of an experiment, and refuse documents that a reader would misunderstand or that exhaust memory.

PyYAML takes the last of two equal keys without a word, and lets a few lines of anchors expand to gigabytes.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000  # after all aliases are expanded
MAX_LEVELS = 50


MERGE = "tag:yaml.org,2002:merge"  # the key <<, which copies the keys of other mappings


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                raise ValueError(f"the key '{key.value}' is given in line {lines[key.tag, key.value]} and line {line}")
            lines[key.tag, key.value] = line
        return super().construct_mapping(node, deep)


def read_yaml_file(path: Path) -> Any:
    """Return the value of a YAML file; raises ``OSError``, or ``ValueError`` with the reason."""
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    return parse_yaml(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML document; raises ``ValueError`` with the reason in one line.

    >>> parse_yaml("train: {acoustic: {steps: 500}}")
    {'train': {'acoustic': {'steps': 500}}}
    >>> parse_yaml("{steps: 500, steps: 900}")
    Traceback (most recent call last):
    ValueError: the key 'steps' is given in line 1 and line 1
    """
    try:
        return _load(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_LEVELS} levels deep") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError also for a number or a date that Python refuses
        raise ValueError(" ".join(str(error).split()).rstrip(".")) from error


def _load(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _extent(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _Extent(NamedTuple):
    """Extent of a node with its aliases expanded: number of values, and levels of nesting."""

    values: int
    levels: int


def _extent(node: yaml.Node, known: dict[int, _Extent | None]) -> _Extent:
    """Return the extent of a node; raises ``ValueError`` if it is too large.

    ``known`` holds the extents of visited nodes, so that a node with many aliases is visited once, and None for a node
    that is being visited: an alias to it would make it contain itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return _Extent(1, 0)
    if id(node) not in known:
        known[id(node)] = None
        is_mapping = isinstance(node, yaml.MappingNode)
        children = [child for pair in node.value for child in pair] if is_mapping else node.value
        extents = [_extent(child, known) for child in children]
        levels = 1 + max((extent.levels for extent in extents), default=0)
        known[id(node)] = _Extent(1 + sum(extent.values for extent in extents), levels)
    extent = known[id(node)]
    if extent is None:
        raise ValueError("an anchor contains an alias to itself")
    if extent.levels > MAX_LEVELS:
        raise ValueError(f"it is nested more than {MAX_LEVELS} levels deep")
    if extent.values > MAX_VALUES:
        raise ValueError(f"its aliases expand to more than {MAX_VALUES:,} values")
    return extent
