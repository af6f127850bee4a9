"""Text normalisation: the spoken words of an English text.

Manifests, pronunciations, vocabularies and word error rates all use it, so that differences in spelling do not count as
differences in speech. Readings are American:

- lower case ASCII; accents are folded, other scripts are dropped;
- ``1,234`` one thousand two hundred thirty four, ``1st`` first, ``1066`` ten sixty six (1001 to 1999 and 2010 to 2099
  without a comma are years), ``1920s`` nineteen twenties, ``3.14`` three point one four, ``007`` zero zero seven;
- ``$1.50`` one dollar fifty cents, ``50¢`` fifty cents, ``20 €`` twenty euros, ``£2 million`` two million pounds,
  ``5%`` five percent, ``&`` and; fractions, powers, times and units as in ``ttsbench.data.quantities``;
- ``Mr.`` mister and other titles; ``St.`` is saint before a capital letter and street elsewhere;
- apostrophes within a word stay (``don't``), hyphens separate words, all other punctuation is removed.
"""

from __future__ import annotations

import re
import unicodedata

from num2words import num2words

from ttsbench.data.quantities import read_quantities

NORMALISER = "words:v3"

_FOLDED = str.maketrans(
    {"æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ß": "ss", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | dict.fromkeys("‘’‛ʼʹʻ´`′＇ꞌ՚׳", "'")
    | dict.fromkeys("‐‑‒–—―−", "-")
    | {"⁄": "/", "…": " ", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D"}
)

_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "messrs": "messieurs", "dr": "doctor", "drs": "doctors", "prof": "professor",
    "rev": "reverend", "hon": "honorable", "gen": "general", "col": "colonel", "maj": "major", "capt": "captain",
    "lt": "lieutenant", "lieut": "lieutenant", "sgt": "sergeant", "gov": "governor", "pres": "president",
    "sen": "senator", "jr": "junior", "sr": "senior", "esq": "esquire", "co": "company", "inc": "incorporated",
    "ltd": "limited", "corp": "corporation", "bros": "brothers", "dept": "department", "ave": "avenue",
    "blvd": "boulevard", "mt": "mount", "ft": "fort", "vs": "versus", "etc": "et cetera", "approx": "approximately",
    "jan": "january", "feb": "february", "aug": "august", "sept": "september", "oct": "october", "nov": "november",
    "dec": "december",
}  # fmt: skip
_ABBREVIATED = re.compile(rf"(?<![\w.])({'|'.join(_ABBREVIATIONS)})\.", re.IGNORECASE)
# These are not words by themselves, so the full stop may be missing.
_TITLE = re.compile(r"\b(mr|mrs|messrs)\b", re.IGNORECASE)
_SAINT = re.compile(r"\bSt\.(?=\s+[A-Z])")
_STREET = re.compile(r"\bst\.", re.IGNORECASE)
_NUMERO = re.compile(r"\bno\.(?=\s*\d)", re.IGNORECASE)

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "¢": ("cent", "cents", "", ""),
}
_MONEY = re.compile(rf"([$£€¥₹₩])\s*({_DIGITS})(?:\.(\d+))?(?:\s+(hundred|thousand|million|billion|trillion)\b)?", re.I)
_MONEY_AFTER = re.compile(rf"(?<![\w.])({_DIGITS})(?:\.(\d+))?\s?([$£€¥₹₩¢])(?!\s?\d)")
_MINUS = re.compile(r"(?<!\S)-(?=\.?\d)")
_DOTTED = re.compile(r"\d+(?:\.\d+){2,}")
_DECIMAL = re.compile(rf"(?:({_DIGITS})|(?<![\w.]))\.(\d+)")
_ORDINAL = re.compile(rf"({_DIGITS})(?:st|nd|rd|th)\b", re.IGNORECASE)
_DECADE = re.compile(r"(?<!\d)(\d{1,4})'?s\b", re.IGNORECASE)
_WHOLE = re.compile(_DIGITS)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")

_LONGEST = 15  # digits; longer strings are codes, which are read digit by digit


def words(text: str) -> list[str]:
    """Return the spoken words of ``text`` in lower case ASCII; empty if nothing can be pronounced.

    >>> words("Dr. Smith paid $1.50 on the 1st.")
    ['doctor', 'smith', 'paid', 'one', 'dollar', 'fifty', 'cents', 'on', 'the', 'first']
    """
    spoken = _spell_numbers(_expand(_fold(read_quantities(_visible(text)))))
    return _WORD.findall(spoken.lower())


