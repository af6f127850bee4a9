"""YAML that would be misread or would exhaust memory is refused in one line."""

import os
import resource
import subprocess
import sys

import pytest

from ttsbench.config.yaml_text import parse_yaml, read_yaml_file


def nested_anchors(levels, width):
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: {a: 1}\nseeds: [0]\ntrain: {b: 2}", "the key 'train' is given in line 1 and line 3"),
        ("train:\n  steps: 1\n  steps: 2", "the key 'steps' is given in line 2 and line 3"),
        ("{a: 1, a: 1}", "the key 'a' is given in line 1 and line 1"),
        (nested_anchors(9, 9), "its aliases expand to more than 100,000 values"),
        (nested_anchors(3_000, 1), "nested more than 50 levels deep"),
        ("[" * 3_000, "nested more than 50 levels deep"),
        ("[" * 60 + "]" * 60, "nested more than 50 levels deep"),
        ("&a [*a]", "an anchor contains an alias to itself"),
        ("9" * 5_000, "Exceeds the limit"),
        ("2024-13-45", "month must be in 1..12"),
        ("a: \x00", "unacceptable character"),
        ("a: [1\nb: 2", "while parsing a flow"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
    ],
)
def test_document_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_merge_keys_and_shared_anchors_are_accepted():
    text = "base: &base {steps: 1, size: 2}\nlong: {<<: *base, steps: 9}\nsame: *base"
    values = parse_yaml(text)
    assert values["long"] == {"steps": 9, "size": 2} and values["same"] == values["base"]


def test_expanded_size_is_known_without_expansion():
    """Nine lines that expand to 10 GB are refused with 1 GB of memory."""
    code = f"from ttsbench.config.yaml_text import parse_yaml\nparse_yaml({nested_anchors(12, 9)!r})"
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))  # noqa: E731
    result = subprocess.run([sys.executable, "-c", code], preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert "expand to more than" in result.stderr.splitlines()[-1]


def test_fifo_is_refused_and_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ValueError, match="not a regular file"):
        read_yaml_file(tmp_path / "pipe.yaml")


def test_large_file_is_refused_and_not_read(tmp_path):
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(2_000_000_000)
    with pytest.raises(ValueError, match="more than 1,000,000 bytes"):
        read_yaml_file(tmp_path / "large.yaml")
