"""The grammar of the `notes` vocabulary: a table of what may follow what, and bars that sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError, UsageError
from tunesmith.melody import MODES, Key, Meter, pitch_class
from tunesmith.theory import scale_of
from tunesmith.tokens.base import Grammar, Planned, State
from tunesmith.tokens.table import (
    ANY_MORE,
    BAR0,
    BAR_MORE,
    BOS,
    DENSITIES,
    DENSITY0,
    END,
    HIGHEST,
    KEY0,
    LENGTH0,
    LENGTHS,
    LONGEST,
    LONGEST_COUNT,
    LOWEST,
    METER0,
    METER_STEPS,
    METERS,
    MODE0,
    MORE,
    NAMES,
    PICKUP,
    PIECE,
    PITCH0,
    REPEATS,
    REST,
    STYLE0,
    TIE,
    UNKNOWN,
    bar_token,
    meter_token,
    tonic_offset,
)

_AFTER_EVENT = ("length", "bar", "end")
FOLLOWS: dict[str, tuple[str, ...]] = {
    "start": ("bos",),
    "bos": ("style",),
    "style": ("mode",),
    "mode": ("key",),
    "key": ("density",),
    "density": ("low",),
    "low": ("high",),
    "high": ("last",),
    "last": ("close",),
    "close": ("period",),
    "period": ("repeats",),
    "repeats": ("meter",),
    "meter": ("pickup", "bar"),
    "pickup": ("length",),
    "bar": ("change", "length"),
    "change": ("length",),
    "length": ("pitch", "rest", "tie"),
    "pitch": _AFTER_EVENT,
    "rest": _AFTER_EVENT,
    "tie": _AFTER_EVENT,
    "end": (),
}
"""Which roles may follow a role; what a role's numbers must satisfy is in `NotesGrammar`."""

_PITCHES = range(PITCH0 + LOWEST, PITCH0 + HIGHEST + 1)  # all above `UNKNOWN`
_METERS = range(METER0, METER0 + len(METERS))
ROLES: dict[str, tuple[int, ...]] = {
    "bos": (BOS,),
    "style": (UNKNOWN, *range(STYLE0, MODE0)),
    "mode": (UNKNOWN, *range(MODE0, MODE0 + len(MODES))),
    "key": (UNKNOWN, *range(KEY0, KEY0 + 12)),
    "density": (UNKNOWN, *range(DENSITY0, DENSITY0 + len(DENSITIES) + 1)),
    "low": (UNKNOWN, *_PITCHES),
    "high": (UNKNOWN, *_PITCHES),
    "last": (UNKNOWN, *_PITCHES),
    "close": (UNKNOWN, *range(LENGTH0, LENGTH0 + len(LENGTHS))),
    "period": (UNKNOWN, REST, *range(BAR0 + 1, BAR_MORE + 1)),
    "repeats": (UNKNOWN, *range(DENSITY0, DENSITY0 + len(REPEATS) + 1)),
    "meter": tuple(_METERS),
    "change": tuple(_METERS),
    "pickup": (PICKUP,),
    "bar": tuple(range(BAR0 + 1, BAR_MORE + 1)),
    "length": tuple(range(LENGTH0, LENGTH0 + len(LENGTHS))),
    "pitch": tuple(_PITCHES),
    "rest": (REST,),
    "tie": (TIE,),
    "end": (END,),
}
"""The ids that may play a role. No two roles that may follow the same one share an id."""

_ROLE_OF = {
    last: {token: role for role in roles for token in ROLES[role]}
    for last, roles in FOLLOWS.items()
}  # fmt: skip