def unreadable_letters(text: str) -> str:
    """Return the letters of ``text`` that have no reading in English, such as those of other scripts, without repeats.

    >>> unreadable_letters("today 今天是2025年")
    '今天是年'
    """
    letters = (c for c in unicodedata.normalize("NFKD", _visible(text)).translate(_FOLDED) if not c.isascii())
    return "".join(dict.fromkeys(c for c in letters if unicodedata.category(c).startswith("L") and c not in "ªº"))


def spoken_key(text: str) -> str:
    """Return a key that two texts share if they are read in the same way, whatever their language.

    >>> spoken_key("It's 5.") == spoken_key("it's five")
    True
    """
    return " ".join(words(text)) if not unreadable_letters(text) else " ".join(_visible(text).casefold().split())


def _visible(text: str) -> str:
    """Return text without invisible characters, such as soft hyphens and marks of direction, and with plain signs."""
    return "".join(c for c in text.translate(_FOLDED) if unicodedata.category(c) != "Cf")


def _fold(text: str) -> str:
    """Return text in ASCII and currency signs; other characters are decomposed or dropped."""
    decomposed = unicodedata.normalize("NFKD", text).translate(_FOLDED)
    characters = (c if c.isascii() or c in _CURRENCIES else "" if unicodedata.combining(c) else " " for c in decomposed)
    return "".join(characters)


def _expand(text: str) -> str:
    """Write out abbreviations and signs."""
    text = _STREET.sub(" street ", _SAINT.sub("saint", text))
    text = _NUMERO.sub("number ", text)
    text = _ABBREVIATED.sub(lambda match: f"{_ABBREVIATIONS[match[1].lower()]} ", text)
    text = _TITLE.sub(lambda match: _ABBREVIATIONS[match[1].lower()], text)
    return text.replace("%", " percent ").replace("&", " and ")


def _spell_numbers(text: str) -> str:
    """Write out numbers, the most specific forms first."""
    text = _MINUS.sub(" minus ", text)
    text = _MONEY.sub(_money, text)
    text = _MONEY_AFTER.sub(lambda match: _read_money(match[3], match[1], match[2], None), text)
    text = _ORDINAL.sub(lambda match: f" {_ordinal(match[1])} ", text)
    text = _DECADE.sub(lambda match: f" {_plural(_whole(match[1]))} ", text)
    text = _DOTTED.sub(lambda match: match[0].replace(".", " "), text)
    text = _DECIMAL.sub(_decimal, text)
    return _WHOLE.sub(lambda match: f" {_whole(match[0])} ", text)


def _whole(digits: str) -> str:
    """Return the reading of a whole number, a year, or a code that is read digit by digit."""
    plain = digits.replace(",", "")
    if len(plain) > _LONGEST or (len(plain) > 1 and plain.startswith("0")):
        return _one_by_one(plain)
    number = int(plain)
    if len(digits) == 4 and (1000 < number < 2000 or 2010 <= number < 2100):
        return _american(num2words(number, to="year"))
    return _american(num2words(number))


def _ordinal(digits: str) -> str:
    plain = digits.replace(",", "")
    return _one_by_one(plain) if len(plain) > _LONGEST else _american(num2words(int(plain), to="ordinal"))


def _decimal(match: re.Match[str]) -> str:
    whole, fraction = match.groups(default="0")
    return f" {_amount(whole)} point {_one_by_one(fraction)} "


def _money(match: re.Match[str]) -> str:
    return _read_money(*match.groups())


def _read_money(sign: str, whole: str, fraction: str | None, scale: str | None) -> str:
    """Read ``$1.50`` as units and hundredths, ``$1.5 million`` and other fractions as a decimal number."""
    unit, units, part, parts = _CURRENCIES[sign]
    amount = _amount(whole)
    if scale or (fraction and len(fraction) != 2):
        point = f" point {_one_by_one(fraction)}" if fraction else ""
        return f" {amount}{point} {scale or ''} {units} "
    reading = f" {amount} {unit if amount == 'one' else units} "
    if fraction and int(fraction):
        hundredths = _amount(str(int(fraction)))
        reading += f"{hundredths} {part if hundredths == 'one' else parts} "
    return reading


def _amount(digits: str) -> str:
    """Return the reading of a quantity, which is never a year."""
    plain = digits.replace(",", "")
    return _one_by_one(plain) if len(plain) > _LONGEST else _american(num2words(int(plain)))


def _one_by_one(digits: str) -> str:
    return " ".join(num2words(int(digit)) for digit in digits)


def _plural(spelled: str) -> str:
    return f"{spelled[:-1]}ies" if spelled.endswith("y") else f"{spelled}s"


def _american(spelled: str) -> str:
    """Remove hyphens, commas, and the "and" that American readers omit."""
    return re.sub(r"\band\b|[,-]", " ", spelled).strip()
