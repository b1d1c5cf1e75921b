"""Whether any melody keeps everything asked for; if none does, what conflicts and what would do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, islice
from typing import Any

from tunesmith.decoding.constraints import parsing
from tunesmith.decoding.constraints.asked import Constraints, flag
from tunesmith.decoding.constraints.forced import Primed
from tunesmith.decoding.constraints.search import OutOfBudget
from tunesmith.decoding.constraints.steering import Steered
from tunesmith.errors import UsageError
from tunesmith.melody import name_at_fifths, pitch_class
from tunesmith.theory import octave_of
from tunesmith.tokens.grammar import MOST_BARS, NotesGrammar

BUDGETS = (500, 3_000, 30_000, 100_000)
"""What one question may cost, one after the other; see `Steered.satisfiable`."""
_FEW = 3
"""Conflicts of so many members are looked for one by one, each at the least cost."""
_TRIAL = 5_000
"""What trying one change may cost."""
_MOST_TRIALS = 12
"""Changes of values that are tried before it is told what to leave out."""
_MOST_UNSETTLED = 3
"""Questions that may stay unsettled, and cost most, before it is left at that."""
LOOSENED = (
    "range", "max_leap", "note_values", "notes_per_bar", "rest_share", "max_repeat", "bars",
    "pickup", "meter",
)  # fmt: skip
"""What is loosened, in the order in which it is tried; all else can only be left out."""
LEFT_OUT = (
    "cadence", "contour", "end", "start", "chords", "form", "max_repeat", "max_leap", "note_values",
    "notes_per_bar", "rest_share", "range", "pickup", "bars", "rhythm", "mode", "scale", "key",
    "meter", "pitches_from", "rhythm_from", "kept",
)  # fmt: skip
"""The order in which it is tried to leave something out, where loosening does not help."""
_VALUES = ("1/8", "1/4", "1/16", "1/2", "3/8", "1/32", "1/12")
_METERS = ("4/4", "3/4", "6/8", "2/4")


@dataclass(frozen=True)
class Conflict:
    """Why no melody keeps what was asked.

    Attributes:
        names: a smallest set of what was asked, by field of `Constraints`, that no melody keeps
            (none, if what is kept of a tune leaves no melody at all):
            without any one of them there is one, degrees being those of all that was asked.
        change: what would do, as it would be typed; '' if nothing was found.
        settled: whether it is proved; otherwise the search was given up.
        minimal: whether it is proved of each name that it is needed.
    """

    names: tuple[str, ...]
    change: str = ""
    settled: bool = True
    minimal: bool = True

    def error(self) -> UsageError:
        """The refusal, in one line."""
        if self.settled and not self.names:
            return UsageError(
                "what is kept of the tune leaves no other melody",
                remedy="choose other bars: a note that sounds on through all of these is in the "
                "way, or a pitch outside Eb1 to G7",
            )
        named = " and ".join(flag(n) for n in self.names) or "what is kept of the tune"
        if not self.settled:
            return UsageError(
                f"it could not be settled whether a melody can keep {named}",
                remedy="ask for less, or for fewer bars",
            )
        together = " together" if len(self.names) > 1 else ""
        doubt = "" if self.minimal else "; whether all of these are needed could not be settled"
        return UsageError(f"no melody keeps {named}{together}{doubt}", remedy=self.change)


class _Judge:
    """Answers whether there is a melody, for parts of what is asked and for changes of it.

    Attributes:
        most: what one question may cost.
        unsettled: questions that cost so much and are still open.
    """

    def __init__(
        self, constraints: Constraints, grammar: NotesGrammar | Primed | None, **primer: int
    ) -> None:
        self._constraints, self._primer = constraints, primer
        self._grammar = grammar if isinstance(grammar, Primed) else NotesGrammar((), {})
        self._known: dict[frozenset[str], bool] = {}
        self._spent: dict[frozenset[str], int] = {}  # in vain
        self.most, self.unsettled = BUDGETS[-1], 0

    def satisfiable(self, names: Collection[str], most: int | None = None) -> bool | None:
        """Whether some parts can be kept; None if that could not be settled, at most at a cost."""
        key, most = frozenset(names), most or self.most
        budgets = [b for b in BUDGETS if self._spent.get(key, 0) < b <= most]
        if key not in self._known and budgets:
            steered = self._steered(self._constraints, names)
            for budget in budgets:
                try:
                    self._known[key] = steered.satisfiable(budget)
                    break
                except OutOfBudget:
                    self._spent[key] = budget
            self.unsettled += key not in self._known and most == self.most
        return self._known.get(key)

    def would_do(self, constraints: Constraints) -> bool:
        """Whether a changed set can be kept for certain."""
        try:
            return self._steered(constraints, None).satisfiable(_TRIAL)
        except OutOfBudget:
            self.unsettled += 1
            return False

    def _steered(self, constraints: Constraints, names: Collection[str] | None) -> Steered:
        return Steered(self._grammar, constraints, names=names, **self._primer)


def explain(
    constraints: Constraints,
    grammar: NotesGrammar | Primed | None = None,
    *,
    unseen: int = 0,
    unseen_bars: int = 0,
) -> Conflict | None:
    """Whether any melody keeps everything asked for, before anything is sampled.

    What always holds (docs/constraints.md) is the background of every conflict, and so is a primer.

    Args:
        constraints: what is asked.
        grammar: a `Primed` (or `Filling`) one, if a melody is given that it goes on from; any
            other makes no difference.
        unseen: ids of a primer that the constraints do not look at.
        unseen_bars: full bars that begin in these.

    Returns:
        None if there is a melody; otherwise the conflict.

    Raises:
        UsageError: for a value that makes no sense.
    """
    judge = _Judge(constraints, grammar, unseen=unseen, unseen_bars=unseen_bars)
    members = constraints.members
    if judge.satisfiable(members, BUDGETS[1]):
        return None
    names: tuple[str, ...] = _few(judge, members)
    if not names:
        answer = judge.satisfiable(members)
        if answer:
            return None
        if answer is None:  # lengths under a form and a share of rests are too many to try all
            names = tuple(n for n in members if n != "rest_share")
            if names == members or judge.satisfiable(names) is not False:
                return Conflict(members, settled=False, minimal=False)
    names, minimal = _smallest(judge, names or members)
    return Conflict(names, _change(judge, constraints, names) if names else "", True, minimal)


def _few(judge: _Judge, members: Sequence[str]) -> tuple[str, ...]:
    """A conflict of up to three members, if a glance tells one, even where all is not settled."""
    sets = (names for n in range(1, _FEW + 1) for names in combinations(members, n))
    return next((names for names in sets if judge.satisfiable(names, BUDGETS[0]) is False), ())


def _smallest(judge: _Judge, members: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """A smallest set that cannot be kept, by leaving out one after the other.

    What costs most to search goes first, so that the later questions are cheaper.
    """
    names, unsettled = list(members), False
    costs = [b for b in BUDGETS[1:-1] if b <= judge.most]  # in doubt one too many is named
    for most in (*costs, costs[-1]):  # what is not settled among many may be among few
        unsettled = False
        for name in sorted(names, key=lambda n: LEFT_OUT.index(n) if n in LEFT_OUT else -1):
            fewer = [n for n in names if n != name]
            patient = judge.unsettled < _MOST_UNSETTLED
            answer = judge.satisfiable(fewer, most if patient else BUDGETS[1])
            if answer is False:
                names = fewer
            unsettled |= answer is None
        if not unsettled:
            break
    return tuple(names), not unsettled


def _change(judge: _Judge, constraints: Constraints, names: Sequence[str]) -> str:
    """The nearest change that works for all that was asked, in words."""
    trials = (
        (name, value)
        for name in LOOSENED
        if name in names
        for value in _looser(name, getattr(constraints, name))
    )
    patience = judge.unsettled + _MOST_UNSETTLED
    judge.most = BUDGETS[-2]
    for name, value in islice(trials, _MOST_TRIALS):
        if judge.unsettled >= patience:
            return _without(names)
        if judge.would_do(replace(constraints, **{name: value})):
            return f"{flag(name)} {value} would do"
    left = list(constraints.members)
    gone: list[str] = []
    conflict = list(names)
    while conflict:
        order = sorted(conflict, key=lambda n: LEFT_OUT.index(n) if n in LEFT_OUT else -1)
        for most in BUDGETS[1:-1]:  # one that is soon told before one that is not
            for name in order:
                if judge.unsettled >= patience:
                    return _without(names)
                if judge.satisfiable([n for n in left if n != name], most):
                    return _without([*gone, name])
        gone.append(order[0])
        left.remove(order[0])
        if not left:
            return _without(gone)
        if judge.satisfiable(left) is None:
            break
        conflict = list(_smallest(judge, left)[0])
    return _without(names)


def _without(names: Sequence[str]) -> str:
    return f"leave out {' and '.join(flag(n) for n in names)}"


def _looser(name: str, value: Any) -> Iterator[Any]:
    """Looser values of what was asked, the nearest first."""
    if name == "range":
        yield from _wider(value)
    elif name in ("max_leap", "max_repeat"):
        yield from (value + n for n in (1, 2, 3, 5, 7, 12) if value + n <= 127)
    elif name == "note_values":
        have = parsing.parse_lengths(value)
        yield from (f"{value},{v}" for v in _VALUES if parsing.parse_length(v) not in have)
    elif name == "notes_per_bar":
        low, high = parsing.parse_counts(value)
        for n in (1, 2, 4, 8):
            yield f"{max(0, low - n)}:{high}"
            yield f"{low}:{high + n}"
            yield f"{max(0, low - n)}:{high + n}"
    elif name == "rest_share":
        low_share, high_share = parsing.parse_shares(value)
        for percent in (5, 10, 20, 40):
            wider = Fraction(percent, 100)
            yield f"{_percent(max(Fraction(0), low_share - wider), up=False)}:" + _percent(
                min(Fraction(1), high_share + wider), up=True
            )
    elif name == "bars":
        near = [value + n * sign for n in (1, 2, 3, 4) for sign in (1, -1)]
        yield from (n for n in near if 1 <= n <= MOST_BARS)
    elif name == "pickup":
        yield from (p for p in ("no", "yes") if p != value)
    elif name == "meter":
        yield from (m for m in _METERS if m != value)


def _wider(value: str) -> Iterator[str]:
    """A range, wider by so many semitones below, above or on both sides."""
    low, high = parsing.parse_range(value)
    for n in (1, 2, 3, 5, 7, 12, 24):
        below, above = max(0, low - n), min(127, high + n)
        for a, b in ((low, above), (below, high), (below, above)):
            yield f"{_pitch_name(a)}:{_pitch_name(b)}"


def _pitch_name(pitch: int) -> str:
    name = next(n for n in map(name_at_fifths, range(-3, 9)) if pitch_class(n) == pitch % 12)
    return f"{name}{octave_of(pitch, name)}"


def _percent(share: Fraction, *, up: bool) -> str:
    whole = -(-share * 100 // 1) if up else share * 100 // 1
    return f"{int(whole)}%"
