"""The seed's letters: a tune a line, `C c D d E F f G g A a B`, lower case a semitone up, `R`.

By convention each letter is a quarter note and `R` a quarter of rest. A digit after a
letter is its octave, 4 (that of middle C) where there is none. Spaces mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tunesmith.errors import InputError, UsageError
from tunesmith.formats.reading import Reading, text_lines
from tunesmith.melody import LONGEST, TICKS_PER_QUARTER, Melody, Note

LETTERS = "CcDdEFfGgAaB"
_SIGN = re.compile(r"([CcDdEFfGgAaB])([0-9]?)|R")
_OCTAVE = 4


def scan(data: bytes, where: str) -> list[Reading]:
    """Read every line; one with a sign that is no letter does not lose its neighbours.

    Args:
        data: the file, UTF-8 or else Latin-1.
        where: its name, for the places in errors.

    Returns:
        A reading for each line that is not blank; a single one with an error if all are.
    """
    return list(stream(data, where))


def stream(data: bytes, where: str) -> Iterator[Reading]:
    """As `scan`, one tune after another."""
    found = False
    for number, line in enumerate(text_lines(data), 1):
        if line.strip():
            found = True
            yield _read(line, f"{where}, line {number}")
    if not found:
        error = InputError(
            "no letters in it", where=where, remedy="a tune is a line such as CDEFGABC"
        )
        yield Reading(where, error=error)


def _read(line: str, where: str) -> Reading:
    notes: list[Note] = []
    tick = at = 0
    try:
        while at < len(line):
            if line[at].isspace():
                at += 1
                continue
            sign = _SIGN.match(line, at)
            if not sign:
                raise InputError(
                    f"'{line[at]}' in column {at + 1} is no letter",
                    remedy=f"the letters are {' '.join(LETTERS)} and R for a rest",
                )
            if tick > LONGEST:
                raise InputError(
                    f"more than {LONGEST // TICKS_PER_QUARTER} letters",
                    remedy="cut it into lines, a tune each",
                )
            if sign[1]:
                octave = int(sign[2] or _OCTAVE)
                pitch = 12 * (octave + 1) + LETTERS.index(sign[1])
                if pitch > 127:
                    raise InputError(
                        f"{sign[0].strip()} is above G9, the highest note of MIDI",
                        remedy="write a lower octave",
                    )
                notes.append(Note(tick, TICKS_PER_QUARTER, pitch))
            tick += TICKS_PER_QUARTER
            at = sign.end()
        if not notes:
            raise InputError("no notes", remedy="write a letter other than R")
        melody = Melody(tuple(notes), duration=tick, origin=where)
    except InputError as e:
        return Reading(where, error=e.at(where))
    return Reading(where, melody)


def dumps(melodies: Sequence[Melody], octaves: bool = False, newline: str = "\n") -> bytes:
    r"""Write melodies, one a line.

    A note is one letter whatever its length; a rest is as many `R` as it has quarters,
    rounded, but at least one. So lengths, and octaves unless asked for, are lost.

    Args:
        melodies: at least one.
        octaves: whether each letter has its octave digit.
        newline: what ends each line; the seed's own files have '\r\n'.

    Raises:
        UsageError: with `octaves`, if a note is below C0, which a digit cannot say.
    """
    lines = (_line(melody, octaves) for melody in melodies)
    return "".join(line + newline for line in lines).encode("ascii")


def _line(melody: Melody, octaves: bool) -> str:
    signs = [(note.onset, _sign(note.pitch, octaves)) for note in melody.notes]
    for onset, ticks in melody.rests:
        signs.append((onset, "R" * max(1, round(ticks / TICKS_PER_QUARTER))))
    return "".join(sign for _, sign in sorted(signs, key=lambda s: s[0]))


def _sign(pitch: int, octaves: bool) -> str:
    letter = LETTERS[pitch % 12]
    if not octaves:
        return letter
    octave = pitch // 12 - 1
    if octave < 0:
        raise UsageError(
            f"pitch {pitch} is below C0, the lowest that a letter and a digit name",
            remedy="transpose it up, or write it without octaves",
        )
    return f"{letter}{octave}"
