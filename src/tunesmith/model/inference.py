"""The network for composing and scoring: numpy alone, with a key-value cache.

Shapes as in `network.py`: B sequences, T positions, D width, H query heads, K key
and value heads, G = H / K query heads to each of these, E width of a head, V tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tunesmith.model.config import ModelConfig

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Recalled = tuple[Integers, Integers, Integers]
"""What a tune recalls at each id: candidates (B, T, C), trust (B, T, C), places (B, T, P)."""
KEPT = 11
"""Ids at the start of a long sequence that every window sees: its attributes."""
_IDS = 2048  # read at once when scoring
_BLOCK = 64  # queries that attention takes at once


@dataclass(frozen=True, slots=True)
class _Layer:
    first_norm: Floats  # (D,)
    qkv: Floats  # (D, (H + 2K) E)
    qk_norm: Floats  # (H + K, E); that of queries with the 1/sqrt(E) of attention in it
    out: Floats  # (H E, D)
    second_norm: Floats  # (D,)
    gate_up: Floats  # (D, 2F)
    down: Floats  # (F, D)


class Recall(Protocol):
    """What the tunes of a batch recall; `tokens.recall` has it for each vocabulary."""

    @property
    def returning(self) -> tuple[Integers, NDArray[np.float64]] | None:
        """(B,) ids with which tunes go on as planned, or -1, and how much they have to; or None."""

    def read(self, ids: NDArray[np.integer]) -> Recalled:
        """Read (B, T) further ids of each."""

    def select(self, rows: Sequence[int]) -> Recall:
        """The memory of some of the tunes."""


class Cache:
    """Keys and values of what was read so far.

    Attributes:
        length: positions read.
        keys, values: each (L, B, K, capacity, E).
        recall: what the sequences recall, or None.
        seen: what each position recalled, as far as `recall` is there; (B, capacity, …) each.
    """

    def __init__(
        self,
        keys: Floats,
        values: Floats,
        length: int,
        recall: Recall | None,
        seen: Sequence[Integers] = (),
    ) -> None:
        self.keys, self.values, self.length, self.recall = keys, values, length, recall
        self.seen = seen

    def select(self, rows: Sequence[int]) -> Cache:
        """The cache of some of the sequences, in their order; it takes this one's place."""
        recall = self.recall.select(rows) if self.recall else None
        for to, row in enumerate(rows):
            assert row >= to, "rows go up"
            if row > to:
                self.keys[:, to, :, : self.length] = self.keys[:, row, :, : self.length]
                self.values[:, to, :, : self.length] = self.values[:, row, :, : self.length]
                for part in self.seen:
                    part[to, : self.length] = part[row, : self.length]
        count = len(rows)
        keys, values = self.keys[:, :count], self.values[:, :count]
        return Cache(keys, values, self.length, recall, [part[:count] for part in self.seen])


