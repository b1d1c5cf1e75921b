"""What a reader of many tunes gives for each: a melody or the reason why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tunesmith.errors import InputError, TunesmithError
from tunesmith.melody import Melody

MOST_TUNES = 100_000
"""Tunes that a file may hold."""

MOST_PLACES = 8
"""Places that are kept for a remark."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class Remarks(Counter[str]):
    """Counts of what was dropped, mended or rounded, by a short fixed phrase.

    Attributes:
        places: where the first few of a remark are: {'characters passed over':
            ['line 12, column 3']}; only for the remarks whose reader knows them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, list[str]] = {}

    def note(self, remark: str, place: str, count: int = 1) -> None:
        """Count a remark, and keep its place if it is among the first few."""
        self[remark] += count
        places = self.places.setdefault(remark, [])
        if len(places) < MOST_PLACES and place not in places:
            places.append(place)

    def merge(self, other: Remarks) -> None:
        """Take over the counts and places of others."""
        self.update(other)
        for remark, places in other.places.items():
            mine = self.places.setdefault(remark, [])
            mine += [p for p in places if p not in mine][: MOST_PLACES - len(mine)]


@dataclass(frozen=True, slots=True)
class Reading:
    """One tune of a file.

    Attributes:
        where: the file and the tune in it: 'airs.abc, tune 12 (line 240)'.
        melody: what was read, or None.
        error: why it was not, or None; exactly one of the two is given.
        remarks: how often something was dropped, mended or rounded, by a short
            fixed phrase: {'grace notes dropped': 3}.
        details: what is particular to this tune and cannot be summed, in words:
            'track 2 'Voice' taken of 3'.
        places: where the first few of a remark are, where the reader knows:
            {'bars of irregular length': ['line 7, bar 3 (7/8 in a metre of 6/8)']}.
    """

    where: str
    melody: Melody | None = None
    error: TunesmithError | None = None
    remarks: Mapping[str, int] = field(default_factory=dict)
    details: tuple[str, ...] = ()
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert (self.melody is None) != (self.error is None)

    def need(self) -> Melody:
        """The melody.

        Raises:
            TunesmithError: why there is none.
        """
        if self.melody is None:
            assert self.error
            raise self.error
        return self.melody


def text_lines(data: bytes) -> Iterator[str]:
    """The lines of a text, UTF-8 or else Latin-1, without their ends, whatever these are.

    One line after another, so that a large file is not in memory once more as a list.
    The last is what follows the last line end, and may be empty.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    start = 0
    for end in _LINE_END.finditer(text):
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def too_many_tunes(count: int, where: str) -> Reading:
    """The refusal of a file of more than `MOST_TUNES`."""
    what = f"it has {count} tunes, and at most {MOST_TUNES} are read"
    return Reading(where, error=InputError(what, where=where, remedy="cut it into several files"))