_UP_TO = np.array([
    [LENGTH0 <= t < LENGTH0 + len(LENGTHS) and LENGTHS[t - LENGTH0] <= steps
     for t in range(len(NAMES))]
    for steps in range(LONGEST + 1)
])  # fmt: skip
_ONLY = np.eye(len(NAMES), dtype=bool)
_SILENT, _TIE, _END = (np.isin(np.arange(len(NAMES)), t) for t in ((REST, TIE), TIE, END))
_METER = np.isin(np.arange(len(NAMES)), _METERS)
_PITCH = np.isin(np.arange(len(NAMES)), _PITCHES)
_ON_DEGREE = np.array([
    [t in _PITCHES and (t - PITCH0) % 12 == degree for t in range(len(NAMES))]
    for degree in range(12)
])  # fmt: skip
_UP_TO_BARS = np.array([
    [BAR0 < t <= BAR0 + bars for t in range(len(NAMES))] for bars in range(LONGEST_COUNT + 1)
])  # fmt: skip
SHORT, FULL = 1, 2
"""How a tune ends that is on its last note: a bar short by the pickup, or a full one."""
_CLOSING_BARS = 3
"""The last bars, among which the planned last onset may be."""
_TOLD = ("style", "mode", "density", "low", "high", "last", "close", "period", "repeats")
_MOST = LONGEST_COUNT + 1  # bars, of which a token says no number
_SHORT = 8
"""Bars up to which nothing is told of the form."""
MOST_BARS = 512
MOST_ACCIDENTALS = 4
"""Sharps or flats of the signatures chosen where the user names no key."""
LONGEST_UNASKED = 128
"""Bars after which a tune that was given no length counts down to its end."""


class TuneState(NamedTuple):
    """Where in a tune we are. Lengths are in steps of the grid."""

    last: str = "start"  # the role of the last token
    mode: int = UNKNOWN
    key: int = UNKNOWN
    low: int = UNKNOWN  # until the last pitch is told, as is `high`
    high: int = UNKNOWN
    last_degree: int = -1  # semitones above the tonic on which it is to end, 0 to 11, or -1
    close: int = 0  # planned from the last onset to the end, or 0
    period: int = 0  # planned bars after which most come again, until the first bar; or 0
    fewest: int = 0  # bars that the plan of the form needs, until the first bar; or 0
    closing: int = 0  # `SHORT` or `FULL`: the planned onset was, and how the last bar ends
    meter: int = 0
    length: int = 0  # of this bar
    filled: int = 0  # of this bar
    pickup: int = 0  # of the pickup bar, once it is complete
    in_pickup: bool = False
    remaining: int = 0  # bars left, this one included; 0 while not known
    uncounted: int = 0  # bars so far whose token said 'more'
    pending: int = 0  # the length that waits for its pitch
    note_before: bool = False  # whether a tie would have something to hold
    more: int = ANY_MORE  # the longest piece by which the last sound may go on, or silence may
    begun: bool = False  # whether any event was read
    sounded: bool = False  # whether any note was heard


_BODY = TuneState._fields.index("meter")
"""Where the fields begin that tell what may come once there is a metre."""
_MOST_KNOWN = 20_000


