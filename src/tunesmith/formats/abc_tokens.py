"""The signs of ABC music lines, cut apart with their places kept.

After the ABC standard 2.1 (Walshaw, 2011), sections 4 and 8, with the old
signs that collections from the 1990s use: `+CEG+` chords and `!` at a line's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from tunesmith.errors import InputError

_TOKEN = re.compile(
    r"""
      (?P<space>[\s`]+)
    | (?P<microtone>[\^_]\d*/\d*(?=[A-Ga-g]))
    | (?P<note>(?P<accidental>\^\^?|__?|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)
        (?P<length>\d{0,4}(?:/{1,12}\d{0,4})?))
    | (?P<bar>\.?(?:\[\|[|:]*\]?|:*\|[|:]*\]?|::+))(?P<number>\[?\d\d?(?:[,.-]\d\d?)*)?
    | (?P<slur>\.?\((?!\d)|\))
    | (?P<rest>[zx](?P<rest_length>\d{0,4}(?:/{1,12}\d{0,4})?))
    | (?P<broken>>{1,3}|<{1,3})
    | (?P<tuplet>\((?P<p>[2-9]|1\d)(?::(?P<q>\d{0,2})(?::(?P<r>\d{0,2}))?)?)
    | (?P<tie>\.?-)
    | (?P<text>"(?P<words>[^"]*)")
    | (?P<grace>\{[^{}]*\})
    | (?P<comment>%.*)
    | (?P<field>\[(?P<name>[A-Za-z]):(?P<value>[^\]]*)\])
    | (?P<chord>\[(?P<inside>[^\]\[|]*)\](?P<chord_length>\d{0,4}(?:/{1,12}\d{0,4})?))
    | (?P<ending>\[(?P<ending_number>\d\d?(?:[,.-]\d\d?)*))
    | (?P<old_chord>\+(?P<old_inside>(?:[_^=]*[A-Ga-g][,']*[\d/]*)+)\+)
    | (?P<decoration>![^!\s|]{1,40}!|\+[^+\s|]{1,40}\+|[.~HLMOPSTuv]
        |[I-Wh-w]+(?=[\^_=A-Ga-gxyz\[{("!.~H]))
    | (?P<rests>[ZX](?P<count>\d{0,3}))
    | (?P<overlay>&)
    | (?P<continued>\\\s*(?=$|%))
    | (?P<nothing>y\d*|[*$!])
    | (?P<unknown>.)
    """,
    re.VERBOSE | re.ASCII,
)


class Token(NamedTuple):
    """A sign: its kind (a group of the pattern above), the match, its column from 1."""

    kind: str
    match: re.Match[str]
    column: int


def tokens(line: str) -> Iterator[Token]:
    """The signs of a music line, in order; nothing of the line is left out."""
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup
        # A barline with the number of an ending is one sign.
        yield Token("bar" if kind in (None, "number") else str(kind), match, match.start() + 1)


@lru_cache(maxsize=1024)
def length(text: str) -> Fraction:
    """A note length as a multiple of the unit: '' 1, '3' 3, '/' 1/2, '//' 1/4, '3/2' 3/2.

    Raises:
        InputError: for a length of nothing or a division by nothing.
    """
    above, slash, rest = text.partition("/")
    below = rest.lstrip("/")
    value = Fraction(int(above or 1))
    if slash:
        divisor = int(below) if below else 2 ** (1 + len(rest))
        value = value / divisor if divisor else Fraction(0)
    if value == 0:
        raise InputError(f"the length '{text}' is nothing", remedy="give it a length above 0")
    return value


def ending_numbers(text: str) -> frozenset[int]:
    """The numbers of an ending: '1' {1}, '1,3' {1, 3}, '1-3' {1, 2, 3}."""
    numbers: set[int] = set()
    for part in re.split(r"[,.]", text.lstrip("[")):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last.partition("-")[0] or first) + 1))
    return frozenset(numbers)
