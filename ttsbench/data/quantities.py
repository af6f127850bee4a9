"""Readings of fractions, powers, times, units and footnote marks in an English text, before numbers are spelled out.

- ``3/4`` and ``¾`` three quarters, ``1½`` one and a half; only common denominators, so that dates stay apart;
- ``10²`` ten squared, ``5 m²`` five square meters, ``10⁻³`` ten to the minus third; raised digits after a word are the
  marks of footnotes and are removed, as are ``[1]`` and ``†`` after a word;
- ``10:00`` ten, ``10:05`` ten oh five, ``15:00`` fifteen hundred, ``10:00 am`` ten am;
- ``5 km`` five kilometers, ``1 kg`` one kilogram, ``20 °C`` twenty degrees celsius.
"""

from __future__ import annotations

import re

RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))
VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
DENOMINATORS = {
    2: ("half", "halves"), 3: ("third", "thirds"), 4: ("quarter", "quarters"), 5: ("fifth", "fifths"),
    6: ("sixth", "sixths"), 7: ("seventh", "sevenths"), 8: ("eighth", "eighths"), 9: ("ninth", "ninths"),
    10: ("tenth", "tenths"), 12: ("twelfth", "twelfths"), 16: ("sixteenth", "sixteenths"),
    32: ("thirty second", "thirty seconds"), 64: ("sixty fourth", "sixty fourths"), 100: ("hundredth", "hundredths"),
}  # fmt: skip
UNITS = {
    "km/h": ("kilometer per hour", "kilometers per hour"), "m/s": ("meter per second", "meters per second"),
    "km": ("kilometer", "kilometers"), "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"), "ft": ("foot", "feet"), "yd": ("yard", "yards"), "mi": ("mile", "miles"),
    "mph": ("mile per hour", "miles per hour"), "kg": ("kilogram", "kilograms"), "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"), "l": ("liter", "liters"), "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"), "GHz": ("gigahertz", "gigahertz"), "Hz": ("hertz", "hertz"),
    "kW": ("kilowatt", "kilowatts"), "kWh": ("kilowatt hour", "kilowatt hours"), "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "ms": ("millisecond", "milliseconds"), "min": ("minute", "minutes"),
    "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "dB": ("decibel", "decibels"),
    "°C": ("degree celsius", "degrees celsius"), "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
}  # fmt: skip
AREAS = ("km", "cm", "mm", "m", "ft", "yd", "mi")

_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_MIXED = re.compile(r"(?<![\d/.,])(?:(\d{1,3}(?:,\d{3})+|\d+)(\s+|(?=\x00)))?\x00?(\d{1,2})/(\d{1,3})(?![\d/]|[.,]\d)")
_UNIT = re.compile(
    rf"(?<![\w.])({_NUMBER})\s?({'|'.join(sorted(map(re.escape, UNITS), key=len, reverse=True))})"
    rf"([²³])?(?![\w/°'’]|\.\w)"
)
_POWER = re.compile(r"(\d)([⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_MARK = re.compile(r"(?<=[^\W\d_])[⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<=[.,;:!?\"'”’)])[⁰¹²³⁴⁵⁶⁷⁸⁹]+|(?<=[\w.,;:!?\"'”’)])\[\d{1,3}\]")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_TIME = re.compile(r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?![\d:]|\.\d)(\s*(?:[ap]\.?m\b|o'clock))?", re.IGNORECASE)
_SIGNS = str.maketrans(dict.fromkeys("†‡§¶™®©℠*", " "))


def read_quantities(text: str) -> str:
    """Return text in which the quantities of this module are written out; whole numbers stay in digits.

    >>> read_quantities("5 km at 10:05")
    '5 kilometers at 10 oh 5'
    """
    text = text.replace("℃", "°C").replace("℉", "°F")
    for sign, digits in VULGAR.items():
        text = text.replace(sign, f"\x00{digits}")
    text = _MIXED.sub(_fraction, text).replace("\x00", " ")
    text = _MARK.sub("", _UNIT.sub(_unit, text))
    text = _POWER.sub(_power, text)
    return _TIME.sub(_time, _RAISED.sub(" ", text)).translate(_SIGNS)


def _fraction(match: re.Match[str]) -> str:
    whole, _, above, below = match.groups()
    numerator, denominator = int(above), int(below)
    if denominator not in DENOMINATORS or not 0 < numerator < denominator:
        return match[0]
    one, many = DENOMINATORS[denominator]
    if whole is None:
        return f" {numerator} {one if numerator == 1 else many}"
    article = "a" if denominator != 8 else "an"
    return f"{whole} and {f'{article} {one}' if numerator == 1 else f'{numerator} {many}'}"


def _unit(match: re.Match[str]) -> str:
    number, unit, raised = match.groups()
    if raised and unit not in AREAS:
        return match[0]
    reading = UNITS[unit][0 if number == "1" else 1]
    kind = {"²": "square ", "³": "cubic "}.get(raised or "", "")
    return f"{number} {kind}{reading}"


def _power(match: re.Match[str]) -> str:
    exponent = int("".join(RAISED[sign] for sign in match[2]))
    if exponent in (2, 3):
        return f"{match[1]} {'squared' if exponent == 2 else 'cubed'} "
    sign = "minus " if exponent < 0 else ""
    return f"{match[1]} to the {sign}{abs(exponent)}{_ending(abs(exponent))} "


def _ending(number: int) -> str:
    """Return the ending of an ordinal number in digits."""
    if 10 <= number % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _time(match: re.Match[str]) -> str:
    hour, minute, half = int(match[1]), int(match[2]), match[3] or ""
    if minute == 0:
        return f"{hour}{'' if half or 0 < hour <= 12 else ' hundred'}{half}"
    return f"{hour} {'oh ' if minute < 10 else ''}{minute}{half}"
