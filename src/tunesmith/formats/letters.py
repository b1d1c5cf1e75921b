"""The seed's letters (.txt): a tune a line, a letter a note.

`C c D d E F f G g A a B` are the twelve pitch classes from C, lower case sharp;
`R` is a rest. A digit after a letter is its octave, 4 where there is none (C4 is
middle C). Spaces may stand between. Each letter lasts a quarter by convention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tunesmith.errors import InputError, TunesmithError, UsageError
from tunesmith.formats.reading import Reading
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note

LETTERS = "CcDdEFfGgAaB"
REST = "R"
OCTAVE = 4


def scan(data: bytes, where: str) -> list[Reading]:
    """Read a tune from each line that is not blank; a bad line does not lose its neighbours.

    Args:
        data: the file.
        where: its name, for the places in errors.

    Returns:
        A reading for each tune; a single one with an error if there is none.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    readings: list[Reading] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            readings.append(Reading(place, _melody(line.rstrip(), place)))
        except TunesmithError as e:
            readings.append(Reading(place, error=e.at(place)))
    if readings:
        return readings
    error = InputError("no letters in it", where=where, remedy="write a tune on each line")
    return [Reading(where, error=error)]


def _melody(line: str, origin: str) -> Melody:
    notes: list[Note] = []
    now = 0
    for column, sign in enumerate(line, 1):
        if sign in LETTERS:
            pitch = 12 * (OCTAVE + 1) + LETTERS.index(sign)
            notes.append(Note(now, TICKS_PER_QUARTER, pitch))
            now += TICKS_PER_QUARTER
        elif sign == REST:
            now += TICKS_PER_QUARTER
        elif sign in "0123456789":
            before = line[column - 2] if column > 1 else ""
            if not before or before not in LETTERS:
                raise InputError(
                    f"the digit {sign} stands after no letter of a note",
                    where=f"column {column}",
                    remedy="write an octave as in C5",
                )
            last = notes.pop()
            notes.append(_in_octave(last, int(sign), column))
        elif sign not in " \t":
            raise InputError(
                f"{sign!r} is no letter of a note",
                where=f"column {column}",
                remedy=f"use {LETTERS}, {REST} and octave digits",
            )
    if not notes:
        raise InputError("no notes, only rests", remedy="write letters of notes")
    return Melody(tuple(notes), duration=now, origin=origin)


def _in_octave(note: Note, octave: int, column: int) -> Note:
    pitch = note.pitch + 12 * (octave - OCTAVE)
    if pitch > 127:
        raise InputError(
            f"octave {octave} is too high for this note", where=f"column {column}",
            remedy="G9 is the highest",
        )  # fmt: skip
    return Note(note.onset, note.duration, pitch)


def dumps(melodies: Sequence[Melody], *, octaves: bool = False) -> bytes:
    """Melodies as letters, a line each.

    A note is one letter whatever its length; a rest is as many `R` as it lasts
    quarters, one at the least. `losses` counts what that gives up.

    Args:
        melodies: one or more.
        octaves: whether to write octave digits, as in 'C5'; without them the
            octave is lost.

    Raises:
        UsageError: no melody, or with `octaves` a note below C0, for which there is no digit.
    """
    if not melodies:
        raise UsageError("no melody to write")
    return "".join(f"{_line(m, octaves)}\n" for m in melodies).encode("ascii")


def losses(melody: Melody, *, octaves: bool = False) -> Mapping[str, int]:
    """What `dumps` does not keep of a melody, by a short phrase."""
    lost = Counter(
        {
            "note lengths not kept": sum(n.duration != TICKS_PER_QUARTER for n in melody.notes),
            "rest lengths not kept": sum(r % TICKS_PER_QUARTER > 0 for _, r in melody.rests),
        }
    )
    if not octaves:
        lost["octaves not kept"] = sum(n.pitch // 12 - 1 != OCTAVE for n in melody.notes)
    return {what: count for what, count in lost.items() if count}


def _line(melody: Melody, octaves: bool) -> str:
    signs: list[tuple[int, str]] = []
    for onset, ticks in melody.rests:
        signs.append((onset, REST * max(1, round(ticks / TICKS_PER_QUARTER))))
    for note in melody.notes:
        octave, place = divmod(note.pitch, 12)
        if octaves and octave == 0:
            raise UsageError(
                f"pitch {note.pitch} is below C0, and letters have no digit for that",
                where=melody.title,
                remedy="transpose it up, or leave the octaves out",
            )
        signs.append((note.onset, LETTERS[place] + (str(octave - 1) if octaves else "")))
    return "".join(sign for _, sign in sorted(signs, key=lambda s: s[0]))
