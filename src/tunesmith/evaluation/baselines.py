"""Plain predictors of a stream of symbols; PPM, the strongest, is in `ppm`.

A stream is one kind of choice: lengths, say, or pitches. `melody_models` joins streams to
baselines of whole tunes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass
from typing import Protocol

from tunesmith.evaluation.ppm import Distribution, Past


class Expectation(Protocol):
    """What a predictor expects: a `Distribution`, or the like of it."""

    @property
    def named(self) -> dict[Hashable, float]:
        """The probability of each symbol that was ever seen."""

    @property
    def other(self) -> float:
        """The probability of each symbol that was not."""

    @property
    def alphabet(self) -> int:
        """How many symbols there are."""

    def probability(self, symbol: Hashable) -> float:
        """The probability of a symbol, in (0, 1]."""


class Stream(Protocol):
    """A predictor of one kind of choice, symbol by symbol.

    `past` holds the symbols of this stream in the tune; those before `at` may be looked at.

    Attributes:
        parts: what each of the predictors that it combines last said; () if it is one.
    """

    @property
    def parts(self) -> tuple[Distribution, ...]:
        """As said above."""

    def begin(self) -> None:
        """Begin a tune."""

    def study(self, past: Past, at: int, symbol: Hashable) -> None:
        """Learn from a training tune that `symbol` came."""

    def predict(self, past: Past, at: int) -> Expectation:
        """What is expected next."""

    def learn(self, past: Past, at: int, symbol: Hashable, *, lasting: bool = True) -> None:
        """Hear that `symbol` came in the tune at hand."""


class Uniform:
    """Every symbol of the alphabet alike."""

    parts: tuple[Distribution, ...] = ()

    def __init__(self, alphabet: int) -> None:
        self._expected = Distribution({}, 1 / alphabet, alphabet)

    def begin(self) -> None:
        """Nothing to begin."""

    def study(self, past: Past, at: int, symbol: Hashable) -> None:
        """Nothing to learn."""

    def predict(self, past: Past, at: int) -> Expectation:
        """1 / alphabet for each."""
        return self._expected

    def learn(self, past: Past, at: int, symbol: Hashable, *, lasting: bool = True) -> None:
        """Nothing to learn."""


class Markov(Uniform):
    """Counts of symbols in contexts, mixed from the longest context to none.

    P(x | c) = (n(x, c) + d(c) P(x | c')) / (n(c) + d(c)), where n counts, d(c) is
    how many different symbols followed c, and c' is the next shorter context; at
    the end of the chain stands 1 / alphabet. This is the interpolation of Witten
    and Bell (1991), which is also PPM's escape method C (Moffat 1990) without
    exclusion.

    Args:
        alphabet: how many symbols there are, seen or not.
        order: how many earlier symbols a context holds; 0 for none (a unigram).
    """

    def __init__(self, alphabet: int, order: int) -> None:
        super().__init__(alphabet)
        self.order = order
        self._counts: dict[Hashable, dict[Hashable, int]] = defaultdict(dict)

    def sharing(self, order: int) -> Markov:
        """One of a lower order over the same counts."""
        other = copy(self)
        other.order = order
        return other

    def study(self, past: Past, at: int, symbol: Hashable) -> None:
        """Count the symbol in each of its contexts."""
        for length in range(min(self.order, at) + 1):
            followers = self._counts[tuple(past[at - length : at])]
            followers[symbol] = followers.get(symbol, 0) + 1

    def predict(self, past: Past, at: int) -> Expectation:
        """The mixture of all contexts that were seen."""
        chain: list[dict[Hashable, int]] = []
        for length in range(min(self.order, at) + 1):
            followers = self._counts.get(tuple(past[at - length : at]))
            if followers is None:
                break  # longer ones were not seen either
            chain.append(followers)
        return _Mixture(chain, self._expected.alphabet)


class _Mixture:
    """The interpolation over a chain of contexts, from none to the longest.

    Only what is asked for is worked out: most often the probability of one symbol.
    """

    def __init__(self, chain: list[dict[Hashable, int]], alphabet: int) -> None:
        self._chain, self.alphabet = chain, alphabet

    def probability(self, symbol: Hashable) -> float:
        """The probability of a symbol, in (0, 1]."""
        p = 1 / self.alphabet
        for followers in self._chain:
            kinds = len(followers)
            p = (followers.get(symbol, 0) + kinds * p) / (sum(followers.values()) + kinds)
        return p

    @property
    def named(self) -> dict[Hashable, float]:
        """The probability of each symbol that was ever seen."""
        seen = dict.fromkeys(s for followers in self._chain for s in followers)
        return {symbol: self.probability(symbol) for symbol in seen}

    @property
    def other(self) -> float:
        """The probability of each symbol that was not."""
        return self.probability(_UNSEEN)


_UNSEEN = object()


class Copy(Markov):
    """What followed the longest earlier match in the same tune, else a Markov model of order 1.

    The symbol that came after the latest place where the last m symbols stood before, for
    the largest m of 1, 2, 4, 8 and 16, gets the share of training cases in which such a symbol was
    right after a match of that length, (hits + 1) / (cases + 2). The other symbols divide the
    rest in the proportions of the Markov model. Without a match that model speaks alone.

    Args:
        alphabet: how many symbols there are, seen or not.
    """

    LENGTHS = (1, 2, 4, 8, 16)

    def __init__(self, alphabet: int) -> None:
        super().__init__(alphabet, 1)
        self._hits = dict.fromkeys(self.LENGTHS, 0)
        self._cases = dict.fromkeys(self.LENGTHS, 0)
        self._after: dict[Hashable, Hashable] = {}

    def begin(self) -> None:
        """Forget the tune before."""
        self._after = {}

    def study(self, past: Past, at: int, symbol: Hashable) -> None:
        """Learn how far a match of its length is to be trusted."""
        length, expected = self._match(past, at)
        if length:
            self._cases[length] += 1
            self._hits[length] += expected == symbol
        super().study(past, at, symbol)
        self.learn(past, at, symbol)

    def predict(self, past: Past, at: int) -> Expectation:
        """The continuation of the longest match, and the rest by the Markov model."""
        usual = super().predict(past, at)
        length, expected = self._match(past, at)
        if not length or (before := usual.probability(expected)) >= 1:
            return usual
        trust = (self._hits[length] + 1) / (self._cases[length] + 2)
        return _Favoured(usual, expected, trust, (1 - trust) / (1 - before))

    def learn(self, past: Past, at: int, symbol: Hashable, *, lasting: bool = True) -> None:
        """Remember what followed the last symbols."""
        for length in self.LENGTHS:
            if length > at:
                break
            self._after[tuple(past[at - length : at])] = symbol

    def _match(self, past: Past, at: int) -> tuple[int, Hashable]:
        """The length of the longest match, 0 for none, and what followed it."""
        found: tuple[int, Hashable] = (0, None)
        for length in self.LENGTHS:
            context = tuple(past[at - length : at])
            if length > at or context not in self._after:
                break
            found = length, self._after[context]
        return found


@dataclass(frozen=True, slots=True)
class _Favoured:
    """A distribution in which one symbol has another probability, and the others their shares."""

    usual: Expectation
    symbol: Hashable
    trust: float
    share: float

    @property
    def alphabet(self) -> int:
        """How many symbols there are."""
        return self.usual.alphabet

    @property
    def other(self) -> float:
        """The probability of each symbol that was never seen."""
        return self.usual.other * self.share

    @property
    def named(self) -> dict[Hashable, float]:
        """The probability of each symbol that was."""
        return {s: p * self.share for s, p in self.usual.named.items()} | {self.symbol: self.trust}

    def probability(self, symbol: Hashable) -> float:
        """The probability of a symbol, in (0, 1]."""
        return self.trust if symbol == self.symbol else self.usual.probability(symbol) * self.share
