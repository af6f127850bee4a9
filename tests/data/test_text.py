"""The normaliser against hand-worked readings and against the words a human-corrected corpus says."""

import csv

import pytest

from ttsbench.data.text import words

READINGS = {
    "Don't stop -- it's 5 o'clock!": "don't stop it's five o'clock",
    "Mr. and Mrs. O’Neil met Dr. Who.": "mister and missus o'neil met doctor who",
    "St. Paul lived on Wall St. in 1066.": "saint paul lived on wall street in ten sixty six",
    "café naïve Ærøskøbing Łódź straße": "cafe naive aeroskobing lodz strasse",
    "1,234 men": "one thousand two hundred thirty four men",
    "in 1905, 1900, 2000, 2001 and 2025": "in nineteen oh five nineteen hundred two thousand two thousand one and "
    "twenty twenty five",
    "the 1st, 22nd, 103rd and 1,000th": "the first twenty second one hundred third and one thousandth",
    "the 1920s and '60s": "the nineteen twenties and sixties",
    "3.14, .5 and 0.05": "three point one four zero point five and zero point zero five",
    "-5 degrees": "minus five degrees",
    "10-20": "ten twenty",
    "$1.50, $1, £2.01, $1,500 and €3.5 million": "one dollar fifty cents one dollar two pounds one penny one thousand "
    "five hundred dollars and three point five million euros",
    "5% & 7.5 %": "five percent and seven point five percent",
    "Agent 007": "agent zero zero seven",
    "U.S. troops, e.g. FBI": "u s troops e g fbi",
    "well-known mid–century": "well known mid century",
    "'tis the dogs' bone": "tis the dogs bone",
    "room 4b": "room four b",
    "It was 5.": "it was five",
    "He said no. Then left": "he said no then left",
    "No. 9": "number nine",
    "v1.2.3": "v one two three",
    "in\u00adter\u00adna\u200btion\u2060al \ufeffbank": "international bank",
    "don′t": "don't",
    "Þór": "thor",
}


@pytest.mark.parametrize(("text", "spoken"), READINGS.items())
def test_reading(text, spoken):
    assert words(text) == spoken.split()


@pytest.mark.parametrize("text", ["", "   ", "...", "—", "'", "你好", "\ufeff\u200b", "\x00"])
def test_nothing_to_pronounce(text):
    assert words(text) == []


@pytest.mark.parametrize("text", [*READINGS, "1" * 5000, "$" + "9" * 400, "1,00,000", "$.5", "%%", "1''s", "0th"])
def test_normalised_words_are_unchanged(text):
    spoken = words(text)
    assert words(" ".join(spoken)) == spoken
    assert all(word.replace("'", "").isascii() and word.replace("'", "").isalpha() for word in spoken)


def test_readings_agree_with_ljspeech(speech_data):
    """Column two is as printed, column three as a human wrote it out."""
    with (speech_data / "ljspeech-mini" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    wrong = [(row[1], row[2]) for row in rows if words(row[1]) != words(row[2])]
    assert len(rows) == 58
    assert not wrong
