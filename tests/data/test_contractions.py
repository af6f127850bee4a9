"""Contractions by hand."""

import pytest

from ttsbench.data.contractions import expanded
from ttsbench.data.text import words


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("I don't know, and they won't say", "i do not know and they will not say"),
        ("It's late; let's go", "it is late let us go"),
        ("She'd've cannot", "she would have can not"),
        ("John's hat isn't the dog's", "john's hat is not the dog's"),
        ("'Twas 5 o'clock", "twas five o'clock"),
    ],
)
def test_contractions_are_expanded(text, full):
    assert expanded(words(text)) == full.split()
    assert expanded(expanded(words(text))) == full.split()
