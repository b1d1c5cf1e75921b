"""The one loop that turns a model and a grammar into tunes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tunesmith.decoding.collecting import without_collecting
from tunesmith.decoding.constraints import Steered
from tunesmith.decoding.constraints.steering import Spot
from tunesmith.decoding.pacing import Pace
from tunesmith.decoding.repetition import Repeats
from tunesmith.decoding.sampling import (
    Floats,
    Sampling,
    choose,
    choose_among,
    log_softmax,
    truncated,
)
from tunesmith.errors import UsageError
from tunesmith.model.inference import KEPT, Network
from tunesmith.tokens import Grammar, State
from tunesmith.tokens.table import LENGTH0, REST

TRIES = 4
"""So many times a tune is drawn without masks, where chance may keep what is asked."""
_HOPEFUL = 0.3
"""Where fewer tunes would come through their very beginning by chance, masks hold."""
_PLANNED = 20.0
"""Nats that an id has more where the tune's header has planned it. In training the plan is always
right, so the network never learns to follow it against a copy that ends otherwise."""
_DEFAULT = 0.05
"""Of the weight of all ids, the least that the default of a plan has."""
_SILENCE = -3.0
"""Nats that a length has more which only a rest may have: about one event in twenty is one."""
_RESTS, _EVENTS = 0.01, 20
"""So many rests of so many events are taken to have been before a tune."""
_RETURN = 2.0
"""Nats that an id has more with which a tune goes on as it did a period before, by how much it
has to be held to that (`Returning.pull`). A small network follows its header's period seldom: what
stood there is but one of many cues."""
_PATIENCE = (0.05, 1.0, 20.0)
"""So many times the usual budget an id gets that takes another's place: all first get little."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A sampled tune.

    Attributes:
        ids: the whole tune, from `bos` to `end`.
        log_probabilities: of each id after the first, in nats, by the model
            alone: before grammar, temperature and the rest.
        free: of each id after the first, whether the grammar left a choice.
        struck: ids that were drawn and struck out, since nothing could have come of them.
        begun_anew: how often the tune was given up and begun anew.
    """

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    free: tuple[bool, ...]
    struck: int = 0
    begun_anew: int = 0


@without_collecting()
def generate_ids(
    network: Network,
    grammars: Sequence[Grammar],
    generators: Sequence[np.random.Generator],
    how: Sampling,
    *,
    keep_first: int = KEPT,
    progress: Callable[[int, int], None] | None = None,
) -> list[Generated]:
    """Sample one tune for each grammar, all in one batch, with a key-value cache.

    Every tune ends, since every grammar does. A tune that outgrows the model's
    context goes on with its first `keep_first` ids (the attributes) and the
    latest half of the context before it.

    What a `Steered` grammar asks may be kept by chance (`Steered.by_chance`). Then a tune is first
    drawn without its masks, and begun anew as soon as nothing that keeps everything can come of it,
    up to `TRIES` times: what comes through is distributed as if whole tunes had been thrown
    away. Otherwise an id after which no tune can be completed is struck out and the draw
    repeated, which always comes to an end, but gives more weight to tunes whose beginning makes the
    rest hard. So are all tunes of a batch at their very beginning, while it is told from the
    weight of what is struck out whether chance will do: if not, they just go on.

    Of the ids that a grammar calls alternatives those that are allowed get the weight of all:
    whether a bar begins now is the model's to say, also where how many there are is not.

    Args:
        network: the model.
        grammars: what each tune must keep.
        generators: the chance of each tune. How many are drawn together changes but the last digits
            of what the model says, besides the above.
        how: temperature and the rest.
        keep_first: ids that stay in view for ever.
        progress: told (tunes ended, tunes) after each step.
    """
    made: list[Generated | None] = [None] * len(grammars)
    begun, chances = [0] * len(grammars), list[float]()
    by_chance = [isinstance(g, Steered) and g.by_chance for g in grammars]
    for attempt in range(TRIES + 1):
        bound = attempt == TRIES or not _is_hopeful(chances)
        rows = [r for r, one in enumerate(made) if one is None and (bound or by_chance[r])]
        if not rows:
            continue
        before = sum(one is not None for one in made)
        told = progress and _added(progress, before, len(grammars))
        mine = [grammars[r] for r in rows], [generators[r] for r in rows]
        batch = _Batch(network, *mine, how, keep_first, None if bound else chances)
        for row, one in zip(rows, batch.draw(told), strict=True):
            if one is None:
                begun[row] += 1
            else:
                made[row] = replace(one, begun_anew=begun[row])
        chances += batch.chances.tolist()
    return [one for one in made if one is not None]


def _added(progress: Callable[[int, int], None], before: int, count: int) -> Callable[[int], None]:
    return lambda ended: progress(before + ended, count)


def _is_hopeful(chances: Sequence[float]) -> bool:
    """Whether chance will do, as far as tunes drawn so far tell."""
    return sum(chances) >= _HOPEFUL * len(chances)


class _Batch:
    """Tunes that are drawn at once, each with its grammar and its chance.

    Args:
        chances: those of tunes drawn before without masks; None if masks hold from the first id on.

    Attributes:
        chances: (tunes,) at most how likely each would have come through its very beginning
            without masks.
    """

    def __init__(
        self,
        network: Network,
        grammars: Sequence[Grammar],
        generators: Sequence[np.random.Generator],
        how: Sampling,
        keep_first: int,
        chances: Sequence[float] | None,
    ) -> None:
        self._before, self.chances = chances, np.ones(len(grammars))
        self._undecided = chances is not None  # whether chance will do
        self._bound = chances is None
        self._strayed = set[int]()  # tunes that chance has lost
        self._network, self._grammars, self._generators = network, grammars, generators
        self._how, self._keep_first = how, keep_first
        self._context = network.config.max_position_embeddings
        self._states = [g.start() for g in grammars]
        self._ids: list[list[int]] = [[] for _ in grammars]
        self._logs: list[list[float]] = [[] for _ in grammars]
        self._free: list[list[bool]] = [[] for _ in grammars]
        self._struck = [0] * len(grammars)
        self._cache = network.new_cache(len(grammars), self._context)
        self._repeats = None
        if how.repetition:
            self._repeats = Repeats(len(grammars), network.config.vocab_size, how.repetition)
        searches = [g.search if isinstance(g, Steered) else None for g in grammars]
        self._pace = Pace(searches, how.temperature)
        for row, grammar in enumerate(grammars):  # `bos` is not sampled
            self._ids[row].append(int(grammar.allowed(self._states[row]).argmax()))
            self._states[row] = grammar.advance(self._states[row], self._ids[row][0])

    def _read(self, rows: list[int], given: bool) -> Floats:
        """Read the last id of each of some tunes; (rows, V) logits of the next one.

        Args:
            rows: the tunes.
            given: whether ids that are no choice in any of them are taken, and read in one go.
        """
        network, grammars, states = self._network, self._grammars, self._states
        more = self._context - self._cache.length - 1 if given else 0
        for row in rows:
            more = _forced(grammars[row], states[row], more)
        if not more:
            return network.step(np.array([self._ids[r][-1] for r in rows]), self._cache)
        for row in rows:
            for _ in range(more):
                token = int(grammars[row].allowed(states[row]).argmax())
                self._ids[row].append(token)
                states[row] = grammars[row].advance(states[row], token)
                if self._repeats:
                    self._repeats.push(row, token)
            self._generators[row].random(more)  # the same chance as if they had been drawn
            self._free[row] += [False] * more
        known = np.array([self._ids[r][-more - 1 :] for r in rows])
        logits = network.prefill(known, self._cache)
        picked = np.take_along_axis(log_softmax(logits[:, :-1]), known[:, 1:, None], 2)
        for place, row in enumerate(rows):
            self._logs[row] += picked[place, :, 0].tolist()
        return logits[:, -1]

    def draw(self, told: Callable[[int], None] | None) -> list[Generated | None]:
        """The tunes; None for those that chance has lost, if it is left to chance.

        Args:
            told: how many tunes have ended, after each step.
        """
        rows = list(range(len(self._grammars)))  # those that are still being written
        lost = set[int]()
        while rows:
            if self._cache.length == self._context:
                read = np.array([self._ids[r][:-1] for r in rows])
                self._cache = self._network.slid(read, self._cache, self._keep_first)
            begins = len(self._ids[rows[0]]) == 1
            logits = self._read(rows, self._bound or begins)
            going_on = self._add(rows, logits)
            if self._undecided:
                self._decide(rows)
            if not (self._bound or self._undecided):
                lost |= self._strayed.intersection(rows)
            running = [p for p, r in enumerate(rows) if going_on[p] and r not in lost]
            if len(running) < len(rows):
                rows = [rows[place] for place in running]
                self._cache = self._cache.select(running)
            if told:
                told(len(self._grammars) - len(rows) - len(lost))
        whole = zip(self._ids, self._logs, self._free, self._struck, strict=True)
        return [
            None if row in lost else Generated(tuple(i), tuple(p), tuple(f), s)
            for row, (i, p, f, s) in enumerate(whole)
        ]

    def _decide(self, rows: list[int]) -> None:
        """Let masks hold if chance will hardly do; or leave it to chance once most have begun."""
        assert self._before is not None
        self._bound = not _is_hopeful([*self._before, *self.chances])
        early = sum(self._hardly_begun(r) for r in rows)
        self._undecided = not self._bound and 2 * early >= len(rows)

    def _hardly_begun(self, row: int) -> bool:
        grammar = self._grammars[row]
        return isinstance(grammar, Steered) and grammar.hardly_begun(self._states[row])

    def _add(self, rows: list[int], logits: Floats) -> list[bool]:
        """Draw an id for each of some tunes; whether it goes on.

        Args:
            rows: the tunes.
            logits: (rows, V) of the model.
        """
        allowed = np.stack([self._allowed(r) for r in rows])
        uniforms = np.array([self._generators[r].random() for r in rows])
        weighed = logits + self._repeats.weights(rows) if self._repeats else logits
        weighed = self._returning(weighed)
        weighed = self._as_planned(rows, weighed)
        for alternatives in self._grammars[0].alternatives:
            weighed = _pooled(weighed, allowed, alternatives)
        several = allowed.sum(axis=1) > 1
        if self._bound:
            spots = [self._states[r] for r in rows]
            weighed = self._pace.led(rows, spots, _silenced(weighed, spots), allowed)
        tokens, open_ = allowed.argmax(axis=1), np.flatnonzero(several)
        if len(open_):
            tokens[open_] = choose(weighed[open_], allowed[open_], uniforms[open_], self._how)
        log_probabilities = log_softmax(logits)
        going_on: list[bool] = []
        for place, row in enumerate(rows):
            token, grammar, state = int(tokens[place]), self._grammars[row], self._states[row]
            struck: list[int] = []
            if isinstance(grammar, Steered) and not grammar.viable(state, token):
                self._strayed.add(row)
                if not (self._bound or self._undecided):
                    going_on.append(False)
                    continue
                others = weighed[place]
                plan = grammar.planned(state)
                if plan and not grammar.pending(state):  # it leads nowhere, so it holds no more
                    others = others.copy()
                    others[plan.ids] -= _PLANNED
                token, struck = _redraw(
                    grammar, state, token, others, self._how, self._generators[row]
                )
                self._struck[row] += len(struck)
            if self._undecided and self._hardly_begun(row):
                self.chances[row] *= self._share(row, weighed[place], struck)
            self._ids[row].append(token)
            if self._repeats:
                self._repeats.push(row, token)
            self._logs[row].append(float(log_probabilities[place, token]))
            self._free[row].append(bool(several[place]))
            self._states[row] = grammar.advance(state, token)
            going_on.append(not grammar.ended(self._states[row]))
        return going_on

    def _returning(self, logits: Floats) -> Floats:
        """(rows, V) logits with more weight on what stood a period before, as far as is planned."""
        recall = self._cache.recall
        due = recall.returning if recall else None
        if due is None:
            return logits
        ids, pull = due
        places = np.flatnonzero((ids >= 0) & (pull > 0))
        if len(places):
            most = _RETURN * (1 + min(0.0, self._how.repetition))  # who wants less gets less
            logits = logits.copy()
            logits[places, ids[places]] += most * pull[places]
        return logits

    def _as_planned(self, rows: list[int], logits: Floats) -> Floats:
        """(rows, V) logits with more weight where a tune comes to what its header has planned."""
        plans = [self._grammars[r].planned(self._states[r]) for r in rows]
        due = [place for place, plan in enumerate(plans) if plan is not None]
        if due:
            logits = logits.copy()
            for place in due:
                plan = plans[place]
                assert plan
                if plan.default >= 0:
                    belief = float(np.logaddexp.reduce(logits[place]))
                    least = belief + math.log(_DEFAULT)
                    logits[place, plan.default] = max(logits[place, plan.default], least)
                logits[place, plan.ids] += _PLANNED
                if plan.whole >= 0:
                    silence = self._silence(rows[place])
                    logits[place] += silence
                    logits[place, plan.whole] -= silence
        return logits

    def _silence(self, row: int) -> float:
        """The logarithm of how often, of so many events of a tune, one was a rest."""
        ids = self._ids[row]
        return math.log((_RESTS + ids.count(REST)) / (_EVENTS + len(ids) / 2))

    def _share(self, row: int, logits: Floats, struck: list[int]) -> float:
        """How much of the weight of the next ids of a tune masks leave, and what was struck out."""
        grammar, state = self._grammars[row], self._states[row]
        assert isinstance(grammar, Steered)
        free, kept = grammar.unbound(state), grammar.allowed(state)
        if free is kept and not struck:
            return 1.0
        weights = truncated(logits, free, self._how)
        left = weights * kept
        left[struck] = 0
        return float(left.sum() / weights.sum())

    def _allowed(self, row: int) -> NDArray[np.bool_]:
        grammar = self._grammars[row]
        if self._bound or row in self._strayed or not isinstance(grammar, Steered):
            return grammar.allowed(self._states[row])
        return grammar.unbound(self._states[row])


def _silenced(logits: Floats, spots: Sequence[State]) -> Floats:
    """(rows, V) logits in which lengths that only a rest may have are as unlikely as rests are."""
    silent = [(p, s.silent) for p, s in enumerate(spots) if isinstance(s, Spot)]
    some = [(place, mask) for place, mask in silent if mask is not None and mask.any()]
    if some:
        logits = logits.copy()
    for place, mask in some:
        logits[place, LENGTH0 : LENGTH0 + len(mask)][mask] += _SILENCE
    return logits


def _pooled(logits: Floats, allowed: NDArray[np.bool_], alternatives: slice) -> Floats:
    """(B, V) logits in which the allowed ones of the alternatives weigh as much as all of them."""
    part, mask = logits[:, alternatives], allowed[:, alternatives]
    rows = np.flatnonzero(mask.any(axis=1) & ~mask.all(axis=1))
    if not len(rows):
        return logits
    part, mask = part[rows], mask[rows]
    top = part.max(axis=1, keepdims=True)
    weights = np.exp(part - top)
    kept = np.maximum((weights * mask).sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    logits = logits.copy()
    logits[rows, alternatives] = part + np.log(weights.sum(axis=1, keepdims=True) / kept)
    return logits


def _forced(grammar: Grammar, state: State, most: int) -> int:
    """How many ids come before the first that is a choice or the last, 0 to `most`."""
    count = 0
    while count < most:
        allowed = np.flatnonzero(grammar.allowed(state))
        if len(allowed) != 1:
            break
        state = grammar.advance(state, int(allowed[0]))
        if grammar.ended(state):
            break
        count += 1
    return count


def _redraw(
    grammar: Steered,
    state: State,
    token: int,
    logits: Floats,
    how: Sampling,
    generator: np.random.Generator,
) -> tuple[int, list[int]]:
    """Another id where the drawn one leads nowhere; and those that were struck out.

    Ids are struck out of what top-k and top-p keep of the allowed ones; only where all
    of that leads nowhere, the rest is looked at in the same way. Where none could be settled in
    its budget, all are looked at once more with a larger one.

    Raises:
        UsageError: if even so none can be told to lead to an end.
    """
    struck = [token]
    for patience in _PATIENCE:
        allowed = grammar.allowed(state).copy()
        allowed[struck[0]] = patience > 1  # it had the usual budget
        while allowed.any():
            weights = truncated(logits, allowed, how)
            while weights.any():
                token = choose_among(weights, generator.random())
                if grammar.viable(state, token, patience):
                    return token, struck
                struck.append(token)
                allowed[token] = False
                weights[token] = 0
    raise UsageError("no way to the end was found in time", remedy="ask for less, or fewer bars")
