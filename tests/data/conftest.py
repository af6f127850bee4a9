"""The embedded corpus, shared by the tests of data."""

import pytest

from ttsbench.data.espeak.corpus import EspeakCorpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    corpus = EspeakCorpus(tmp_path_factory.mktemp("espeak") / "corpus", minutes=3)
    corpus.utterances()
    return corpus


@pytest.fixture(scope="session")
def utterances(corpus):
    return corpus.utterances()
