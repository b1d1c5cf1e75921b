"""What a reader of many tunes gives for each: a melody or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tunesmith.errors import TunesmithError
from tunesmith.melody import Melody

_LINE_END = re.compile(r"\r\n|\r|\n")


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
    """

    where: str
    melody: Melody | None = None
    error: TunesmithError | None = None
    remarks: Mapping[str, int] = field(default_factory=dict)
    details: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert (self.melody is None) != (self.error is None)


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
