"""What the rules look at: a melody with its key, its metre and its phrases, and places in it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Bar, Key, Melody
from tunesmith.theory import SCALES, metrical_weight, octave_of, spell


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule is broken.

    Attributes:
        bar: the bar's number; the first full bar is 1, a pickup 0.
        beat: the beat in it, from 1.
        what: the note's name, as 'F#4', or 'rest' or 'bar'.
    """

    bar: int
    beat: float
    what: str

    def __str__(self) -> str:
        return f"bar {self.bar} beat {self.beat:.4g} ({self.what})"


@dataclass(frozen=True, slots=True)
class RuleScore:
    """What a rule says of a melody.

    Attributes:
        name: the rule's name in `RULES`.
        score: 0 to 1, 1 for wholly kept; None where it does not apply.
        places: where it is broken, in order.
        note: what was counted, in words.
    """

    name: str
    score: float | None
    places: tuple[Place, ...] = ()
    note: str = ""


class Heard:
    """What the rules look at of a melody.

    Attributes:
        melody: the melody, with its own key, or the likeliest if it names none.
        key: that key.
        gaps: ticks from each onset to the next, for the last note to the end.
    """

    def __init__(self, melody: Melody) -> None:
        self.melody = with_estimates(melody, 0)
        assert self.melody.key  # a threshold of 0 takes any estimate
        self.key: Key = self.melody.key
        notes = self.melody.notes
        ends = [n.onset for n in notes[1:]] + [self.melody.duration]
        self.gaps = [end - n.onset for n, end in zip(notes, ends, strict=True)]
        self.pitches = self.melody.pitches
        self.intervals = self.melody.intervals
        scale = set(SCALES[self.key.mode])
        if self.key.mode == "minor":
            scale |= {9, 11}  # the melodic minor, up
        self.degrees = [(p - self.key.pitch_class) % 12 for p in self.pitches]
        self.is_chromatic = [d not in scale for d in self.degrees]

    @cached_property
    def bar_of(self) -> list[Bar]:
        """The bar in which each note begins."""
        starts = [b.start for b in self.melody.bars]
        return [self.melody.bars[bisect_right(starts, n.onset) - 1] for n in self.melody.notes]

    @cached_property
    def weights(self) -> list[int]:
        """The metrical weight of each onset, 0 for a downbeat, less below."""
        weights = []
        for note, bar in zip(self.melody.notes, self.bar_of, strict=True):
            offset = bar.meter.bar_ticks - bar.length  # a pickup ends at its barline
            weights.append(metrical_weight(note.onset - bar.start + offset, bar.meter))
        return weights

    @cached_property
    def bars(self) -> list[list[int]]:
        """The indices of the notes that begin in each full bar, bars without any left out."""
        found: dict[int, list[int]] = defaultdict(list)
        for i, bar in enumerate(self.bar_of):
            if not bar.is_pickup:
                found[bar.index].append(i)
        return list(found.values())

    @cached_property
    def phrase_ends(self) -> list[int]:
        """Notes after which a phrase ends: the last, and those that the ear sets apart.

        A note ends a phrase if the time to the next onset is at least 1.5 beats and
        twice the median of the tune: the proximity rule of Lerdahl and Jackendoff
        (1983, GPR 2), by onsets.
        """
        long = 2 * median(self.gaps)
        last = len(self.gaps) - 1
        return [
            i
            for i, gap in enumerate(self.gaps)
            if i == last or (gap >= long and gap >= 1.5 * self.bar_of[i].meter.beat_ticks)
        ]

    def at(self, tick: int, what: str) -> Place:
        """A tick as a place."""
        bars = self.melody.bars
        bar = bars[bisect_right([b.start for b in bars], tick) - 1]
        offset = bar.meter.bar_ticks - bar.length
        beat = 1 + (tick - bar.start + offset) / bar.meter.beat_ticks
        return Place(bar.index + (not bars[0].is_pickup), beat, what)

    def note(self, i: int) -> Place:
        """A note as a place, by its index."""
        n = self.melody.notes[i]
        name = n.spelling or spell(n.pitch, self.key)
        return self.at(n.onset, f"{name}{octave_of(n.pitch, name)}")

    def judged(self, name: str, kept: int, broken: Iterable[int], what: str) -> RuleScore:
        """The share of the notes that a rule concerns which keep it; None if it concerns none."""
        places = tuple(self.note(i) for i in broken)
        total = kept + len(places)
        if not total:
            return RuleScore(name, None, (), f"no {what}")
        return RuleScore(name, kept / total, places, f"{kept} of {total} {what}")
