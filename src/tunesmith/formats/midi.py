"""MIDI: one voice read out of a file, and one voice written.

Reading: ticks become 480 a quarter. Notes of any track and channel count as long as
they do not sound together; channel 10 (drums) is left out. An overlap of at most a
thirty-second or a quarter of the shorter note, and never more than half of it, is
legato and ends at the next onset; more is polyphony, of which one track is chosen or
the highest notes are taken (see `midi_notes` and `tracks`). Notes that were played
are moved to the beat (see `midi_beat`). A note that nothing
ends lasts to the next onset, the last one to the end of its track. Notes that a
notation program shortened get their written lengths back (see `midi_gate`). A metre
that changes inside a bar ends that bar there. A single short first bar is the pickup.
Whole empty bars at the start are dropped, silence after the last note too.

What is believed: the tempo at the first note; the key signature there, save a C major
that is the file's only one, since programs write that unasked; the first track name
that is not one of an instrument or program. A file of our own says in a text event
what MIDI cannot (see `midi_writer`), and there all is believed: key and mode, what is
unknown, the title, each length, silence at both ends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.midi_bars import lay_bars, with_pickup, without_empty_start
from tunesmith.formats.midi_file import MidiFile, parse
from tunesmith.formats.midi_notes import decoded, scaled, voice
from tunesmith.formats.midi_writer import MARK, dumps
from tunesmith.formats.reading import Reading
from tunesmith.formats.tracks import AUTO
from tunesmith.melody import TICKS_PER_QUARTER, Key, Melody, Meter, check_length

__all__ = ["dumps", "scan"]

_TEXT, _TRACK_NAME, _TEMPO, _METER, _KEY = 0x01, 0x03, 0x51, 0x58, 0x59
_SLOWEST, _FASTEST = 1, 2000  # quarters a minute, as `Melody` has it

_GENERIC_NAME = re.compile(
    r"(((acoustic|electric|grand|concert|new|unnamed|midi|audio|lead|main|fl)\s+)*"
    r"(piano|keys|track|channel|region|out|in|melody|lead|vocals?|voice|instrument|inst|staff"
    r"|sequence|untitled|unnamed|midi|soprano|alto|tenor|flute|violin|guitar|score|part|conductor"
    r"|tempo|control))?[\s#:_.-]*[\d\s]*",
    re.IGNORECASE,
)
"""Names that programs give to tracks; each part between commas is looked at alone."""


def scan(data: bytes, where: str, track: str = AUTO) -> list[Reading]:
    """Read a MIDI file.

    Args:
        data: the file.
        where: its name, for the places in errors.
        track: of a polyphonic file: 'auto', 'skyline', a number or a piece of a name.

    Returns:
        One reading. Its remarks count what was dropped, mended or rounded.
    """
    remarks: Counter[str] = Counter()
    try:
        melody, details = _melody(parse(data), where, remarks, track)
    except TunesmithError as e:
        return [Reading(where, error=e.at(where), remarks=dict(+remarks))]
    return [Reading(where, melody, remarks=dict(+remarks), details=details)]


def _melody(
    file: MidiFile, where: str, remarks: Counter[str], track: str
) -> tuple[Melody, tuple[str, ...]]:
    remarks.update(file.remarks)
    metas = _Metas(file, remarks)
    said = metas.tempo(0, Counter())
    found = voice(file, remarks, exact=metas.mark is not None, track=track, tempo=said)
    notes = found.notes
    duration = notes[-1].end
    if metas.mark is not None:
        duration = max(duration, *(scaled(t.end, file.resolution) for t in file.tracks))
    check_length(duration)
    said_meters = metas.meters()
    if found.tempo and len(said_meters) > 1:  # they stand at other beats than those found
        remarks["metre changes of a played file left out"] += len(said_meters) - 1
        del said_meters[1:]
    meters, pickup = lay_bars(said_meters, duration, remarks)
    first = notes[0].onset
    melody = Melody(
        notes=notes,
        meters=meters,
        pickup=pickup,
        duration=duration,
        key=metas.key(first),
        key_is_estimated=(metas.mark or {}).get("key", "").endswith("(estimated)"),
        tempo=found.tempo or metas.tempo(first, remarks),
        title=metas.title(found.others),
        origin=where,
    )
    if metas.mark is None:
        melody = without_empty_start(melody, remarks)
    return with_pickup(melody), found.details


class _Metas:
    """What the meta events of all tracks say.

    Attributes:
        mark: the fields of our own text event; None in a file that is not ours.
    """

    def __init__(self, file: MidiFile, remarks: Counter[str]) -> None:
        self._remarks = remarks
        self._of: dict[int, list[tuple[int, bytes]]] = {}  # by type, (our tick, data)
        for track in file.tracks:
            for tick, kind, data in track.metas:
                place = scaled(tick, file.resolution)
                self._of.setdefault(kind, []).append((place, data))
        self.mark = self._own_mark()

    def _sorted(self, kind: int, length: int) -> list[tuple[int, bytes]]:
        """The events of a type by tick; one that is too short to mean anything is left out."""
        events = self._of.get(kind, [])
        sound = sorted((e for e in events if len(e[1]) >= length), key=lambda e: e[0])
        if len(sound) < len(events):
            self._remarks["broken meta events ignored"] += len(events) - len(sound)
        return sound

    def _own_mark(self) -> Mapping[str, str] | None:
        for _, data in self._of.get(_TEXT, []):
            text = decoded(data)
            if text.startswith(MARK):
                fields = (f.strip().partition("=") for f in text[len(MARK) :].split(";"))
                return {name: value for name, _, value in fields}
        return None

    def meters(self) -> list[Meter]:
        """The metres by tick, from tick 0 on; 4/4 where nothing is said."""
        found: dict[int, Meter] = {}
        for tick, data in self._sorted(_METER, 2):
            if data[1] > 6 or data[0] == 0:
                below = 2 ** data[1] if data[1] <= 6 else f"2^{data[1]}"
                raise InputError(
                    f"the metre {data[0]}/{below} at quarter {tick / TICKS_PER_QUARTER + 1:.6g} "
                    "makes no sense",
                    remedy="use 1 to 255 over a power of two up to 64",
                )
            found[tick] = Meter(tick, data[0], 2 ** data[1])
        if 0 not in found:
            self._remarks["metre missing, 4/4 taken"] += 1
            found[0] = Meter(0, 4, 4)
        return [found[tick] for tick in sorted(found)]

    def key(self, first: int) -> Key | None:
        """The key at the tick of the first note, or None where it is not known."""
        signatures = [
            (tick, sharps, data[1])
            for tick, data in self._sorted(_KEY, 2)
            if -7 <= (sharps := data[0] - 256 if data[0] > 127 else data[0]) <= 7 and data[1] <= 1
        ]
        broken = len(self._of.get(_KEY, [])) - len(signatures)
        if broken:
            self._remarks["key signatures without sense ignored"] += broken
        before = [s for s in signatures if s[0] <= first]
        if not before:
            return None
        _, sharps, is_minor = before[-1]
        changes = {s[1:] for s in signatures} - {(sharps, is_minor)}
        if changes:
            self._remarks["key changes left out"] += len(signatures) - len(before)
        if self.mark is not None and "key" in self.mark:
            marked = _key_of(self.mark["key"])
            # Whoever edits the file in another program changes the signature alone.
            if (marked or Key("C")).sharps % 12 == sharps % 12:
                return marked
        elif not changes and (sharps, is_minor) == (0, 0):
            self._remarks["a lone C major signature not believed"] += 1
            return None
        return Key.from_signature(sharps, "minor" if is_minor else "major")

    def tempo(self, first: int, remarks: Counter[str]) -> float | None:
        """Quarters a minute at the tick of the first note; None where nothing is said."""
        tempos: list[tuple[int, float]] = []
        for tick, data in self._sorted(_TEMPO, 3):
            microseconds = int.from_bytes(data[:3])
            if not microseconds or not _SLOWEST <= 60_000_000 / microseconds <= _FASTEST:
                remarks["tempos without sense ignored"] += 1
            else:
                tempos.append((tick, _quarters_a_minute(microseconds)))
        if not tempos:
            return None
        holds = [t for t in tempos if t[0] <= first] or tempos[:1]
        changes = len({t[1] for t in tempos} - {holds[-1][1]})
        if changes:
            remarks["tempo changes left out"] += changes
        is_unknown = self.mark is not None and self.mark.get("tempo") == "unknown"
        return None if is_unknown and holds[-1][1] == 120 else holds[-1][1]

    def title(self, others: Set[str]) -> str:
        """The first track name that says more than what instrument or program it is.

        Args:
            others: the names of tracks that were not taken.
        """
        for _, data in self._of.get(_TRACK_NAME, []):
            name = " ".join(decoded(data).replace("\0", " ").split())
            generic = all(_GENERIC_NAME.fullmatch(part.strip()) for part in name.split(","))
            if name and name not in others and (self.mark is not None or not generic):
                return name
        return ""


def _key_of(text: str) -> Key | None:
    """The key that our mark names: 'D dorian (estimated)'; None for 'unknown'."""
    name = text.removesuffix("(estimated)").strip()
    tonic, _, mode = name.partition(" ")
    try:
        return None if name == "unknown" else Key(tonic, mode)
    except InputError:
        return None


def _quarters_a_minute(microseconds: int) -> float:
    """The roundest tempo that has that many microseconds a quarter: 97, not 97.0000695."""
    exact = 60_000_000 / microseconds
    for digits in range(6):
        tempo = round(exact, digits)
        if tempo and round(60_000_000 / tempo) == microseconds:
            return tempo
    return exact
