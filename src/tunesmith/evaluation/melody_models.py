"""PPM of whole melodies: metre, pickup, lengths, pitches and rests, and where they end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.baselines import _END, _LENGTHS, _REST, _STEP, _notes_and_rests
from tunesmith.evaluation.likelihood import Bits
from tunesmith.evaluation.ppm import BIAS, Distribution, Kind, Past, Predictor
from tunesmith.melody import Key, Melody, Meter, Note
from tunesmith.tokens.table import KEY0, METERS, UNKNOWN, tonic_offset

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


class MelodyPPM:
    """A PPM of melodies, paying for the same events as `MelodyMarkov`.

    Lengths and pitches are streams of their own: a length sees earlier lengths, a pitch
    earlier pitches, rests among them. The metre sees the metre before it, the pickup the
    metre.

    Args:
        kind: 'ltm', 'ltm+', 'stm' or 'both', see `Predictor`. An 'ltm+' and 'both' learn
            from every melody whose `bits` were asked for, in that order, so fit a new one
            for another set of tunes.
        order: how many symbols a context of the long-term model holds; None for PPM*.
        from_tonic: whether it pays for the key too and counts pitches from the tonic.
        bias: of the combination, see `combine`.

    Attributes:
        cut: how many samples were ended because they were too long.

    Raises:
        UsageError: if there is no such kind.
    """

    def __init__(
        self,
        kind: Kind,
        order: int | None = None,
        *,
        from_tonic: bool = False,
        bias: float = BIAS,
    ) -> None:
        self.kind, self.order, self.from_tonic = kind, order, from_tonic
        self.cut = 0
        self._models = {
            name: Predictor(kind, size, order=order, reach=_REACH, bias=bias)
            for name, size in _STREAMS.items()
        }
        self._fitted = False

    def sharing(self, kind: Kind) -> MelodyPPM:
        """Another kind over the same long-term model, so that it need be trained only once.

        What an 'ltm+' or 'both' learns from then on this one knows too: ask an 'ltm' first.

        Raises:
            UsageError: if this one has no long-term model and that one needs it.
        """
        other = copy(self)
        other.kind, other.cut = kind, 0
        other._models = {name: model.sharing(kind) for name, model in self._models.items()}
        return other

    def fit(self, melodies: Iterable[Melody]) -> MelodyPPM:
        """Study the melodies of a training side."""
        for melody in melodies:
            for stream, past, at, symbol in self._events(melody):
                self._models[stream].study(past, at, symbol)
            self._fitted = True
        return self

    def bits(self, melody: Melody) -> Bits:
        """The code length of a whole melody in bits.

        A rest is told where a pitch could be: that it is a rest or a note counts as timing,
        which note as pitch, and so does the key.
        """
        self._begin()
        pitch = timing = 0.0
        for stream, past, at, symbol in self._events(melody):
            model = self._models[stream]
            found = model.predict(past, at)
            news = -math.log2(found.probability(symbol))
            model.learn(past, at, symbol)
            if stream == "key":
                pitch += news
            elif stream == "pitch":
                silent = found.probability(_REST)
                decision = -math.log2(silent if symbol == _REST else 1 - silent)
                timing += decision
                pitch += news - decision
            else:
                timing += news
        return Bits(pitch, timing)

    def sample(self, rng: np.random.Generator) -> Melody:
        """Draw a whole melody; symbols that were never seen are not drawn.

        Nothing is remembered of it but by the short-term model while it lasts. One that
        does not end by itself is ended after 4,000 notes and rests, and counted in `cut`.

        Raises:
            UsageError: before `fit`, or of a short-term model alone: it has seen nothing.
            InputError: if no pickup it has seen is shorter than a bar of the metre it drew.
        """
        if self.kind == "stm" or not self._fitted:
            raise UsageError("this PPM has learnt nothing to draw from", remedy="fit an LTM")
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
        for model in self._models.values():
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
        model = self._models[stream]
        found: Distribution = model.predict(past, at)
        symbols = [s for s in found.named if allowed is None or allowed(s)]
        if not symbols:
            raise InputError(f"the tunes this PPM knows have no {stream} that fits here")
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
