"""Prediction by partial matching (PPM*) as Pearce (2005) did it for melodies.

The details are those of his thesis, 'The Construction and Evaluation of Statistical Models
of Melodic Structure in Music Perception and Composition', ch. 6 and 7, and of his program
IDyOM: escape method C, interpolated, an order bound or PPM* (Cleary and Teahan 1997), a
long-term and a short-term model combined by their entropies. `benchmarks/pearce8.py`
reproduces his tables with it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from copy import copy
from typing import Literal, NamedTuple, get_args

from tunesmith.errors import UsageError

Past = Sequence[Hashable]
Kind = Literal["ltm", "ltm+", "stm", "both"]
KINDS: tuple[Kind, ...] = get_args(Kind)

BIAS = 2.0
"""How sharply a sure model is preferred to an unsure one; of 0, 1, 2, 3, 4, 7 and 16 the one
that comes nearest to Pearce's table 7.2."""


class Distribution(NamedTuple):
    """A distribution over an alphabet of which few symbols are named.

    Attributes:
        named: the probability of each symbol that was ever seen.
        other: the probability of each symbol that was not, all alike.
        alphabet: how many symbols there are, named or not.
    """

    named: dict[Hashable, float]
    other: float
    alphabet: int

    def probability(self, symbol: Hashable) -> float:
        """The probability of a symbol of the alphabet, in (0, 1]."""
        return self.named.get(symbol, self.other)

    @property
    def total(self) -> float:
        """The sum over the whole alphabet: 1 up to rounding."""
        return sum(self.named.values()) + (self.alphabet - len(self.named)) * self.other

    @property
    def entropy(self) -> float:
        """Shannon's entropy in bits, 0 to log2(alphabet)."""
        bits = -sum(p * math.log2(p) for p in self.named.values())
        unnamed = self.alphabet - len(self.named)
        return bits - unnamed * self.other * math.log2(self.other) if unnamed else bits


def combine(distributions: Sequence[Distribution], bias: float = BIAS) -> Distribution:
    """The arithmetic mean of distributions, weighted by how sure each is.

    w = (H / Hmax)^-bias, where H is the entropy and Hmax = log2(alphabet); with one symbol,
    where Hmax is 0, all weigh the same (Pearce 2005, section 7.3, after Conklin 1990).

    Args:
        distributions: over the same alphabet.
        bias: 0 or more; 0 is the plain mean.
    """
    alphabet = distributions[0].alphabet
    highest = math.log2(alphabet)
    weights = [(d.entropy / highest) ** -bias if highest else 1.0 for d in distributions]
    total = sum(weights)
    shares = [w / total for w in weights]
    symbols = dict.fromkeys(s for d in distributions for s in d.named)
    named = {
        s: sum(w * d.named.get(s, d.other) for w, d in zip(shares, distributions, strict=True))
        for s in symbols
    }
    other = sum(w * d.other for w, d in zip(shares, distributions, strict=True))
    return Distribution(named, other, alphabet)


class _Context:
    """What followed one context, and the contexts that are one symbol longer.

    A longer context that occurred once is kept as the place where it did, `(past, at,
    symbol)`, and becomes a context when it occurs again. So the tree stays small however
    long the contexts: its size grows with the number of symbols, not with its square.
    """

    __slots__ = ("followers", "longer")

    def __init__(self) -> None:
        self.followers: dict[Hashable, int] = {}
        self.longer: dict[Hashable, _Context | tuple[Past, int, Hashable]] = {}


