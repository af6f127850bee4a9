"""metrics/README.md says in one line what each metric can and cannot show."""

import re
from collections import Counter
from pathlib import Path

from ttsbench import registry

LIST = Path(__file__).parents[2] / "metrics" / "README.md"


def rows():
    """Return (names, shows, does not show) of all rows of the tables."""
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_metric_of_ttsbench_has_one_line():
    listed = Counter(name for names, _, _ in rows() for name in re.findall(r"`([^`]+)`", names))
    own = {name for name, entry in registry.registered("metrics").items() if entry.value.startswith("metrics.")}
    assert set(listed) == own
    assert set(listed.values()) == {1}


def test_every_line_says_both():
    for names, shows, hides in rows():
        assert len(shows) > 8 and len(hides) > 3, names
