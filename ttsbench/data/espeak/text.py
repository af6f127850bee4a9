"""Sentences for the embedded corpus, from a grammar written for it.

Its words are long and unlike one another, with few articles and prepositions among them: a recogniser with a flat
unigram has nothing but the sound to go by, and short words are what it misses in synthetic speech. A sentence is one
to three phrases, parted by commas, and 2 to 6 seconds long.

Each slot deals its fillers from a shuffled deck, so that all come up equally often.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import numpy as np

Phrases = tuple[str, ...]

_SLOTS = {
    "who": """
        professor Elizabeth|uncle Christopher|captain Alexander|detective Gabriella|doctor Montgomery
        inspector Nathaniel|my grandmother|our neighborhood librarian|another photographer|every astronomer
        some kindergarten teachers|twenty volunteers|several firefighters|their orchestra conductor|many musicians
        her younger brothers|most engineers|our television announcer|their bicycle mechanic|four carpenters
    """,
    "did": """
        remembered|discovered|photographed|described|collected|recommended|delivered|examined|borrowed|investigated
        appreciated|organized|purchased|exchanged|surrounded|polished|destroyed|celebrated|transported|protected
    """,
    "what": """
        beautiful butterflies|seventeen purple umbrellas|original manuscripts|delicious vegetables|yellow bananas
        enormous elephants|chocolate pudding|broken refrigerators|thirteen instruments|abandoned locomotives
        expensive microphones|wonderful encyclopedias|frozen strawberries|mysterious telescopes|silver jewelry
        fifty cucumbers|ancient furniture|dangerous chemicals|comfortable pajamas|orange helicopters
    """,
    "where": """
        underneath Jefferson cathedral|beside Colorado railway|throughout Madagascar|near Washington airport
        behind Anderson pharmacy|around Philadelphia|across Switzerland|outside Hamilton university
        inside Morrison museum|through California
    """,
    "when": """
        yesterday evening|every September|Wednesday afternoon|during thunderstorms|after breakfast|before midnight
        last Christmas|eleven months ago
    """,
    "how": """
        without permission|despite complaints|for seven dollars|because of sunshine|with several hammers
        following instructions|including Saturday|almost accidentally
    """,
}
_PATTERNS = (
    ("who did what where",),
    ("when", "who did what"),
    ("who did what", "how"),
    ("when", "who did what", "how"),
)


def sentences(rng: np.random.Generator) -> Iterator[Phrases]:
    """Sentences as tuples of phrases, no two with the same words; the patterns take turns."""
    decks = {slot: _deal(options(slot), rng) for slot in _SLOTS}
    told: set[Phrases] = set()
    for pattern in cycle(_PATTERNS):
        phrases = tuple(" ".join(next(decks[slot]) for slot in phrase.split()) for phrase in pattern)
        if phrases not in told:
            told.add(phrases)
            yield phrases


def options(slot: str) -> list[str]:
    """What may fill a slot."""
    return [option.strip() for line in _SLOTS[slot].split("\n") for option in line.split("|") if option.strip()]


def vocabulary() -> list[str]:
    """Every word of the grammar in lower case, sorted."""
    return sorted({word.lower() for slot in _SLOTS for option in options(slot) for word in option.split()})


def spell(phrases: Phrases) -> str:
    """The sentence as it is written: phrases parted by commas, a capital at the start, a full stop."""
    text = ", ".join(phrases)
    return f"{text[0].upper()}{text[1:]}."


def _deal(fillers: list[str], rng: np.random.Generator) -> Iterator[str]:
    while True:
        for index in rng.permutation(len(fillers)):
            yield fillers[int(index)]
