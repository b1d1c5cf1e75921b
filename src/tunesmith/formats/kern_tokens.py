"""What the tokens of **kern say: notes, barlines, key, metre, expansion lists.

After the **kern reference (Huron 1994) and, for rational lengths such as '3%2',
the extensions that Verovio and Humlib read.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from tunesmith.errors import InputError
from tunesmith.formats.abc_fields import signature_of
from tunesmith.formats.harmony import read_harmony
from tunesmith.formats.xmlparts import sub
from tunesmith.melody import Key

_STEPS = {"c": 60, "d": 62, "e": 64, "f": 65, "g": 67, "a": 69, "b": 71}
_PART = re.compile(
    r"""
      (?P<length>\d{1,4}(?:%\d{1,4})?\.{0,4})
    | (?P<pitch>a+|b+|c+|d+|e+|f+|g+|A+|B+|C+|D+|E+|F+|G+)(?P<accidental>\#{1,3}|-{1,3}|n)?
    | (?P<rest>r+)
    | (?P<tie>[][_])
    | (?P<grace>[qQ]+)
    | (?P<mark>[(){}&/\\LJKkPpTtMmWwSs$OoIvuRHhNijlVUXxYyZz~^,;:'`"@%+|<>?]+)
    | (?P<unknown>.)
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_MODES = {
    "ion": "major", "dor": "dorian", "phr": "phrygian", "lyd": "lydian", "mix": "mixolydian",
    "aeo": "minor", "loc": "locrian",
}  # fmt: skip
_KEY = re.compile(r"\*([A-Ga-g])(#|-|):(\w*)")
_METER = re.compile(r"\*M(\d{1,3}(?:\+\d{1,3})*)/(\d{1,2})")
_EXPANSION = re.compile(r"\*>\[([^][]*)\]")
_CHORD_SYMBOL = re.compile(r"[A-G](?:##|#|bb|b|)[^\s]{0,30}|N\.?C\.?")
_KIND_SYMBOL = re.compile(r"([A-G](?:##|#|--|-|bb|b|))\s+([a-z0-9-]+)(?:/([A-G](?:##?|--?|)))?")


class KernNote(NamedTuple):
    """One note or rest of a token.

    Attributes:
        duration: quarters, or None where none is given.
        pitch: MIDI number, or None for a rest or where none is given.
        spelling: 'Eb'; '' without a pitch.
        is_rest: whether it is written as a rest.
        is_grace: whether it takes no time.
        opens, closes: whether a tie leads on from it, and to it.
        unknown: signs that mean nothing, with their offsets in the text.
    """

    duration: Fraction | None
    pitch: int | None
    spelling: str
    is_rest: bool
    is_grace: bool
    opens: bool
    closes: bool
    unknown: tuple[tuple[str, int], ...]


@lru_cache(maxsize=4096)
def parse_note(text: str) -> KernNote:
    """One note of a data token, '4.cc#' or '[8f', without the spaces of a chord.

    A second length or pitch counts as unknown, and so does the whole text where it
    is neither note nor rest or has no length.

    Raises:
        InputError: for a pitch outside the range of MIDI.
    """
    duration: Fraction | None = None
    pitch: int | None = None
    spelling = signs = ""
    unknown: list[tuple[str, int]] = []
    for match in _PART.finditer(text):
        kind, part = match.lastgroup, match[0]
        if kind == "length" and duration is None:
            duration = parse_length(part)
            if duration is not None:
                continue
        elif kind in ("pitch", "accidental") and pitch is None:
            pitch, spelling = _pitch(match["pitch"], match["accidental"] or "")
            continue
        elif kind in ("rest", "tie", "grace"):
            signs += part
            continue
        elif kind == "mark":
            continue
        unknown.append((part, match.start()))
    is_rest, is_grace = "r" in signs, "q" in signs.lower()
    is_incomplete = (pitch is None and not is_rest) or (duration is None and not is_grace)
    if is_incomplete and not unknown:
        unknown.append((text, 0))
    if is_rest:
        pitch, spelling = None, ""
    opens, closes = "[" in signs or "_" in signs, "]" in signs or "_" in signs
    return KernNote(duration, pitch, spelling, is_rest, is_grace, opens, closes, tuple(unknown))


def parse_length(text: str) -> Fraction | None:
    """A length in quarters: '4' 1, '8.' 3/4, '0' 8, '00' 16, '12' 1/3, '3%2' 8/3; None if no."""
    digits = text.rstrip(".")
    dots = len(text) - len(digits)
    above, _, below = digits.partition("%")
    if below:
        if not int(above) or not int(below):
            return None
        value = Fraction(4 * int(below), int(above))
    elif not int(above):
        value = Fraction(4 * 2 ** len(above))
    else:
        value = Fraction(4, int(above))
    return value * Fraction(2 ** (dots + 1) - 1, 2**dots)


def _pitch(letters: str, accidental: str) -> tuple[int, str]:
    letter, count = letters[0], len(letters)
    sign = "" if accidental == "n" else accidental.replace("-", "b")
    octaves = count - 1 if letter.islower() else -count
    pitch = _STEPS[letter.lower()] + 12 * octaves + sign.count("#") - sign.count("b")
    if not 0 <= pitch <= 127:
        raise InputError(
            f"the pitch {letters[:12]}{accidental} is outside the range of MIDI",
            remedy="check its octave",
        )
    return pitch, letter.upper() + sign if len(sign) < 3 else ""


# -- interpretations ---------------------------------------------------------------


def parse_key(text: str) -> Key | None:
    """A key designation: '*G:', '*e:', '*B-:', '*d:dor', '*G:mix'; None if it is none."""
    match = _KEY.fullmatch(text)
    if not match:
        return None
    mode = _MODES.get(match[3].lower()[:3]) if match[3] else None
    if match[3] and not mode:
        return None
    mode = mode or ("minor" if match[1].islower() else "major")
    key = Key(match[1].upper() + match[2].replace("-", "b"), mode)
    return key if abs(key.sharps) <= 11 else None


def parse_signature(text: str) -> int | None:
    """The sharps, flats negative, of a signature '*k[f#c#]'; None if it is no usual one."""
    signs = text.removeprefix("*k[").partition("]")[0]
    alters: dict[str, int] = {}
    for match in re.finditer(r"([a-g])(#{1,2}|-{1,2}|n)|(.)", signs, re.DOTALL):
        if match[3]:
            return None
        if match[2] != "n":
            alters[match[1].upper()] = match[2].count("#") - match[2].count("-")
    return next((n for n in range(-11, 12) if signature_of(n) == alters), None)


def parse_meter(text: str) -> tuple[int, int] | None:
    """A metre '*M6/8', '*M2+3/8', '*M3/0' (breves); None for '*MX' and other free metre.

    Raises:
        InputError: if it is no metre.
    """
    if re.match(r"\*M(?:X|Z|\?|free|none|unmeas)", text):
        return None
    match = _METER.fullmatch(text)
    above = sum(int(n) for n in match[1].split("+")) if match else 0
    below = int(match[2]) if match else 0
    if match and int(match[2]) == 0:
        above, below = 2 * above, 1
    if not above or below not in (1, 2, 4, 8, 16, 32, 64):
        raise InputError(
            f"'{text[:40]}' is no metre that can be barred", remedy="write it as *M6/8"
        )
    return above, below


def parse_expansion(text: str) -> list[str] | None:
    """The labels of a default expansion list '*>[A,A,B]', or None if it is none."""
    match = _EXPANSION.fullmatch(text.replace(" ", ""))
    return [label for label in match[1].split(",") if label] if match else None


def parse_barline(text: str) -> tuple[bool, bool, bool]:
    """Whether a barline ends a repeat, starts one, and ends a section: '=4:|!', '=!|:', '=||'."""
    sign = "".join(c for c in text if c in ":|!")
    ends = sign.startswith(":")
    starts = sign.endswith(":") and (len(sign) > 1 or not ends)
    is_double = text.startswith("==") or len(sign.strip(":")) > 1
    return ends, starts, is_double


def parse_chord_symbols(text: str) -> list[str] | None:
    """The symbols of a **mxhm token, 'Am7', in words 'B- minor-seventh', or several; None if not.

    Several that begin together stand with a space between; so does a symbol of two
    words, which goes on where no root begins.
    """
    if match := _KIND_SYMBOL.fullmatch(text.strip()):
        harmony = ET.Element("harmony")  # the kinds are those of MusicXML, and so is their reader
        for what, tone in (("root", match[1]), ("bass", match[3])):
            if tone:
                element = sub(harmony, what)
                sub(element, f"{what}-step", tone[0])
                flats = tone.count("-") + tone.count("b")
                sub(element, f"{what}-alter", str(tone.count("#") - flats))
        sub(harmony, "kind", match[2].replace("dominant-seventh", "dominant"))
        symbol = read_harmony(harmony)
        return [symbol] if symbol else None
    symbols: list[list[str]] = []
    for word in text.split():
        if _CHORD_SYMBOL.fullmatch(word):
            symbols.append([word])
        elif symbols:
            symbols[-1].append(word)
        else:
            return None
    return [" ".join(words) for words in symbols]
