"""Which track of a polyphonic file is the melody: by the user's word, by name, by its notes.

A file of several tracks (or parts, or channels) is listed as `Part`s, numbered from 1.
`pick` takes the one asked for, or judges: first by name, then by what its notes are like.
The judgement is a conditional logit, P(part i) = exp(w·x_i) / Σ exp(w·x_j)
(McFadden 1974), over few features of singable lines; its weights are fitted by
`benchmarks/tracks.py` on songs whose sung part is known.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise

from tunesmith.errors import InputError, UsageError

AUTO, SKYLINE = "auto", "skyline"

Sounds = Sequence[tuple[int, int, int]]
"""(onset, end, pitch) by onset, in ticks."""

_LISTED = 16

_WORDS_OF_MELODY = (
    "melod", "mélod", "lead vo", "vocal lead", "main vo", "cantus", "melodie", "旋律", "メロディ",
    "мелоди", "主旋", "멜로디", "tune", "theme",
)  # fmt: skip
_WORDS_OF_VOICE = (
    "voc", "voice", "sing", "sang", "chant", "voix", "cant", "voz", "voce", "voci", "stimme",
    "zang", "röst", "stem", "głos", "wokal", "hlas", "ääni", "laulu", "голос", "вокал", "соло",
    "ボーカル", "歌", "人声", "人聲", "声乐", "보컬", "노래", "sopran", "mezzo", "tenor",
    "bariton", "lyric",
)  # fmt: skip
_NOT_A_VOICE = re.compile(
    r"back|bgv|\bbv|choir|chorus|choeur|chœur|\bchor\b|coro|harmon|accomp|begleit|counter|gegen"
    r"|pad\b|oohs|aahs|sax|trombon|guitar|recorder|horn|drum|\bvox (pad|organ)|cantabile|system",
    re.IGNORECASE,
)


def asked_track(track: str | int) -> str:
    """A choice of track as `pick` takes it: 'auto', 'skyline', '3' or a piece of a name.

    Raises:
        UsageError: if it is empty or a number below 1.
    """
    text = str(track).strip()
    if text.casefold() in (AUTO, SKYLINE):
        return text.casefold()
    if not text or (text.lstrip("+-").isdecimal() and int(text) < 1):
        raise UsageError(
            f"'{track}' is no track",
            where="--track",
            remedy="give auto, skyline, a number from 1 or a piece of a name",
        )
    return text.lstrip("+")


def melody_rank(name: str) -> int:
    """2 for a name that says melody or lead voice, 1 for one that says voice, else 0."""
    low = name.casefold()
    if _NOT_A_VOICE.search(low):
        return 0
    if any(w in low for w in _WORDS_OF_MELODY):
        return 2
    return int(any(re.search(rf"\b{w}" if w.isascii() else w, low) for w in _WORDS_OF_VOICE))


def is_legato(overlap: int, a: int, b: int, quarter: int) -> bool:
    """Whether an overlap of two notes is a slip between them and no chord.

    It is if it is at most half of the shorter and at most a thirty-second or a
    quarter of the shorter.

    Args:
        overlap: ticks for which both sound.
        a: length of the one in ticks.
        b: length of the other.
        quarter: ticks a quarter.
    """
    shorter = min(a, b)
    return 2 * overlap <= shorter and overlap <= max(quarter // 8, shorter // 4)


@dataclass(frozen=True)
class Part:
    """A track, channel or part with notes.

    Attributes:
        number: from 1, as listed.
        name: as in the file; '' for none.
        sounds: its notes by onset.
        quarter: ticks a quarter.
    """

    number: int
    name: str
    sounds: Sounds
    quarter: int

    @cached_property
    def overlap(self) -> float:
        """Share of its notes, 0 to 1, that begin while another of it sounds, or with one."""
        together = 0
        held = self.sounds[0]
        for sound in self.sounds[1:]:
            by = min(held[1], sound[1]) - sound[0]
            lengths = held[1] - held[0], sound[1] - sound[0]
            if by > 0 and (
                held[0] == sound[0] or not is_legato(held[1] - sound[0], *lengths, self.quarter)
            ):
                together += 1
            if sound[1] > held[1]:
                held = sound
        return together / len(self.sounds)

    def __str__(self) -> str:
        name = f"'{self.name[:40]}'" if self.name else "no name"
        return f"{self.number} {name} {len(self.sounds)} notes {self.overlap:.0%} overlapping"


def listed(parts: Sequence[Part]) -> str:
    """The parts in a line: number, name, notes and share of overlap of each."""
    more = len(parts) - _LISTED
    text = ", ".join(str(p) for p in parts[:_LISTED])
    return text + (f" and {more} more" if more > 0 else "")


def pick(parts: Sequence[Part], track: str) -> Part:
    """The part asked for, or for 'auto' the one that is the melody.

    Args:
        parts: at least one, each with notes.
        track: 'auto', a number as listed, or a piece of a name in any case.

    Raises:
        InputError: with the parts listed: no such part, several of that name, or
            none that stands out.
    """
    if track == AUTO:
        return _judged(parts)
    if track.isdecimal():
        found = [p for p in parts if p.number == int(track)]
    else:
        found = [p for p in parts if track.casefold() in p.name.casefold()]
        exact = [p for p in found if p.name.casefold() == track.casefold()]
        found = exact or found
    if len(found) == 1:
        return found[0]
    what = f"several tracks are called '{track}'" if found else f"it has no track '{track}'"
    raise InputError(f"{what}: {listed(parts)}", remedy="give one of these numbers as --track")


def _judged(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        raise _undecided(parts, "its only track has several voices")
    best = max(melody_rank(p.name) for p in parts)
    named = [p for p in parts if best and melody_rank(p.name) == best]
    if len(named) == 1:
        return named[0]
    chances = likelihoods(parts)
    if named:
        total = sum(c for p, c in zip(parts, chances, strict=True) if p in named) or 1.0
        chances = [c / total * (p in named) for p, c in zip(parts, chances, strict=True)]
    chance, number = max((c, -i) for i, c in enumerate(chances))
    part = parts[-number]
    if chance < _SURE:
        raise _undecided(
            parts, f"no track stands out as the melody ({chance:.0%} for the likeliest)"
        )
    if len(part.sounds) < _FEWEST:
        raise _undecided(parts, "has too few notes to tell which track is the melody")
    if part.overlap > _MOST_OVERLAP:
        raise _undecided(parts, "none of its tracks is one voice")
    return part


def _undecided(parts: Sequence[Part], why: str) -> InputError:
    return InputError(
        f"it is polyphonic and {why}: {listed(parts)}",
        remedy="give --track N or NAME, or --track skyline for the highest notes",
    )


# -- judging by the notes ----------------------------------------------------------

FEATURES = (
    "overlap", "mean_interval", "off_centre", "span", "late", "on_top", "share_of_notes", "rhythm",
)  # fmt: skip
WEIGHTS = (-2.0, -2.2, -2.0, -2.4, 2.5, 2.9, -0.9, 4.0)
"""Of the features, in their order, fitted by `benchmarks/tracks.py fit`."""

_SURE = 0.75
"""The least chance for which a part is taken."""
_FEWEST = 8
"""The fewest notes by which a part is judged."""
_MOST_OVERLAP = 0.2
"""The largest share of overlap in a part that is taken without being asked for or named."""


def likelihoods(parts: Sequence[Part]) -> list[float]:
    """The chance of each part to be the melody; they sum to 1."""
    scores = [sum(w * x for w, x in zip(WEIGHTS, row, strict=True)) for row in features(parts)]
    top = max(scores)
    raised = [math.exp(s - top) for s in scores]
    return [r / sum(raised) for r in raised]


def features(parts: Sequence[Part]) -> list[list[float]]:
    """A row for each part, in the order of `FEATURES`; each value is roughly 0 to 1.

    - overlap: share of notes that begin while another sounds.
    - mean_interval: mean absolute interval of its top line in octaves, at most 1.
    - off_centre: distance of its mean pitch from G4 in octaves.
    - span: octaves between its 5th and 95th percentile of pitch.
    - late: quarters after the file's first note at which it begins, at most 8, over 8.
    - on_top: share of its notes above which nothing sounds when they begin.
    - share_of_notes: its notes over those of the part with the most.
    - rhythm: entropy of the times between its onsets, bits over 4, at most 1.
    """
    first = min(p.sounds[0][0] for p in parts)
    most = max(len(p.sounds) for p in parts)
    tops = _highest_at_onsets(parts)
    return [_features_of(p, first, most, tops) for p in parts]


def _features_of(part: Part, first: int, most: int, tops: dict[int, int]) -> list[float]:
    line = top_line(part.sounds)
    steps = [abs(b[2] - a[2]) for a, b in pairwise(line)] or [0]
    pitches = sorted(pitch for _, _, pitch in part.sounds)
    count = len(pitches)
    gaps = Counter(round(12 * (b[0] - a[0]) / part.quarter) for a, b in pairwise(line))
    total = gaps.total() or 1
    entropy = -sum(n / total * math.log2(n / total) for n in gaps.values())
    return [
        part.overlap,
        min(1.0, sum(steps) / len(steps) / 12),
        abs(sum(pitches) / count - 67) / 12,
        (pitches[min(count - 1, count * 95 // 100)] - pitches[count * 5 // 100]) / 12,
        min(8.0, (part.sounds[0][0] - first) / part.quarter) / 8,
        sum(pitch >= tops[onset] for onset, _, pitch in part.sounds) / count,
        count / most,
        min(1.0, entropy / 4),
    ]


def top_line(sounds: Sounds) -> list[tuple[int, int, int]]:
    """The highest of the notes that begin together, for each onset."""
    line: dict[int, tuple[int, int, int]] = {}
    for sound in sounds:
        kept = line.get(sound[0])
        if kept is None or kept[2] < sound[2]:
            line[sound[0]] = sound
    return list(line.values())


def _highest_at_onsets(parts: Sequence[Part]) -> dict[int, int]:
    """The highest pitch that sounds when some note begins, for each such tick."""
    sounds = sorted((s for p in parts for s in p.sounds), key=lambda s: (s[0], -s[2]))
    tops: dict[int, int] = {}
    held: list[tuple[int, int]] = []  # a heap of (-pitch, end); below the top some have ended
    for onset, end, pitch in sounds:
        while held and held[0][1] <= onset:
            heappop(held)
        heappush(held, (-pitch, end))
        tops[onset] = -held[0][0]
    return tops
