"""Readings of numbers in Mandarin, which num2words does not spell."""

from __future__ import annotations

_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")


def read_number(number: str) -> str:
    """Return the reading of a number in digits, with a point for decimals.

    >>> read_number("2025"), read_number("10.5"), read_number("100010")
    ('二千零二十五', '十点五', '十万零一十')
    """
    whole, point, decimals = number.partition(".")
    reading = _whole(whole)
    return f"{reading}点{''.join(_DIGITS[int(digit)] for digit in decimals)}" if point and decimals else reading


def read_digits(number: str) -> str:
    """Return the digits one by one, as years and codes are read.

    >>> read_digits("2025")
    '二零二五'
    """
    return "".join(_DIGITS[int(digit)] for digit in number)


def _whole(digits: str) -> str:
    value = digits.lstrip("0")
    if not value:
        return _DIGITS[0]
    groups = [value[max(0, end - 4) : end] for end in range(len(value), 0, -4)]
    reading, gap = "", False
    for index in range(len(groups) - 1, -1, -1):
        group = groups[index]
        if not int(group):
            gap = gap or bool(reading)
            continue
        if reading and (gap or len(group.lstrip("0")) < 4):
            reading += _DIGITS[0]
        reading += _group(group.lstrip("0")) + _GROUPS[index]
        gap = False
    return reading[1:] if reading.startswith("一十") else reading


def _group(digits: str) -> str:
    """Return the reading of 1 to 9999."""
    reading, zero = "", False
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        if digit == "0":
            zero = bool(reading)
            continue
        reading += (_DIGITS[0] if zero else "") + _DIGITS[int(digit)] + _PLACES[place]
        zero = False
    return reading
