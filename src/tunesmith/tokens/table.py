"""The table of the `notes` vocabulary: which ids there are and what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError
from tunesmith.melody import MODES, TICKS_PER_QUARTER, Key, Meter
from tunesmith.tokens.base import Ids

STEPS_PER_QUARTER = 24
TICKS_PER_STEP = TICKS_PER_QUARTER // STEPS_PER_QUARTER

TABLE_VERSION = 6
"""Goes up whenever the same tune would give other ids, so that kept ids are made anew."""

SPECIALS = ("bos", "end", "?", "gap", "fill", "pickup", "rest", "tie")
BOS, END, UNKNOWN, GAP, FILL, PICKUP, REST, TIE = range(len(SPECIALS))
STYLE_SLOTS = 16
TURNED = 3
"""The last slots of style say that the tune was turned: upside down, backwards, or both."""
KEYNAMES = tuple(Key.from_pitch_class(p).tonic for p in range(12))
DENSITIES = (0.5, 0.75, 1.0, 1.34, 1.67, 2.0, 3.0)
"""Bounds in sounding notes a quarter; a density below the first is class 0."""
REPEATS = (0.01, 0.08, 0.16, 0.24, 0.32, 0.44, 0.56)
"""Bounds of the share of a tune's windows of `REPEATED_INTERVALS` that occurred in it before."""
REPEATED_INTERVALS = 10
METERS = tuple(
    f"{n}/{d}"
    for d, highest in ((1, 4), (2, 12), (4, 16), (8, 24), (16, 32), (32, 32))
    for n in range(1, highest + 1)
    if d < 32 or n % 2  # an even number of thirty-seconds is said in sixteenths
)
LONGEST_COUNT = 64
LENGTHS = tuple(n for n in range(1, 97) if n == 1 or n % 2 == 0 or n % 3 == 0)
"""Steps; every other length is a sum of these, tied."""
LONGEST = LENGTHS[-1]
LOWEST, HIGHEST = 21, 108

NAMES = (
    *SPECIALS,
    *(f"style:{n}" for n in range(STYLE_SLOTS)),
    *(f"mode:{m}" for m in MODES),
    *(f"key:{k}" for k in KEYNAMES),
    *(f"density:{n}" for n in range(len(DENSITIES) + 1)),
    *(f"meter:{m}" for m in METERS),
    *(f"bar:{n}" for n in range(1, LONGEST_COUNT + 1)),
    "bar:more",
    *(f"len:{n}" for n in LENGTHS),
    *(f"pitch:{p}" for p in range(LOWEST, HIGHEST + 1)),
)
_ID = {name: i for i, name in enumerate(NAMES)}
STYLE0, MODE0, KEY0 = _ID["style:0"], _ID["mode:major"], _ID["key:C"]
DENSITY0, METER0, BAR0 = _ID["density:0"], _ID["meter:1/1"], _ID["bar:1"] - 1
BAR_MORE, LENGTH0 = _ID["bar:more"], _ID["len:1"]
PITCH_LOWEST = _ID[f"pitch:{LOWEST}"]
PITCH0 = PITCH_LOWEST - LOWEST
TURNED0 = MODE0 - TURNED
ATTRIBUTES = (
    "style", "mode", "key", "density", "low", "high", "last", "close", "period", "repeats",
)  # fmt: skip
"""The slots that follow `bos`, in order."""
KEY_SLOT = 1 + ATTRIBUTES.index("key")
"""Where the key stands; it gives the pitches their meaning, so it is news, never hidden."""
LAST_SLOT = 1 + ATTRIBUTES.index("last")
"""Where the last pitch of the tune stands."""
CLOSE_SLOT = 1 + ATTRIBUTES.index("close")
"""Where a length stands: that from the last onset to the end of the tune."""
PERIOD_SLOT = 1 + ATTRIBUTES.index("period")
"""Where a number of bars stands, after which most bars that come again do; or `rest`, if none."""
REPEATS_SLOT = 1 + ATTRIBUTES.index("repeats")
"""Where the class of how much of the tune is said again stands, as a density of that class."""
FIRST_EVENT = 1 + len(ATTRIBUTES)
"""Where the metre stands, the first token that is always known."""
METER_STEPS = tuple(
    4 * STEPS_PER_QUARTER * int(n) // int(d) for n, d in (m.split("/") for m in METERS)
)
ANY_MORE = max(METER_STEPS)
MORE = {n: ANY_MORE if n == LONGEST else int(n + 1 not in LENGTHS) for n in LENGTHS}
"""By how much a note or rest may go on in its bar after a piece of so many steps, at most: a piece
is the longest that fits in, so that there is one way to say a melody."""
PIECE = tuple(max(i for i, n in enumerate(LENGTHS) if n <= max(s, 1)) for s in range(ANY_MORE + 1))
"""The place in `LENGTHS` of the first piece of a note or rest of so many steps in its bar."""


def pieces(steps: int) -> Iterator[int]:
    """The pieces in which a note or rest of so many steps is said in its bar, in steps."""
    while steps > 0:
        piece = LENGTHS[PIECE[min(steps, ANY_MORE)]]
        yield piece
        steps -= piece


def bar_token(remaining: int) -> int:
    """The id of a bar with which `remaining` bars, 1 or more, are left."""
    return BAR0 + remaining if remaining <= LONGEST_COUNT else BAR_MORE


def said(meter: Meter) -> tuple[int, int]:
    """The numbers in which a metre is said: halved from 32 below the line on, while even."""
    numerator, denominator = meter.numerator, meter.denominator
    while denominator >= 32 and numerator % 2 == 0:
        numerator, denominator = numerator // 2, denominator // 2
    return numerator, denominator


def meter_token(meter: Meter) -> int:
    """The id of a metre.

    Raises:
        InputError: if the table does not have it.
    """
    numerator, denominator = said(meter)
    try:
        return _ID[f"meter:{numerator}/{denominator}"]
    except KeyError:
        raise InputError(f"no token says a metre of {meter}") from None


def tonic_offset(key: int) -> int:
    """Semitones, -5 to 6, by which pitches of this key's id lie above their tokens.

    A pitch token is a pitch as it would be with C for a tonic; with `?` for a key,
    it is the pitch itself.
    """
    return 0 if key == UNKNOWN else (key - KEY0 + 5) % 12 - 5


def meter_of(token: int, tick: int) -> Meter:
    """The metre that a metre's id says, from `tick` on."""
    numerator, denominator = map(int, METERS[token - METER0].split("/"))
    return Meter(tick, numerator, denominator)


def is_meter(token: int) -> bool:
    """Whether an id is a metre."""
    return METER0 <= token < METER0 + len(METERS)


def length_token(steps: int) -> int:
    """The id of a length that is in `LENGTHS`."""
    return LENGTH0 + LENGTHS.index(steps)


def density_class(notes_a_quarter: float) -> int:
    """The density class, 0 to 7, of a number of sounding notes a quarter."""
    return int(np.searchsorted(DENSITIES, notes_a_quarter, side="right"))


def repeats_class(share: float) -> int:
    """The class, 0 to 7, of a share of windows that occurred before; 0 where there are none."""
    return 0 if math.isnan(share) else int(np.searchsorted(REPEATS, share, side="right"))


def is_bar(ids: Ids) -> NDArray[np.bool_]:
    """(T,) which ids of a tune begin a counted bar; its header, in full or not, has none."""
    found: NDArray[np.bool_] = (ids > BAR0) & (ids <= BAR_MORE)
    found[:FIRST_EVENT] = False
    return found
