"""What the fields of an ABC tune say: key, metre, unit length, tempo."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from tunesmith.errors import InputError
from tunesmith.melody import MODES, Key

_MODES = {
    "": "major", "maj": "major", "ion": "major", "m": "minor", "min": "minor",
    "aeo": "minor", "mix": "mixolydian", "dor": "dorian", "phr": "phrygian",
    "lyd": "lydian", "loc": "locrian",
}  # fmt: skip
_CLEF_WORDS = re.compile(r"clef|treble|bass|alto|tenor|perc|none|middle|octave|transpose|staff")
_KEY = re.compile(r"([A-G])([#b]?)\s*([A-Za-z]*)((?:[\s^_=+0-9-].*)?)")
_ACCIDENTAL = re.compile(r"(\^\^?|__?|=)([A-Ga-g])")
_ACCIDENTALS = re.compile(rf"(?:{_ACCIDENTAL.pattern})+")
_LONGEST = 200
"""Characters of the longest metre or tempo that is read."""
_TEMPO = re.compile(r"(?:(.*?) ?= ?)?(\d{1,5}(?:\.\d{1,6})?)")
_METER = re.compile(r"\(? ?(\d{1,3}(?: ?\+ ?\d{1,3})*) ?\)? ?/ ?(\d{1,2})")
ALTERS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
"""Semitones that the accidentals of ABC stand for."""


@dataclass(frozen=True, slots=True)
class KeyField:
    """A K: field.

    Attributes:
        key: tonic and mode, or None where there is none.
        signature: semitones by which a letter is altered: {'F': 1}.
        shifts: whether it asks for an octave or a transposition, which is not followed.
    """

    key: Key | None
    signature: dict[str, int]
    shifts: bool = False


def signature_of(sharps: int) -> dict[str, int]:
    """The altered letters of a signature: 2 is {'F': 1, 'C': 1}."""
    alters = dict.fromkeys("ABCDEFG", 0)
    order = "FCGDAEB" if sharps > 0 else "BEADGCF"
    for i in range(abs(sharps)):
        alters[order[i % 7]] += 1 if sharps > 0 else -1
    return {letter: alter for letter, alter in alters.items() if alter}


def parse_key(text: str) -> KeyField:
    """A K: field: 'D', 'Am', 'E minor', 'Dmix', 'Hp', 'none', 'D exp _b', 'Dphr ^f'.

    Capitals make no difference in a mode, so that 'EM' is E minor as O'Neill's
    transcribers mean it. Pipe keys, Hp and HP, are A mixolydian: they sound F and
    C sharp.

    Raises:
        InputError: if it is none of these.
    """
    text = text.strip()
    shifts = bool(re.search(r"\b(octave|transpose)=", text))
    if not text or re.match(r"none\b", text, re.IGNORECASE):
        return KeyField(None, {}, shifts)
    if re.match(r"H[Pp]\b", text):
        return KeyField(Key("A", "mixolydian"), signature_of(2), shifts)
    if is_clef(text):
        return KeyField(None, {}, shifts)
    match = _KEY.fullmatch(text)
    if not match:
        raise InputError(f"'{text[:40]}' is no key", remedy="write it as K:G, K:Am or K:Ddor")
    letter, sign, word, rest = match.groups()
    names_clef = bool(_CLEF_WORDS.match(word))
    changes = _changes(rest.lstrip("=") if names_clef else rest)
    if word.lower() == "exp":
        return KeyField(_key_with(letter + sign, changes), changes, shifts)
    mode = _MODES.get(word.lower()[:3])
    if mode is None and names_clef:
        mode = "major"
    if mode is None:
        raise InputError(f"'{text[:40]}' is no key", remedy="write it as K:G, K:Am or K:Ddor")
    key = Key(letter + sign, mode)
    if abs(key.sharps) > 11:
        raise InputError(
            f"the key {key} is too far from C to be written", remedy="name it by its other spelling"
        )
    return KeyField(key, {**signature_of(key.sharps), **changes}, shifts)


def is_clef(text: str) -> bool:
    """Whether a K: field gives a clef alone and no key."""
    return bool(re.match(r"clef|treble|bass|alto|tenor|perc", text))


def _changes(text: str) -> dict[str, int]:
    """The letters that accidentals after a key alter; 'clef=bass' has none."""
    pieces = (piece for piece in text.split() if _ACCIDENTALS.fullmatch(piece))
    found = (match for piece in pieces for match in _ACCIDENTAL.finditer(piece))
    return {match[2].upper(): ALTERS[match[1]] for match in found}


def _key_with(tonic: str, changes: dict[str, int]) -> Key | None:
    """The mode on a tonic that has exactly this signature, if there is one."""
    wanted = {letter: alter for letter, alter in changes.items() if alter}
    for mode in MODES:
        key = Key(tonic, mode)
        if signature_of(key.sharps) == wanted:
            return key
    return None


def parse_meter(text: str) -> tuple[int, int] | None:
    """An M: field: '6/8', 'C', 'C|', '(2+3)/8'; None for 'none' and other free metre.

    Raises:
        InputError: if it is no metre.
    """
    text = " ".join(text.split())
    if text in ("C", "c"):
        return 4, 4
    if text in ("C|", "c|"):
        return 2, 2
    if not text or re.match(r"none\b|free|frei", text, re.IGNORECASE):
        return None
    match = len(text) <= _LONGEST and _METER.fullmatch(text)
    if not match:
        raise InputError(f"'{text[:40]}' is no metre", remedy="write it as M:6/8")
    above = sum(int(n) for n in match[1].split("+"))
    below = int(match[2])
    if not above or below not in (1, 2, 4, 8, 16, 32, 64):
        raise InputError(
            f"'{text[:40]}' is no metre that can be barred",
            remedy="put a power of two up to 64 below the line",
        )
    return above, below


def parse_unit(text: str) -> Fraction:
    """An L: field, as a fraction of a whole note.

    Raises:
        InputError: if it is none.
    """
    text = " ".join(text.split())
    match = re.fullmatch(r"(\d{1,2}) ?(?:/ ?(\d{1,3}))?", text)
    if not match or not int(match[1]) or not int(match[2] or 1):
        raise InputError(f"'{text[:40]}' is no note length", remedy="write it as L:1/8")
    return Fraction(int(match[1]), int(match[2] or 1))


def unit_for(meter: tuple[int, int] | None) -> Fraction:
    """The unit length where no L: gives it: 1/16 in metres below 3/4, else 1/8."""
    return Fraction(1, 16) if meter and Fraction(*meter) < Fraction(3, 4) else Fraction(1, 8)


def parse_tempo(text: str, unit: Fraction) -> float | None:
    """A Q: field as quarters a minute: '1/4=120', '3/8=80 "Slow"', '120', 'C3=90'.

    A bare number counts units a minute, as 'C=' does. None where it gives only
    words, or a tempo outside 1 to 2000.

    Args:
        text: what stands after Q:.
        unit: the unit length, as a fraction of a whole note.
    """
    text = " ".join(re.sub(r'"[^"]*"?', " ", text).split())
    match = len(text) <= _LONGEST and _TEMPO.fullmatch(text)
    if not match:
        return None
    beat = Fraction(0)
    for part in (match[1] or "C").split():
        if fraction := re.fullmatch(r"(\d{1,3})/(\d{1,3})", part):
            beat += Fraction(int(fraction[1]), int(fraction[2]) or 1)
        elif units := re.fullmatch(r"[Cc](\d{0,2})", part):
            beat += unit * int(units[1] or 1)
        else:
            return None
    tempo = float(Fraction(match[2]) * beat * 4)
    return tempo if 1 <= tempo <= 2000 else None
