"""The normaliser against hand-worked readings and against the words a human-corrected corpus says."""

import csv

import pytest

from ttsbench.data.text import unreadable_letters, words

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
    "1½ cups, ½ cup and 2 3/4 hours": "one and a half cups one half cup and two and three quarters hours",
    "3/4 of it, 1/3 and 5/8": "three quarters of it one third and five eighths",
    "9/11, 24/7 and 10/12/2020": "nine eleven twenty four seven and ten twelve twenty twenty",
    "10² is 100, 2³, 10⁻³ and 10⁶": "ten squared is one hundred two cubed ten to the minus third and ten to the sixth",
    "the word¹ ends.² Here,[12] too†": "the word ends here too",
    "at 10:00, 10:05, 10:30 and 15:00": "at ten ten oh five ten thirty and fifteen hundred",
    "at 7:00 am and 7:15 p.m.": "at seven am and seven fifteen p m",
    "a score of 2:1": "a score of two one",
    "it costs 50¢, 20 €, 5€ or 3.50 $": "it costs fifty cents twenty euros five euros or three dollars fifty cents",
    "₹100 and ¥1": "one hundred rupees and one yen",
    "5 km away, 1 kg, 2.5m and 100 km/h": "five kilometers away one kilogram two point five meters and one hundred "
    "kilometers per hour",
    "30 m², 5 m³ and 20 °C, 98.6°F": "thirty square meters five cubic meters and twenty degrees celsius ninety eight "
    "point six degrees fahrenheit",
    "5 min, 3 hrs, 16 GB": "five minutes three hours sixteen gigabytes",
    "5 o'clock, 4 men, 3 in, I'm 5 m's": "five o'clock four men three in i'm five m's",
    "donʹt donʻt don＇t dont’": "don't don't don't dont",
    "Brand™ X®": "brand x",
}


@pytest.mark.parametrize(("text", "spoken"), READINGS.items())
def test_reading(text, spoken):
    assert words(text) == spoken.split()


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("今天是2025年", "今天是年"),
        ("Привет", "Привет"),
        ("an α particle", "α"),
        ("naïve Łódź, 50 € ½ 10²", ""),
        ("50 µm", "μ"),
    ],
)
def test_letters_without_a_reading(text, letters):
    assert unreadable_letters(text) == letters


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