class PPM:
    """A PPM model with escape method C, interpolated.

    From the longest context c to none, each adds its share to every symbol:

        P(x | c) = n(x, c) / (N(c) + t(c)) + e(c) P(x | c')

    where n counts, t(c) is how many different symbols followed c, e(c) = t(c) / (N(c) + t(c))
    escapes to the next shorter context c', and at the end stands the same for each symbol,
    1 / (alphabet + 1 - symbols seen). With exclusion, N(c) leaves out the symbols that
    followed the next longer context (and a context with nothing else is passed over); the
    whole is then scaled to sum to one. This is what IDyOM computes; without exclusion N(c)
    is the plain count, the end of the chain is 1 / alphabet, and the formula is that of
    Witten and Bell (1991).

    Args:
        alphabet: how many symbols there are, seen or not; 1 or more.
        order: how many symbols a context holds at most; None for PPM*: the shortest context
            that only ever had one follower, or else the longest one seen.
        reach: how many symbols a context of PPM* may hold; None for no limit. Where symbols
            repeat in long runs, time and memory grow with it.
        exclusion: see above.

    Raises:
        UsageError: for an alphabet, order or reach out of range.
    """

    def __init__(
        self,
        alphabet: int,
        *,
        order: int | None = None,
        reach: int | None = None,
        exclusion: bool = True,
    ) -> None:
        if alphabet < 1:
            raise UsageError(f"an alphabet of {alphabet} symbols")
        for bound in (order, reach):
            if bound is not None and bound < 0:
                raise UsageError(f"a context of {bound} symbols", remedy="give 0 or more, or None")
        self.alphabet, self.order, self.exclusion = alphabet, order, exclusion
        self._deepest = reach if order is None else order
        self._root = _Context()

    def learn(self, past: Past, at: int, symbol: Hashable) -> None:
        """Count a symbol in all its contexts.

        Args:
            past: what stood before it, in order; it is kept, and must not change before `at`.
            at: how much of `past` stood before it; what comes later is never looked at.
            symbol: what followed. In a plain sequence it is `past[at]`.
        """
        node, deepest = self._root, self._depth(at)
        for depth in range(deepest + 1):
            node.followers[symbol] = node.followers.get(symbol, 0) + 1
            if depth == deepest:
                return
            key = past[at - 1 - depth]
            longer = node.longer.get(key)
            if longer is None:
                node.longer[key] = (past, at, symbol)
                return
            if isinstance(longer, tuple):  # its second occurrence
                before, then, follower = longer
                grown = _Context()
                grown.followers[follower] = 1
                if depth + 1 < self._depth(then):
                    grown.longer[before[then - 2 - depth]] = longer
                node.longer[key] = longer = grown
            node = longer

    def predict(self, past: Past, at: int) -> Distribution:
        """The distribution of what follows the first `at` symbols of `past`."""
        assert len(self._root.followers) <= self.alphabet, "more symbols than the alphabet has"
        named: dict[Hashable, float] = dict.fromkeys(self._root.followers, 0.0)
        escape = 1.0
        excluded: dict[Hashable, int] = {}
        for followers in reversed(self._chain(past, at)):
            count = sum(followers.values())
            if self.exclusion and excluded:
                # Every follower of a longer context has followed this one too.
                count -= sum(followers[s] for s in excluded)
            excluded = followers
            if count == 0:
                continue
            scale = escape / (count + len(followers))
            for symbol, n in followers.items():
                named[symbol] += scale * n
            escape = scale * len(followers)
        last = self.alphabet + 1 - len(named) if self.exclusion else self.alphabet
        other = escape / last
        total = sum(named.values()) + self.alphabet * other
        return Distribution(
            {s: (p + other) / total for s, p in named.items()}, other / total, self.alphabet
        )

    def _depth(self, at: int) -> int:
        """How many symbols the longest context after `at` symbols holds."""
        return at if self._deepest is None else min(at, self._deepest)

    def _chain(self, past: Past, at: int) -> list[dict[Hashable, int]]:
        """The followers of each context, from none to the one that prediction starts from."""
        chain = []
        for followers in self._contexts(past, at):
            chain.append(followers)
            if self.order is None and len(chain) > 1 and len(followers) == 1:
                break
        return chain

    def _contexts(self, past: Past, at: int) -> Iterator[dict[Hashable, int]]:
        node, deepest = self._root, self._depth(at)
        yield node.followers
        for depth in range(deepest):
            longer = node.longer.get(past[at - 1 - depth])
            if longer is None:
                return
            if isinstance(longer, tuple):
                before, then, follower = longer
                yield {follower: 1}
                for d in range(depth + 1, min(deepest, then)):
                    if before[then - 1 - d] != past[at - 1 - d]:
                        return
                    yield {follower: 1}
                return
            node = longer
            yield node.followers


