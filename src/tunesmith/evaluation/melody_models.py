"""Baselines of whole tunes: streams of choices, each with a predictor of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np

from tunesmith.errors import UsageError
from tunesmith.evaluation.baselines import Copy, Expectation, Markov, Stream, Uniform
from tunesmith.evaluation.likelihood import Bits, pitch_ids
from tunesmith.evaluation.ppm import BIAS, Kind, Past, Predictor
from tunesmith.melody import TICKS_PER_QUARTER, Key, Melody, Meter, Note
from tunesmith.tokens import Vocabulary
from tunesmith.tokens.table import KEY0, METERS, STEPS_PER_QUARTER, UNKNOWN, tonic_offset

_STEP = TICKS_PER_QUARTER // STEPS_PER_QUARTER
_LENGTHS = 4096  # steps; longer notes and rests do not occur
_REST, _END = -1, -1
_PITCHES = 129  # and the rest
_MOST_EVENTS = 4000
_REACH = 16
"""Of PPM*: folk tunes have runs of hundreds of equal lengths."""
_STREAMS = {
    "key": 13, "meter": len(METERS), "pickup": _LENGTHS, "length": _LENGTHS, "pitch": _PITCHES,
}  # fmt: skip


class _Event(NamedTuple):
    """One choice: in which stream, after which past, and what was chosen."""

    stream: str
    past: Past
    at: int
    symbol: Any


class MelodyModel:
    """A baseline of melodies, which pays for what the tokens pay for.

    Which key and metre, which pickup, every length and pitch of notes and rests, and where
    the tune ends; bars follow from these. Lengths and pitches are streams of their own: a
    length sees earlier lengths, a pitch earlier pitches, rests among them. The metre sees
    the metre before it, the pickup the metre.

    Args:
        make: makes the predictor of a stream of so many symbols.
        from_tonic: whether it pays for the key too and counts pitches from the tonic, as
            the tokens of the `notes` vocabulary do.

    Attributes:
        cut: how many samples were ended because they were too long.
    """

    def __init__(self, make: Callable[[int], Stream], *, from_tonic: bool = False) -> None:
        self.from_tonic = from_tonic
        self.cut = 0
        self._streams = {name: make(size) for name, size in _STREAMS.items()}

    def derived(self, change: Callable[[Any], Stream]) -> Self:
        """The same with each stream's predictor changed to another, over the same counts."""
        other = copy(self)
        other.cut = 0
        other._streams = {name: change(stream) for name, stream in self._streams.items()}
        return other

    def fit(self, melodies: Iterable[Melody]) -> Self:
        """Study the melodies of a training side."""
        for melody in melodies:
            self._begin()
            for stream, past, at, symbol in self._events(melody):
                self._streams[stream].study(past, at, symbol)
        return self

    def bits(self, melody: Melody) -> Bits:
        """The code length of a whole melody in bits.

        A rest is told where a pitch could be: that it is a rest or a note counts as timing,
        which note as pitch, and so does the key.
        """
        return self.bits_by_part(melody)[0]

    def bits_by_part(self, melody: Melody) -> list[Bits]:
        """The code length of a melody, then that by each of the predictors combined."""
        self._begin()
        total = _Sum()
        for stream, past, at, symbol in self._events(melody):
            model = self._streams[stream]
            found = model.predict(past, at)
            silent: Sequence[Hashable] | None = None  # which symbols are no note, if some are
            if stream in ("key", "pitch"):
                silent = () if stream == "key" else (_REST,)
            total.add([found, *model.parts], symbol, silent)
            model.learn(past, at, symbol)
        return total.bits()

    def sample(self, rng: np.random.Generator) -> Melody:
        """Draw a whole melody; symbols that were never seen are not drawn.

        Nothing is remembered of it when it has ended. One that does not end by itself is
        ended after 4,000 notes and rests, and counted in `cut`.

        Raises:
            UsageError: if it has seen nothing to draw from, or no pickup that is shorter
                than a bar of the metre it drew.
        """
        self._begin()
        tonic, key = 0, None
        if self.from_tonic:
            drawn = self._draw(rng, "key", [], 0)
            tonic = tonic_offset(drawn)
            key = None if drawn == UNKNOWN else Key.from_pitch_class(drawn - KEY0)
        numerator, denominator = map(int, str(self._draw(rng, "meter", [], 0)).split("/"))
        meter = Meter(0, numerator, denominator)
        bar = meter.bar_ticks // _STEP
        pickup = self._draw(rng, "pickup", [str(meter)], 1, lambda s: s < bar)
        lengths: list[int] = []
        pitches: list[int] = []
        notes: list[Note] = []
        now = 0
        while len(lengths) < _MOST_EVENTS:
            at = len(lengths)
            may_end = bool(notes) and now > pickup
            length = self._draw(rng, "length", lengths, at, None if may_end else _is_length)
            if length == _END:
                break
            pitch = self._draw(
                rng, "pitch", pitches, at, lambda s: s == _REST or 0 <= s + tonic <= 127
            )
            lengths.append(length)
            pitches.append(pitch)
            if pitch != _REST:
                notes.append(Note(now * _STEP, length * _STEP, pitch + tonic))
            now += length
        else:
            self.cut += 1
        return Melody(tuple(notes), (meter,), pickup=pickup * _STEP, duration=now * _STEP, key=key)

    def _begin(self) -> None:
        for model in self._streams.values():
            model.begin()

    def _draw(
        self,
        rng: np.random.Generator,
        stream: str,
        past: Past,
        at: int,
        allowed: Callable[[Any], bool] | None = None,
    ) -> Any:
        """One symbol of those seen and allowed, learnt by the short-term model."""
        model = self._streams[stream]
        found = model.predict(past, at)
        symbols = [s for s in found.named if allowed is None or allowed(s)]
        if not symbols:
            raise UsageError(
                f"the tunes that the baseline learnt from have no {stream} that fits here",
                remedy="fit it on more tunes",
            )
        weights = np.array([found.named[s] for s in symbols])
        symbol = symbols[int(rng.choice(len(symbols), p=weights / weights.sum()))]
        model.learn(past, at, symbol, lasting=False)
        return symbol

    def _events(self, melody: Melody) -> Iterator[_Event]:
        tonic = 0
        if self.from_tonic:
            key = KEY0 + melody.key.pitch_class if melody.key else UNKNOWN
            yield _Event("key", [], 0, key)
            tonic = tonic_offset(key)
        meters = [str(m) for m in melody.meters]
        for i, name in enumerate(meters):  # a change is charged by its metre alone
            yield _Event("meter", meters[max(0, i - 1) : i], min(i, 1), name)
        yield _Event("pickup", meters[-1:], 1, melody.pickup // _STEP)
        events = _notes_and_rests(melody)
        lengths = [length for length, _ in events]
        pitches = [p if p == _REST else p - tonic for _, p in events]
        for i, length in enumerate(lengths):
            yield _Event("length", lengths, i, length)
            yield _Event("pitch", pitches, i, pitches[i])
        yield _Event("length", lengths, len(lengths), _END)


def _is_length(symbol: Any) -> bool:
    return bool(symbol != _END)


def _notes_and_rests(melody: Melody) -> list[tuple[int, int]]:
    """(length in steps, at least 1; pitch or -1 for a rest) in order."""
    events = [(n.onset, n.duration, n.pitch) for n in melody.notes]
    events += [(onset, ticks, _REST) for onset, ticks in melody.rests]
    return [(max(1, ticks // _STEP), pitch) for _, ticks, pitch in sorted(events)]


class MelodyPPM(MelodyModel):
    """A PPM of melodies.

    Args:
        kind: 'ltm', 'ltm+', 'stm' or 'both', see `Predictor`. An 'ltm+' and 'both' learn
            from every melody whose `bits` were asked for, in that order, so fit a new one
            for another set of tunes.
        order: how many symbols a context of the long-term model holds; None for PPM*.
        from_tonic: see `MelodyModel`.
        bias: of the combination, see `combine`.

    Raises:
        UsageError: if there is no such kind.
    """

    def __init__(
        self, kind: Kind, order: int | None = None, *, from_tonic: bool = False, bias: float = BIAS
    ) -> None:
        super().__init__(
            lambda size: Predictor(kind, size, order=order, reach=_REACH, bias=bias),
            from_tonic=from_tonic,
        )

    def sharing(self, kind: Kind) -> MelodyPPM:
        """Another kind over the same long-term model, so that it need be trained only once.

        What an 'ltm+' or 'both' learns from then on this one knows too: ask an 'ltm' first.

        Raises:
            UsageError: if this one has no long-term model and that one needs it.
        """
        return self.derived(lambda predictor: predictor.sharing(kind))


class IdsModel:
    """A baseline of the ids of a vocabulary that says less than a whole melody.

    Args:
        make: makes the predictor of a stream of so many symbols.
        vocabulary: whose ids, all attributes unknown.
    """

    def __init__(self, make: Callable[[int], Stream], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._silent = [int(i) for i, says in enumerate(pitch_ids(vocabulary)) if not says]
        self._stream = make(vocabulary.size)

    def derived(self, change: Callable[[Any], Stream]) -> Self:
        """The same with its predictor changed to another over the same counts."""
        other = copy(self)
        other._stream = change(self._stream)
        return other

    def fit(self, melodies: Iterable[Melody]) -> Self:
        """Study the melodies of a training side."""
        for melody in melodies:
            ids = self._ids(melody)
            self._stream.begin()
            for i, symbol in enumerate(ids):
                self._stream.study(ids, i, symbol)
        return self

    def bits(self, melody: Melody) -> Bits:
        """The code length of a melody's ids; that a note begins is timing, which one pitch."""
        return self.bits_by_part(melody)[0]

    def bits_by_part(self, melody: Melody) -> list[Bits]:
        """The code length of a melody, then that by each of the predictors combined."""
        ids = self._ids(melody)
        self._stream.begin()
        total = _Sum()
        for i, symbol in enumerate(ids):
            found = self._stream.predict(ids, i)
            total.add([found, *self._stream.parts], symbol, self._silent)
            self._stream.learn(ids, i, symbol)
        return total.bits()

    def _ids(self, melody: Melody) -> list[int]:
        ids = self._vocabulary.unconditional(self._vocabulary.encode(melody).ids)
        return [int(i) for i in ids[1:]]


class _Sum:
    """Code lengths by several predictors, told apart by pitch and timing."""

    def __init__(self) -> None:
        self._pitch: list[float] = []
        self._timing: list[float] = []

    def add(
        self, found: Sequence[Expectation], symbol: Hashable, silent: Sequence[Hashable] | None
    ) -> None:
        """Charge a symbol to each predictor; None: it could not have been a pitch."""
        if not self._pitch:
            self._pitch, self._timing = [0.0] * len(found), [0.0] * len(found)
        for i, expected in enumerate(found[: len(self._pitch)]):
            news = decision = -math.log2(expected.probability(symbol))
            if silent is not None and symbol not in silent:
                quiet = sum(expected.probability(s) for s in silent)
                decision = -math.log2(1 - quiet)
            self._timing[i] += decision
            self._pitch[i] += news - decision

    def bits(self) -> list[Bits]:
        """The sum of each predictor."""
        return [Bits(p, t) for p, t in zip(self._pitch, self._timing, strict=True)]


ORDER = 5
COUNTED = (
    "uniform guess",
    "unigram",
    "Markov, order 1",
    "Markov, order 3",
    "Markov, order 5",
    "copy of the longest earlier match",
)
"""The rows of `counted_baselines`."""
PPMS = (
    "PPM, order 5 (LTM)",
    "PPM, order 5, learning on (LTM+)",
    "PPM* of the same tune alone (STM)",
    "LTM+ with STM",
)
"""The rows of `ppm_baselines`."""
BASELINES = (*COUNTED, *PPMS)

Rows = dict[str, list[Bits]]


def counted_baselines(
    vocabulary: Vocabulary, training: Sequence[Melody], melodies: Sequence[Melody]
) -> Rows:
    """The code length of each melody by each of `COUNTED`.

    They pay for the same events as the model, count pitches from the tonic, and charge
    the key, as its tokens do.

    Args:
        vocabulary: the model's.
        training: the melodies to learn from.
        melodies: those to score.
    """
    rows = _scored(COUNTED[:1], [0], _new(vocabulary, Uniform), melodies)
    markov = _new(vocabulary, lambda size: Markov(size, ORDER)).fit(training)
    for name, order in zip(COUNTED[1:5], (0, 1, 3, ORDER), strict=True):
        model = markov.derived(partial(Markov.sharing, order=order))
        rows |= _scored([name], [0], model, melodies)
    del markov
    return rows | _scored(COUNTED[5:], [0], _new(vocabulary, Copy).fit(training), melodies)


def ppm_baselines(
    vocabulary: Vocabulary, training: Sequence[Melody], melodies: Sequence[Melody]
) -> Rows:
    """The same by each of `PPMS`; the order of the melodies matters where learning goes on.

    Args:
        vocabulary: the model's.
        training: the melodies to learn from.
        melodies: those to score.
    """
    ppm = _new(vocabulary, lambda size: Predictor("ltm", size, order=ORDER, reach=_REACH))
    ppm.fit(training)
    rows = _scored(PPMS[:1], [0], ppm, melodies)
    both = ppm.derived(partial(Predictor.sharing, kind="both"))
    return rows | _scored(PPMS[1:], [1, 2, 0], both, melodies)


def _new(vocabulary: Vocabulary, make: Callable[[int], Stream]) -> MelodyModel | IdsModel:
    if vocabulary.kind == "notes":
        return MelodyModel(make, from_tonic=True)
    return IdsModel(make, vocabulary)


def _scored(
    names: Sequence[str],
    parts: Sequence[int],
    model: MelodyModel | IdsModel,
    melodies: Sequence[Melody],
) -> Rows:
    """What the model, or each of its parts, charges for each melody."""
    found = [model.bits_by_part(m) for m in melodies]
    return {n: [bits[part] for bits in found] for n, part in zip(names, parts, strict=True)}