class NotesGrammar(Grammar):
    """What may come next in a tune of the `notes` vocabulary.

    Without wishes it accepts every sound tune. With wishes, even none in
    particular, it is the grammar of generating: no attribute stays unknown but
    by wish, an unasked key has at most four accidentals, and a tune ends.

    Args:
        styles: the names of the style tokens in use.
        wishes: of `style` (a name), `mode` (then the key is named and every pitch in the
            scale), `key` (a tonic), `density` (a class), `low`, `high`, `last` (MIDI
            numbers), `period` and `repeats` (`?`: nothing is told of the form), `meter` (a
            `Meter`; then it never changes), `bars` (counted without the pickup, exact), `pickup`
            (whether there is one), `unknown` (True: every attribute that is not wished for stays
            unknown), and `any_pitch` (True: mode and key say nothing of the pitches, and any key
            may be chosen; something else sees to that).

    Raises:
        UsageError: for a wish that no token can say.
    """

    alternatives = (slice(BAR0 + 1, BAR_MORE + 1), slice(_PITCHES[0], _PITCHES[-1] + 1))

    def __init__(self, styles: tuple[str, ...], wishes: Mapping[str, Any] | None) -> None:
        self.generating = wishes is not None
        given = {k: v for k, v in (wishes or {}).items() if v is not None}
        self.bars: int | None = given.pop("bars", None)
        self.pickup: bool | None = given.pop("pickup", None)
        self.unknown = bool(given.pop("unknown", False))
        self.any_pitch = bool(given.pop("any_pitch", False))
        if self.bars is not None and not 1 <= self.bars <= MOST_BARS:
            raise UsageError(f"{self.bars} bars", remedy=f"ask for 1 to {MOST_BARS}")
        self.forced = {role: _token(role, value, styles) for role, value in given.items()}
        if {"low", "high"} <= self.forced.keys() and self.forced["low"] > self.forced["high"]:
            raise UsageError("the lowest pitch is above the highest")
        told = [self.forced[r] for r in ("low", "last", "high") if r in self.forced]
        if told != sorted(told):
            raise UsageError("the last pitch is below the lowest or above the highest")
        mode = given.get("mode")
        self.scale = frozenset(range(12)) if mode is None or self.any_pitch else scale_of(mode)
        self.styles = len(styles)
        self._known: dict[tuple[Any, ...], NDArray[np.bool_]] = {}

    def start(self) -> State:  # noqa: D102
        return TuneState()

    def ended(self, state: State) -> bool:  # noqa: D102
        assert isinstance(state, TuneState)
        return state.last == "end"

    def allowed(self, state: State) -> NDArray[np.bool_]:  # noqa: D102
        assert isinstance(state, TuneState)
        # States repeat a great deal, within a tune and over a batch, what was planned aside.
        key = (state.last, *state[_BODY:]) if state.meter else state
        mask = self._known.get(key)
        if mask is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            mask = self._known[key] = self._allowed(state)
        return mask

    def _allowed(self, state: TuneState) -> NDArray[np.bool_]:
        mask = np.zeros(len(NAMES), bool)
        for role in FOLLOWS[state.last]:
            mask[self._tokens(role, state)] = True
        mask.flags.writeable = False
        return mask

    def planned(self, state: State) -> Planned | None:
        """What leads to the end that the header tells: its last onset, and its degree.

        After a pickup the tune may end short by that, and then it is planned to; if the planned
        onset has gone by without a note, the full bar is the end. A whole note stands for all
        that is longer, so there the onset may be earlier. Where the onset cannot be had, of a note
        that may end the tune the degree alone is planned.
        """
        assert isinstance(state, TuneState)
        if state.fewest or state.period:
            return self._planned_form(state)
        if not 0 < state.remaining <= _CLOSING_BARS:
            return None
        full = state.remaining * state.length - state.filled  # before this event
        short = full - state.pickup
        if state.closing:
            if state.pending:
                return Planned(_SILENT, TIE)
            end = short if state.closing == SHORT and short >= 0 else full
            if not end:
                return Planned(_END)
            whole = LENGTH0 + PIECE[min(end, state.length - state.filled)]
            if state.note_before and state.more == ANY_MORE:
                return Planned(_UP_TO[min(end, LONGEST)], whole=whole)
            return Planned(_ONLY[whole] | _METER)  # silence, after which there can be no more
        if state.pending:
            return self._planned_sound(state, short, full)
        if not state.close:
            return None
        to_onset = (short if short >= state.close else full) - state.close
        if to_onset > 0 and state.close < LONGEST:
            return Planned(_UP_TO[min(to_onset, LONGEST)] | _METER)
        if to_onset:
            return None
        whole = LENGTH0 + PIECE[min(state.close, state.length - state.filled)]
        return Planned(_UP_TO[state.close], whole=whole)

    def _planned_form(self, state: TuneState) -> Planned | None:
        """How much comes again, or how many bars there are: so that the period has room."""
        if self.bars is None:
            return Planned(~_UP_TO_BARS[state.fewest - 1]) if state.fewest > 1 else None
        if not state.period:
            return None
        room = 1 - state.period / self.bars
        classes = [DENSITY0 + c for c, least in enumerate((0.0, *REPEATS)) if least <= room]
        return Planned(np.isin(np.arange(len(NAMES)), classes))

    def _planned_sound(self, state: TuneState, short: int, full: int) -> Planned | None:
        """The same once a length is told, so many steps before a short end and a full one."""
        note = _PITCH if state.last_degree < 0 else _ON_DEGREE[state.last_degree]
        ends = {short, full}
        if state.close in ends:
            longer = state.close == LONGEST
            may_pass = state.pickup > 0 and short == state.close  # and then end with a full bar
            others = _SILENT if may_pass else _TIE if longer else np.False_
            return Planned(np.logical_or(note, others))
        if state.close == LONGEST and any(e - state.pending < state.close < e for e in ends):
            return Planned(note | _TIE)  # it is longer than a whole note
        last = state.remaining == 1 and state.pending in ends
        return Planned(note) if last and state.last_degree >= 0 else None

    def _closing(self, state: TuneState, role: str) -> int:
        """How far a tune is with its planned end after an event: see `TuneState`."""
        if not (state.close and state.remaining <= _CLOSING_BARS and state.remaining):
            return 0
        before = state.remaining * state.length - state.filled
        for end, left in ((SHORT, before - state.pickup), (FULL, before)):
            if role == "pitch" and left == state.close:
                return end if state.pickup else FULL
            longer = left - state.pending < state.close <= left and role != "rest"
            if state.close == LONGEST and longer:
                return end if state.pickup else FULL
        return 0 if role == "pitch" else state.closing

    def advance(self, state: State, token: int) -> State:  # noqa: D102
        assert isinstance(state, TuneState)
        if not (0 <= token < len(NAMES) and self.allowed(state)[token]):
            name = NAMES[token] if 0 <= token < len(NAMES) else str(token)
            raise InputError(f"the token {name} may not follow here ({state})")
        role = _ROLE_OF[state.last][token]
        state = state._replace(last=role)
        if role == "mode":
            return state._replace(mode=token)
        if role == "key":
            return state._replace(key=token)
        if role == "low":
            return state._replace(low=token)
        if role == "high":
            return state._replace(high=token)
        if role == "last":  # nothing looks at low and high any more, and equal states are shared
            degree = -1 if token == UNKNOWN else (token - PITCH0) % 12
            return state._replace(low=UNKNOWN, high=UNKNOWN, last_degree=degree)
        if role == "close":
            return state._replace(close=0 if token == UNKNOWN else LENGTHS[token - LENGTH0])
        if role == "period":
            lag = token - BAR0 if BAR0 < token <= BAR_MORE else 0
            return state._replace(period=lag)
        if role == "repeats":
            least = (0.0, *REPEATS)[token - DENSITY0] if token != UNKNOWN else 0.0
            fewest = min(max(state.period + 1, math.ceil(state.period / (1 - least))), _MOST)
            return state._replace(period=0, fewest=fewest if state.period else 0)
        if role in ("meter", "change"):
            return state._replace(meter=token, length=METER_STEPS[token - METER0])
        if role == "pickup":
            return state._replace(in_pickup=True)
        if role == "bar":
            return self._next_bar(state, token)
        if role == "length":
            return state._replace(pending=LENGTHS[token - LENGTH0])
        if role in ("pitch", "rest", "tie"):
            filled = state.filled + state.pending
            return state._replace(
                closing=self._closing(state, role),
                filled=filled,
                pending=0,
                note_before=role != "rest",
                more=MORE[state.pending] if filled < state.length else ANY_MORE,
                begun=True,
                sounded=state.sounded or role == "pitch",
            )
        return state

    def _next_bar(self, state: TuneState, token: int) -> TuneState:
        if state.remaining:
            remaining = state.remaining - 1
        elif token != BAR_MORE:
            remaining = token - BAR0
        else:
            remaining = self.bars or 0
        return state._replace(
            pickup=state.filled if state.in_pickup else state.pickup,
            in_pickup=False,
            filled=0,
            more=ANY_MORE,
            fewest=0,
            remaining=remaining,
            uncounted=state.uncounted + (token == BAR_MORE),
        )

    # -- the numbers of each role ------------------------------------------------

    def _tokens(self, role: str, state: TuneState) -> list[int]:
        """The ids that may play a role in this state."""
        if role in ("low", "high", "last") and role in self.forced:
            return [self._told(role, state)]
        if role in self.forced:
            return [self.forced[role]]
        rule = getattr(self, f"_{role}", None)
        tokens = ROLES[role]
        # Whether a tune has a key at all is for the model to say.
        if role in _TOLD and self.generating:
            if self.unknown:
                return [UNKNOWN]
            tokens = tokens[1:]
        return list(tokens) if rule is None else rule(tokens, state)

    def _style(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        if not self.generating:
            return list(tokens)
        return list(tokens[: self.styles]) or [UNKNOWN]

    def _key(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        if not self.generating or state.mode == UNKNOWN:
            return list(tokens)
        mode = MODES[state.mode - MODE0]
        named = [
            t
            for t in tokens
            if t != UNKNOWN
            and (
                self.any_pitch
                or abs(Key.from_pitch_class(t - KEY0, mode).sharps) <= MOST_ACCIDENTALS
            )
        ]
        return named if "mode" in self.forced else [UNKNOWN, *named]

    def _pitch(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        return [t for t in tokens if (t - PITCH0) % 12 in self.scale]  # as if in C

    def _low(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        most = [self._told(r, state) for r in ("high", "last") if r in self.forced]
        return [t for t in tokens if t <= min(most, default=_PITCHES[-1])]

    def _high(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        least = self._told("last", state) if "last" in self.forced else UNKNOWN
        return [t for t in tokens if t == UNKNOWN or t >= max(least, state.low)]

    def _last(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        highest = _PITCHES[-1] if state.high == UNKNOWN else state.high
        inside = [t for t in tokens if t == UNKNOWN or state.low <= t <= highest]
        in_scale = [t for t in inside if t == UNKNOWN or (t - PITCH0) % 12 in self.scale]
        return in_scale or inside  # of a range without a note of the scale, any

    def _told(self, role: str, state: TuneState) -> int:
        """The id of a pitch that is wished for, or the nearest in the table."""
        token = self.forced[role] - tonic_offset(state.key)
        return min(max(token, _PITCHES[0]), _PITCHES[-1])

    def _is_short(self) -> bool:
        """Whether so few bars are asked for that a form of whole tunes cannot be planned."""
        return self.bars is not None and self.bars <= _SHORT

    def _period(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        if self._is_short():
            return [UNKNOWN]
        return [t for t in tokens if self.bars is None or t - BAR0 < self.bars]

    def _repeats(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        return [UNKNOWN] if self._is_short() else list(tokens)

    def _pickup(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        # A bar of one step leaves no room for a shorter one.
        return list(tokens) if self.pickup is not False and state.length > 1 else []

    def _bar(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        if state.last == "meter":
            if self.pickup:
                return []
        elif not state.in_pickup and (state.filled != state.length or state.remaining == 1):
            return []
        if state.remaining:
            return [bar_token(state.remaining - 1)]
        if self.bars is not None:
            return [bar_token(self.bars)]
        if not state.uncounted:
            return list(tokens)
        if self.generating and state.uncounted >= LONGEST_UNASKED - LONGEST_COUNT:
            return [BAR0 + LONGEST_COUNT]
        return [BAR0 + LONGEST_COUNT, BAR_MORE]

    def _change(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        if "meter" in self.forced or not state.begun:
            return []
        return [t for t in tokens if t != state.meter]

    def _length(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        room = state.length - state.filled - state.in_pickup
        return [t for t in tokens if LENGTHS[t - LENGTH0] <= room]

    def _rest(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        # Somewhere a note must sound, at the latest at the very end.
        full = state.filled + state.pending >= state.length
        silent = not state.sounded and state.remaining == 1 and full
        again = not state.note_before and state.pending > state.more
        return [] if silent or again else list(tokens)

    def _tie(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        return list(tokens) if state.note_before and state.pending <= state.more else []

    def _end(self, tokens: tuple[int, ...], state: TuneState) -> list[int]:
        complete = state.filled in (state.length, state.length - state.pickup)
        last = state.remaining == 1 and not state.in_pickup
        return list(tokens) if last and complete and state.sounded else []


def _token(role: str, value: Any, styles: tuple[str, ...]) -> int:
    """The id that says a wish.

    Raises:
        UsageError: if none does.
    """
    if role == "style":
        if value not in styles:
            known = ", ".join(styles) or "none"
            raise UsageError(f"the model has no style '{value}'", remedy=f"it has: {known}")
        return STYLE0 + styles.index(value)
    if role == "mode" and value in MODES:
        return MODE0 + MODES.index(value)
    if role == "key":
        return KEY0 + pitch_class(value)
    if role in ("period", "repeats") and value == "?":
        return UNKNOWN
    if role == "density" and 0 <= int(value) <= len(DENSITIES):
        return DENSITY0 + int(value)
    if role in ("low", "high", "last") and LOWEST <= int(value) <= HIGHEST:
        return PITCH0 + int(value)
    if role == "meter" and isinstance(value, Meter):
        try:
            return meter_token(value)
        except InputError as e:
            raise UsageError(e.what, remedy="use a metre such as 4/4, 3/4 or 6/8") from e
    raise UsageError(f"no token says {role} {value}")
