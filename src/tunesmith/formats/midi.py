"""MIDI: one voice read out of a file, and one voice written.

Reading: ticks become 480 a quarter. Notes of any track and channel count as long as
they do not sound together; channel 10 (drums) is left out. An overlap of at most a
thirty-second or a quarter of the shorter note, and never more than half of it, is
legato and ends at the next onset; more is polyphony and refused. A metre that changes
inside a bar ends that bar there. A short first bar is the pickup. Whole empty bars at
the start are dropped; silence after the last note is.

What is believed: the key signature in force at the first note, save a C major that is
the file's only one, since programs write that without being asked; the tempo in force
there. A file of our own carries a text event with what MIDI cannot say (see
`midi_writer`), and there all is believed: modes, 'unknown', silence at both ends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.midi_file import MidiFile, Track, parse
from tunesmith.formats.midi_notes import voice
from tunesmith.formats.midi_writer import MARK, dumps
from tunesmith.formats.reading import Reading
from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Key, Melody, Meter

__all__ = ["dumps", "scan"]

_TEXT, _TRACK_NAME, _TEMPO, _METER, _KEY = 0x01, 0x03, 0x51, 0x58, 0x59
_LONGEST = 40_000 * TICKS_PER_QUARTER
_GENERIC_NAME = re.compile(
    r"((acoustic |electric )?(grand )?piano|(new |unnamed |midi |audio )*(track|channel|region)"
    r"|midi (out|in)|fl keys|melody|lead|vocals?|voice|instrument|staff|sequence|untitled|unnamed"
    r"|(grand )?soprano|alto|tenor|flute|violin|guitar|score|part)?[ #:-]*[\d ]*",
    re.IGNORECASE,
)


def scan(data: bytes, where: str) -> list[Reading]:
    """Read a MIDI file.

    Args:
        data: the file.
        where: its name, for the places in errors.

    Returns:
        One reading. Its remarks count what was dropped, mended or rounded.
    """
    remarks: Counter[str] = Counter()
    try:
        melody = _melody(parse(data), where, remarks)
    except TunesmithError as e:
        return [Reading(where, error=e.at(where), remarks=dict(remarks))]
    return [Reading(where, melody, remarks=dict(remarks))]


def _melody(file: MidiFile, where: str, remarks: Counter[str]) -> Melody:
    remarks.update(file.remarks)
    events = _Metas.of(file)
    own = events.own_mark()
    notes = voice(file, remarks)
    end = max(file.tracks[0].end * TICKS_PER_QUARTER // file.resolution, notes[-1].end)
    if end > _LONGEST and own is not None:
        raise _too_long(end)
    if notes[-1].end > _LONGEST:
        raise _too_long(notes[-1].end)
    duration = end if own is not None else notes[-1].end
    meters, pickup = _bars(events.meters(remarks), duration, remarks)
    melody = Melody(
        notes, meters, pickup, duration,
        title=events.title(own is not None), origin=where,
    )  # fmt: skip
    if own is None:
        melody = _without_empty_start(melody, remarks)
    melody = _with_pickup_bar(melody)
    first = notes[0].onset
    key, is_estimated = events.key(first, own, remarks)
    tempo = None if own and own.get("tempo") == "unknown" else events.tempo(first, remarks)
    return replace(melody, key=key, key_is_estimated=is_estimated, tempo=tempo)


def _too_long(ticks: int) -> InputError:
    return InputError(
        f"it lasts {ticks // TICKS_PER_QUARTER} quarters, more than {_LONGEST // TICKS_PER_QUARTER}",
        remedy="cut it into tunes",
    )
