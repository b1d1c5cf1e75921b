"""The one loop that turns a model and a grammar into tunes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.decoding.constraints import Steered
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
from tunesmith.model.inference import Cache, Network
from tunesmith.tokens import Grammar, State

_PATIENCE = 20
"""So many times the usual budget, where without it there is no way on."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A sampled tune.

    Attributes:
        ids: the whole tune, from `bos` to `end`.
        log_probabilities: of each id after the first, in nats, by the model
            alone: before grammar, temperature and the rest.
        free: of each id after the first, whether the grammar left a choice.
        struck: ids that were drawn and struck out, since nothing could have come of them.
    """

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    free: tuple[bool, ...]
    struck: int = 0


def generate_ids(
    network: Network,
    grammars: Sequence[Grammar],
    generators: Sequence[np.random.Generator],
    how: Sampling,
    *,
    keep_first: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> list[Generated]:
    """Sample one tune for each grammar, all in one batch, with a key-value cache.

    Every tune ends, since every grammar does. A tune that outgrows the model's
    context goes on with its first `keep_first` ids (the attributes) and the
    latest half of the context before it.

    Under a `Steered` grammar an id after which no tune can be completed is struck out and the
    draw repeated: what remains is the model's distribution over the ids that can. Of the ids
    that a grammar calls alternatives those that are allowed get the weight of all: whether a bar
    begins now is the model's to say, also where how many there are is not.

    Args:
        network: the model.
        grammars: what each tune must keep.
        generators: the chance of each tune, so that it depends on no neighbour.
        how: temperature and the rest.
        keep_first: ids that stay in view for ever.
        progress: told (tunes ended, tunes) after each step.
    """
    states = [g.start() for g in grammars]
    ids: list[list[int]] = [[] for _ in grammars]
    logs: list[list[float]] = [[] for _ in grammars]
    free: list[list[bool]] = [[] for _ in grammars]
    struck = [0] * len(grammars)
    context = network.config.max_position_embeddings
    given = min(_forced(g, s, context) for g, s in zip(grammars, states, strict=True))
    for row, grammar in enumerate(grammars):  # what is given, `bos` at least, is not sampled
        for _ in range(given):
            ids[row].append(int(grammar.allowed(states[row]).argmax()))
            states[row] = grammar.advance(states[row], ids[row][-1])
        generators[row].random(given - 1)  # the same chance as if they had been drawn
        free[row] = [False] * (given - 1)
    repeats = None
    if how.repetition:
        repeats = Repeats(len(grammars), network.config.vocab_size, how.repetition)
        for row, known in enumerate(ids):
            for token in known[1:]:
                repeats.push(row, token)
    rows = list(range(len(grammars)))  # those that are still being written
    cache = network.new_cache(len(rows), context)
    if given > 1:
        known_ids = np.array(ids)
        read = log_softmax(network.prefill(known_ids[:, :-1], cache))
        picked = np.take_along_axis(read, known_ids[:, 1:, None], 2)[:, :, 0]
        logs = [[float(x) for x in row] for row in picked]
    while rows:
        if cache.length == context:
            cache = _slide(network, [ids[r] for r in rows], keep_first, context)
        logits = network.step(np.array([ids[r][-1] for r in rows]), cache)
        allowed = np.stack([grammars[r].allowed(states[r]) for r in rows])
        uniforms = np.array([generators[r].random() for r in rows])
        weighed = logits + repeats.weights(rows) if repeats else logits
        weighed = _pooled(weighed, allowed, grammars[0].alternatives)
        tokens = choose(weighed, allowed, uniforms, how)
        log_probabilities = log_softmax(logits)
        several = allowed.sum(axis=1) > 1
        running = []
        for place, row in enumerate(rows):
            token = int(tokens[place])
            grammar = grammars[row]
            if isinstance(grammar, Steered) and not grammar.viable(states[row], token):
                token, tries = _redraw(
                    grammar, states[row], token, weighed[place], how, generators[row]
                )
                struck[row] += tries
            ids[row].append(token)
            if repeats:
                repeats.push(row, token)
            logs[row].append(float(log_probabilities[place, token]))
            free[row].append(bool(several[place]))
            states[row] = grammar.advance(states[row], token)
            if not grammar.ended(states[row]):
                running.append(place)
        if len(running) < len(rows):
            rows = [rows[place] for place in running]
            cache = cache.select(running)
        if progress:
            progress(len(grammars) - len(rows), len(grammars))
    return [
        Generated(tuple(i), tuple(p), tuple(f), s)
        for i, p, f, s in zip(ids, logs, free, struck, strict=True)
    ]


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
    """How many ids there are before the first that is a choice or the last, 1 to `most`."""
    count = 0
    while count < most:
        allowed = np.flatnonzero(grammar.allowed(state))
        if len(allowed) != 1:
            break
        state = grammar.advance(state, int(allowed[0]))
        if grammar.ended(state):
            break
        count += 1
    return max(1, count)


def _redraw(
    grammar: Steered,
    state: State,
    token: int,
    logits: Floats,
    how: Sampling,
    generator: np.random.Generator,
) -> tuple[int, int]:
    """Another id where the drawn one leads nowhere; and how many were struck out.

    Ids are struck out of what top-k and top-p keep of the allowed ones; only where all
    of that leads nowhere, the rest is looked at in the same way. Where none could be settled in
    its budget, all are looked at once more with patience.

    Raises:
        UsageError: if even so none can be told to lead to an end.
    """
    allowed = grammar.allowed(state).copy()
    weights = truncated(logits, allowed, how)
    tries, patience = 0, 1
    while True:
        tries += 1
        allowed[token] = False
        weights[token] = 0
        if not weights.any():
            if not allowed.any():
                if patience > 1:
                    raise UsageError(
                        "no way to the end was found in time", remedy="ask for less, or fewer bars"
                    )
                patience, allowed = _PATIENCE, grammar.allowed(state).copy()
            weights = truncated(logits, allowed, how)
        token = choose_among(weights, generator.random())
        if grammar.viable(state, token, patience):
            return token, tries


def _slide(network: Network, ids: list[list[int]], keep_first: int, context: int) -> Cache:
    """A cache that holds the first ids of each tune and the latest half context before the last.

    What the tunes recall is still of all that was read.
    """
    before = np.array(ids)[:, :-1]
    length = before.shape[1]
    places = np.r_[:keep_first, length - context // 2 : length]
    cache = network.new_cache(len(ids), context)
    seen = None
    if cache.recall:
        candidates, trust, where = cache.recall.read(before)
        seen = candidates[:, places], trust[:, places], where[:, places]
    network.prefill(before[:, places], cache, seen)
    return cache
