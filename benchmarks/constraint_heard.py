"""A melody as plain numbers, and reading one from a MIDI file with mido.

Nothing here or in `constraint_checker.py` comes from Tunesmith: both are written from
docs/constraints.md, so that what the decoder promises is checked by something else.

What MIDI does not say outright is told so:

- The duration is the place of the end of the track, silence at the end included.
- There is a pickup of p ticks if a second time signature stands at tick p, no later than the
  first bar of the first one would end, and the first bar is so shorter than a bar of the
  second. (A file of one short bar in a metre of its own is the same; it counts as a pickup.)
- The velocity, channel and programme of notes are not looked at.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import pairwise

import mido

GRID = 20
WHOLE = 1920


@dataclass(frozen=True)
class Bar:
    """A bar: ticks from `start` up to `end` (as the metre says), its metre."""

    start: int
    end: int
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Heard:
    """A melody: notes as (onset, length, pitch), metres as (tick, numerator, denominator).

    `held` are the first ticks in which a note of a primer sounds on, which is neither note nor
    rest of this melody.
    """

    notes: tuple[tuple[int, int, int], ...]
    meters: tuple[tuple[int, int, int], ...]
    pickup: int
    duration: int
    held: int = 0
    bars: tuple[Bar, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        bars = []
        start = self.pickup
        while start < self.duration:
            _, numerator, denominator = [m for m in self.meters if m[0] <= start][-1]
            end = start + WHOLE * numerator // denominator
            bars.append(Bar(start, end, numerator, denominator))
            start = end
        object.__setattr__(self, "bars", tuple(bars))

    @property
    def pitches(self) -> list[int]:
        return [pitch for _, _, pitch in self.notes]

    def rests(self) -> list[tuple[int, int]]:
        """Maximal silences as (start, end)."""
        found = []
        now = self.held
        for onset, length, _ in self.notes:
            if onset > now:
                found.append((now, onset))
            now = onset + length
        if self.duration > now:
            found.append((now, self.duration))
        return found

    def barlines(self) -> list[int]:
        """Where bars begin, tick 0 too."""
        return sorted({0} | {b.start for b in self.bars})

    def rests_cut(self) -> list[tuple[int, int]]:
        """The silences, cut at barlines."""
        lines = self.barlines()
        found = []
        for start, end in self.rests():
            places = [start, *(x for x in lines if start < x < end), end]
            found += list(pairwise(places))
        return found

    def strong(self, tick: int) -> bool:
        """Whether a strong beat is at this tick."""
        bar = self.bar_of(tick)
        if bar is None:
            return False
        middle = bar.numerator % 2 == 0 and bar.numerator >= 4
        return tick == bar.start or (middle and 2 * (tick - bar.start) == bar.end - bar.start)

    def bar_of(self, tick: int) -> Bar | None:
        """The bar in which a tick lies; None in the pickup."""
        for bar in self.bars:
            if bar.start <= tick < bar.end:
                return bar
        return None

    def from_tick(self, start: int) -> Heard:
        """What is new from a barline on, as if the melody began there."""
        notes = tuple((o - start, n, p) for o, n, p in self.notes if o >= start)
        over = max([o + n - start for o, n, _ in self.notes if o < start < o + n], default=0)
        holding = [m for m in self.meters if m[0] <= start][-1]
        meters = ((0, *holding[1:]), *((t - start, n, d) for t, n, d in self.meters if t > start))
        return Heard(notes, meters, 0, self.duration - start, over)

    def as_data(self) -> dict[str, object]:
        return {
            "notes": self.notes, "meters": self.meters,
            "pickup": self.pickup, "duration": self.duration,
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: dict) -> Heard:
        return cls(
            tuple(tuple(n) for n in data["notes"]), tuple(tuple(m) for m in data["meters"]),
            data["pickup"], data["duration"],
        )  # fmt: skip


def read_midi(data: bytes) -> Heard:
    """The melody of a MIDI file of one track, 480 ticks a quarter."""
    file = mido.MidiFile(file=io.BytesIO(data))
    if file.ticks_per_beat != 480 or len(file.tracks) != 1:
        raise ValueError(f"{len(file.tracks)} tracks, {file.ticks_per_beat} ticks a quarter")
    now, duration = 0, -1
    notes: list[tuple[int, int, int]] = []
    signatures: list[tuple[int, int, int]] = []
    sounding: tuple[int, int] | None = None
    for message in file.tracks[0]:
        now += message.time
        if message.type == "time_signature":
            signatures.append((now, message.numerator, message.denominator))
        elif message.type == "end_of_track":
            duration = now
        elif message.type == "note_on" and message.velocity:
            if sounding is not None:
                raise ValueError(f"two notes sound at tick {now}")
            sounding = (now, message.note)
        elif message.type in ("note_on", "note_off"):
            if sounding is None or sounding[1] != message.note:
                raise ValueError(f"a note ends at tick {now} that did not begin")
            notes.append((sounding[0], now - sounding[0], message.note))
            sounding = None
    if sounding is not None or not signatures or signatures[0][0]:
        raise ValueError("a note without end, or no metre at the start")
    pickup = 0
    if len(signatures) > 1:
        (_, n, d), (tick, m, e) = signatures[:2]
        if tick <= WHOLE * n // d and tick < WHOLE * m // e:
            pickup = tick
            signatures = [(0, m, e), *signatures[2:]]
    return Heard(tuple(notes), tuple(signatures), pickup, duration)
