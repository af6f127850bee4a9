"""A finished run, shared by the tests of a module."""

import pytest
from finishedsite import Site
from tinyrun import compare, tiny_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("pipeline")
    with tiny_site(root) as experiment:
        first = compare(experiment, "--output", root / "run", "--jobs", "2")
        yield Site(root, experiment, root / "run", first)