class Network:
    """A model ready to run.

    Args:
        weights: under Hugging Face's names, float32; see `ModelConfig.shapes`.
        config: the shape.
        recall: makes the memory of a batch of so many sequences, where the shape has channels.
    """

    def __init__(
        self,
        weights: Mapping[str, Floats],
        config: ModelConfig,
        recall: Callable[[int], Recall] | None = None,
    ) -> None:
        assert bool(config.recall_channels) == bool(recall), "a recall goes with its channels"
        self.config, self._recall = config, recall
        if recall:
            self._gain = weights["recall.embed_gain.weight"]
            self._state = weights["recall.embed_state.weight"]
        self._embedding = weights["model.embed_tokens.weight"]
        self._output = np.ascontiguousarray(self._embedding.T)
        self._norm = weights["model.norm.weight"]
        self._layers = [self._layer(weights, i) for i in range(config.num_hidden_layers)]
        half = np.arange(0, config.head_dim, 2, dtype=np.float32)
        frequencies = np.float32(config.rope_theta) ** (-half / config.head_dim)
        angles = np.outer(np.arange(config.max_position_embeddings, dtype=np.float32), frequencies)
        self._cos, self._sin = np.cos(angles), np.sin(angles)  # (T, E/2)

    def _layer(self, weights: Mapping[str, Floats], i: int) -> _Layer:
        def w(name: str) -> Floats:
            return weights[f"model.layers.{i}.{name}.weight"]

        attention = [w(f"self_attn.{n}_proj") for n in "qkv"]
        c = self.config
        q_norm, k_norm = (w(f"self_attn.{n}_norm") for n in "qk")
        q_norm = q_norm * np.float32(c.head_dim**-0.5)
        counts = (c.num_attention_heads, c.num_key_value_heads)
        return _Layer(
            first_norm=w("input_layernorm"),
            qkv=np.ascontiguousarray(np.concatenate(attention).T),
            qk_norm=np.repeat([q_norm, k_norm], counts, axis=0),
            out=np.ascontiguousarray(w("self_attn.o_proj").T),
            second_norm=w("post_attention_layernorm"),
            gate_up=np.ascontiguousarray(np.concatenate([w("mlp.gate_proj"), w("mlp.up_proj")]).T),
            down=np.ascontiguousarray(w("mlp.down_proj").T),
        )

    # -- generating ------------------------------------------------------------

    def new_cache(self, batch: int, capacity: int, recall: Recall | None = None) -> Cache:
        """An empty cache for `batch` sequences of up to `capacity` positions.

        The capacity is taken as needed, so that a large one costs nothing at first.
        """
        if recall is None and self._recall:
            recall = self._recall(batch)
        c = self.config
        shape = (c.num_hidden_layers, batch, c.num_key_value_heads, min(capacity, 256), c.head_dim)
        return Cache(np.empty(shape, np.float32), np.empty(shape, np.float32), 0, recall)

    def step(self, ids: NDArray[np.integer], cache: Cache) -> Floats:
        """(B,) the next id of each sequence to (B, V) logits of the one after."""
        return self.prefill(ids[:, None], cache)[:, -1]

    def prefill(
        self, ids: NDArray[np.integer], cache: Cache, seen: Recalled | None = None
    ) -> Floats:
        """(B, T) further ids of each sequence to (B, T, V) logits; the cache grows by T.

        Args:
            ids: the ids.
            cache: what was read before.
            seen: what the ids recall, if that is known; it is not read again then.
        """
        start, end = cache.length, cache.length + ids.shape[1]
        assert end <= self.config.max_position_embeddings, "the context is full"
        self._make_room(cache, end)
        x = self._embedding[ids]
        if cache.recall:
            seen = seen or cache.recall.read(ids)
            self._keep(seen, cache, start)
            x = x + self._recalled(seen)
        for i, layer in enumerate(self._layers):
            q, k, v = self._project(x, layer, start)
            cache.keys[i, :, :, start:end], cache.values[i, :, :, start:end] = k, v
            keys, values = cache.keys[i, :, :, :end], cache.values[i, :, :, :end]
            x = self._block(x, layer, _attention(q, keys, values))
        cache.length = end
        return _times(_rms_norm(x, self._norm, self.config.rms_norm_eps), self._output)

    def _recalled(self, seen: Recalled) -> Floats:
        """What is recalled, to (B, T, D); see `network.RecallEmbedding`."""
        candidates, trust, places = seen
        total = np.einsum("btcd,btcd->btd", self._embedding[candidates], self._gain[trust])
        rows = np.concatenate([trust, places + len(self._gain)], axis=2)
        x: Floats = total + self._state[rows].sum(axis=2)
        return x

    @staticmethod
    def _keep(seen: Recalled, cache: Cache, start: int) -> None:
        """Put what the ids from a position on recall into the cache."""
        room = cache.keys.shape[3]
        if not cache.seen:
            cache.seen = [np.empty((len(p), room, p.shape[2]), np.int64) for p in seen]
        for kept, part in zip(cache.seen, seen, strict=True):
            kept[:, start : start + part.shape[1]] = part

    def slid(self, ids: NDArray[np.integer], cache: Cache, keep_first: int) -> Cache:
        """A cache of some first ids and the latest half context, in place of one that is full.

        What the sequences recall is still of all that was read.

        Args:
            ids: (B, T) all that was read.
            cache: full.
            keep_first: so many ids stay.
        """
        context, length = self.config.max_position_embeddings, ids.shape[1]
        half = context // 2
        kept = ids[:, np.r_[:keep_first, length - half : length]]
        after = self.new_cache(len(ids), context, cache.recall)
        seen = None
        if cache.seen:
            candidates, trust, places = (
                part[:, np.r_[:keep_first, context - half : context]] for part in cache.seen
            )
            seen = candidates, trust, places
        self.prefill(kept, after, seen)
        return after

    def _make_room(self, cache: Cache, length: int) -> None:
        room = cache.keys.shape[3]
        if length <= room:
            return
        more = min(max(length, 2 * room), self.config.max_position_embeddings) - room
        padding = [(0, 0), (0, 0), (0, 0), (0, more), (0, 0)]
        cache.keys, cache.values = np.pad(cache.keys, padding), np.pad(cache.values, padding)
        cache.seen = [np.pad(part, [(0, 0), (0, more), (0, 0)]) for part in cache.seen]

    # -- scoring ---------------------------------------------------------------

    def forward(self, ids: NDArray[np.integer], seen: Recalled | None = None) -> Floats:
        """(B, T) ids to (B, T, V) logits; rows may be padded on the right."""
        return self.prefill(ids, self.new_cache(*ids.shape), seen)

    def log_probabilities(
        self, sequences: Sequence[NDArray[np.integer]]
    ) -> list[NDArray[np.float64]]:
        """The log-probability in nats of each id of each sequence but the first.

        A sequence longer than the context is read in windows that overlap by half
        a context: each sees the first 11 ids and the half context before what it
        scores, and every id is scored once. What it recalls is of the whole sequence.

        Returns:
            For each sequence of n ids, (n - 1,).
        """
        results = [np.empty(len(ids) - 1) for ids in sequences]
        for i, place, distributions in self.distributions(sequences):
            ids = sequences[i][place + 1 : place + 1 + len(distributions)].astype(np.int64)
            results[i][place : place + len(ids)] = distributions[np.arange(len(ids)), ids]
        return results

    def distributions(
        self, sequences: Sequence[NDArray[np.integer]]
    ) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """What the model expects at each id of each sequence but the first; windows as above.

        Yields:
            Piece by piece, in no order: which sequence, how many of its (n - 1) places lie
            before, and (S, V) log-probabilities in nats of the S next ones.
        """
        windows = [(i, *w) for i, ids in enumerate(sequences) for w in self._windows(len(ids))]
        windows.sort(key=lambda w: len(w[1]))
        while windows:
            length = len(windows[-1][1])
            rows = max(1, _IDS // length)
            batch, windows = windows[-rows:], windows[:-rows]
            ids = np.zeros((len(batch), length), np.int64)
            for row, (i, window, _, _) in enumerate(batch):
                ids[row, : len(window)] = sequences[i][window]
            forward = self.forward(ids[:, :-1], self._seen(ids[:, :-1], batch, sequences))
            for row, (i, window, scored, place) in enumerate(batch):
                n = len(window) - 1
                logits: NDArray[np.float64] = forward[row, n - scored : n].astype(np.float64)
                logits -= logits.max(axis=-1, keepdims=True)
                logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
                yield i, place, logits

    def _windows(self, length: int) -> list[tuple[Integers, int, int]]:
        """Windows of places, how many of their last ids count, and where these go."""
        context = self.config.max_position_embeddings
        places = np.arange(length)
        if length <= context:
            return [(places, length - 1, 0)]
        windows = [(places[:context], context - 1, 0)]
        half = context // 2
        for start in range(context, length, half - KEPT):
            end = min(start + half - KEPT, length)
            seen = np.concatenate([places[:KEPT], places[start - half : end]])
            windows.append((seen, end - start, start - 1))
        return windows

    def _seen(
        self,
        ids: Integers,
        batch: Sequence[tuple[int, Integers, int, int]],
        sequences: Sequence[NDArray[np.integer]],
    ) -> Recalled | None:
        """What the ids of a batch of windows recall: each its whole sequence, as far as read."""
        if not self._recall:
            return None
        seen = self._recall(len(batch)).read(ids)
        for row, (i, window, _, _) in enumerate(batch):
            if len(sequences[i]) > self.config.max_position_embeddings:
                whole = self._recall(1).read(np.asarray(sequences[i])[None])
                for part, of_whole in zip(seen, whole, strict=True):
                    part[row, : len(window) - 1] = of_whole[0, window[:-1]]
        return seen

    # -- the layers --------------------------------------------------------------

    def _project(self, x: Floats, layer: _Layer, start: int) -> tuple[Floats, Floats, Floats]:
        """(B, T, D) to rotated queries (B, H, T, E), keys and values (B, K, T, E)."""
        c = self.config
        b, t, _ = x.shape
        heads = _times(_rms_norm(x, layer.first_norm, c.rms_norm_eps), layer.qkv)
        heads = heads.reshape(b, t, -1, c.head_dim)
        h, k = c.num_attention_heads, c.num_key_value_heads
        cos, sin = self._cos[start : start + t, None], self._sin[start : start + t, None]
        turned = _rotate(_rms_norm(heads[:, :, : h + k], layer.qk_norm, c.rms_norm_eps), cos, sin)
        turned, values = turned.swapaxes(1, 2), heads[:, :, h + k :].swapaxes(1, 2)
        return turned[:, :h], turned[:, h:], values

    def _block(self, x: Floats, layer: _Layer, mixed: Floats) -> Floats:
        """What attention found, (B, T, H E), and the gated layer added to (B, T, D)."""
        x = x + _times(mixed, layer.out)
        inner = _times(_rms_norm(x, layer.second_norm, self.config.rms_norm_eps), layer.gate_up)
        half = inner.shape[-1] // 2
        gate, up = inner[..., :half], inner[..., half:]
        with np.errstate(over="ignore"):  # exp(-gate) at infinity gives the right 0
            return x + _times(gate / (1 + np.exp(-gate)) * up, layer.down)


def _times(x: Floats, weight: Floats) -> Floats:
    """(…, D) by (D, N) as one product of matrices: numpy would take each of B by itself."""
    rows: Floats = x.reshape(-1, x.shape[-1]) @ weight
    return rows.reshape(*x.shape[:-1], -1)


def _rms_norm(x: Floats, weight: Floats, eps: float) -> Floats:
    """Divide by the root mean square along the last axis (Zhang and Sennrich 2019)."""
    mean = np.einsum("...i,...i->...", x, x)[..., None] / np.float32(x.shape[-1])
    normed: Floats = x / np.sqrt(mean + np.float32(eps)) * weight
    return normed


def _rotate(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """(B, T, heads, E) turned by its positions' angles, each (T, 1, E/2)."""
    half = x.shape[-1] // 2
    left, right = x[..., :half], x[..., half:]
    return np.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1)


def _attention(q: Floats, keys: Floats, values: Floats) -> Floats:
    """(B, H, T, E) queries, the last T of S positions, to (B, T, H E).

    Queries are taken in blocks, each against the keys up to its end: that halves the work,
    and the scores stay in the processor's cache.

    Args:
        q: queries.
        keys: (B, K, S, E).
        values: (B, K, S, E).
    """
    b, h, t, e = q.shape
    k, start = keys.shape[1], keys.shape[2] - t
    mixed = np.empty((b, t, h, e), np.float32)
    for first in range(0, t, _BLOCK):
        last = min(first + _BLOCK, t)
        n, seen = last - first, start + last
        grouped = q[:, :, first:last].reshape(b, k, -1, e)  # (B, K, G N, E)
        scores: Floats = grouped @ keys[:, :, :seen].swapaxes(-1, -2)  # (B, K, G N, S)
        if n > 1:
            scores.reshape(b, h, n, seen)[..., start + first :] += _ahead(n)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        np.divide(scores, scores.sum(axis=-1, keepdims=True), out=scores)
        mixed[:, first:last] = (scores @ values[:, :, :seen]).reshape(b, h, n, e).swapaxes(1, 2)
    return mixed.reshape(b, t, -1)


@lru_cache(maxsize=64)
def _ahead(n: int) -> Floats:
    """(N, N) zero where a position may look, -inf where a key lies ahead of it."""
    places = np.arange(n)
    return np.where(places > places[:, None], -np.inf, 0).astype(np.float32)
