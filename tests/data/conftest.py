"""Fixtures of the tests of data."""

import pytest

from ttsbench.data.espeak.corpus import EspeakCorpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    made = EspeakCorpus(tmp_path_factory.mktemp("espeak") / "corpus", minutes=3)
    made.utterances()
    return made


@pytest.fixture(scope="session")
def utterances(corpus):
    return corpus.utterances()