class Predictor:
    """A long-term model, a short-term model or both, for pieces one after another.

    `study` all symbols of the training pieces; then for each piece `begin`, and for each
    symbol `predict` and `learn`.

    Args:
        kind: 'ltm' knows the training pieces alone; 'ltm+' goes on learning through the
            pieces that it predicts; 'stm' knows the present piece alone; 'both' is 'ltm+'
            combined with 'stm'.
        alphabet: how many symbols there are.
        order: of the long-term model's contexts, None for PPM*; the short-term one is PPM*.
        reach: of PPM*, in both.
        bias: of the combination, see `combine`.

    Attributes:
        parts: what the models that are combined last said, the long-term one first.

    Raises:
        UsageError: if there is no such kind.
    """

    parts: tuple[Distribution, ...] = ()

    def __init__(
        self,
        kind: Kind,
        alphabet: int,
        *,
        order: int | None = None,
        reach: int | None = None,
        bias: float = BIAS,
    ) -> None:
        if kind not in KINDS:
            raise UsageError(f"no PPM is called '{kind}'", remedy=f"one of {', '.join(KINDS)}")
        self.kind, self.alphabet, self.bias = kind, alphabet, bias
        self._reach = reach
        self._long = None if kind == "stm" else PPM(alphabet, order=order, reach=reach)
        self._short: PPM | None = None
        self.begin()

    def sharing(self, kind: Kind) -> Predictor:
        """Another kind over the same long-term model, so that it need be trained only once.

        What an 'ltm+' or 'both' learns from then on this one knows too: ask an 'ltm' first.

        Raises:
            UsageError: if this one has no long-term model and that one needs it.
        """
        other = Predictor("stm", self.alphabet, reach=self._reach, bias=self.bias)
        if kind != "stm":
            if not self._long:
                raise UsageError(f"an 'stm' has no long-term model to share with an '{kind}'")
            other.kind, other._long = kind, self._long
            other._short = None
            other.begin()
        return other

    def study(self, past: Past, at: int, symbol: Hashable) -> None:
        """Learn from a training piece; see `PPM.learn`."""
        if self._long:
            self._long.learn(past, at, symbol)

    def begin(self) -> None:
        """A new piece: forget the last one, as far as this kind forgets."""
        if self.kind in ("stm", "both"):
            self._short = PPM(self.alphabet, reach=self._reach)

    def predict(self, past: Past, at: int) -> Distribution:
        """What follows the first `at` symbols of `past` in the present piece."""
        self.parts = tuple(m.predict(past, at) for m in (self._long, self._short) if m)
        return self.parts[0] if len(self.parts) == 1 else combine(self.parts, self.bias)

    def learn(self, past: Past, at: int, symbol: Hashable, *, lasting: bool = True) -> None:
        """What followed; `lasting`: whether an 'ltm+' may remember it beyond this piece."""
        if self._long and lasting and self.kind in ("ltm+", "both"):
            self._long.learn(past, at, symbol)
        if self._short:
            self._short.learn(past, at, symbol)


class SequencePPM:
    """A PPM of plain sequences of ids, such as pitches or letters.

    Args:
        kind: see `Predictor`.
        alphabet: how many ids there are.
        order: of the long-term model, None for PPM*.
        reach: of PPM*, None for no limit.
        bias: of the combination.
    """

    def __init__(
        self,
        kind: Kind,
        alphabet: int,
        *,
        order: int | None = None,
        reach: int | None = None,
        bias: float = BIAS,
    ) -> None:
        self._model = Predictor(kind, alphabet, order=order, reach=reach, bias=bias)

    def sharing(self, kind: Kind) -> SequencePPM:
        """Another kind over the same long-term model; see `Predictor.sharing`."""
        other = copy(self)
        other._model = self._model.sharing(kind)
        return other

    def fit(self, sequences: Sequence[Past]) -> SequencePPM:
        """Study training sequences, the first symbol of each included."""
        for ids in sequences:
            for i, symbol in enumerate(ids):
                self._model.study(ids, i, symbol)
        return self

    def bits(self, ids: Past) -> list[float]:
        """The code length of each symbol of a sequence in bits, the first included.

        An 'ltm+' and 'both' remember the sequence from then on: order matters.
        """
        self._model.begin()
        lengths = []
        for i, symbol in enumerate(ids):
            lengths.append(-math.log2(self._model.predict(ids, i).probability(symbol)))
            self._model.learn(ids, i, symbol)
        return lengths
