"""Who trains, who validates, who tests: by cluster, by hash, and for good.

A tune that has a side keeps it, whatever is added later. A new tune takes the
side of the near-duplicates it touches; one that touches two sides would carry
music across and is left out, as a bridge. What touches nothing goes by the hash
of its cluster, so that the same tunes are always split in the same way.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunesmith.corpus.duplicates import Groups
from tunesmith.errors import UsageError

SIDES = ("train", "validation", "test")
SHARES = (0.90, 0.05, 0.05)
"""The share of tunes that each side gets, as expected by the hash."""

NEW = -1
BRIDGE = -2


@dataclass(frozen=True)
class Placement:
    """Where the tunes go.

    Attributes:
        sides: for each, its place in `SIDES`, or `BRIDGE`.
        clusters: for each, the smallest key in its cluster; its own for a bridge.
    """

    sides: list[int]
    clusters: list[int]


def check_shares(shares: Sequence[float]) -> None:
    """Raise a `UsageError` if these are not three shares that add up to 1."""
    if len(shares) != 3 or min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise UsageError(
            f"shares of {', '.join(f'{s:g}' for s in shares)}",
            remedy="give three of 0 or more that add up to 1: train, validation, test",
        )


def place(
    keys: Sequence[int],
    edges: ArrayLike,
    settled: Mapping[int, int],
    shares: Sequence[float] = SHARES,
) -> Placement:
    """Give each tune its side.

    Args:
        keys: a 64-bit key of each tune's content, all different.
        edges: pairs of near-duplicates, as places in `keys`; (n, 2).
        settled: by key, the side that a tune has already.
        shares: expected share of each side.
    """
    pairs = np.asarray(edges, dtype=np.uint32).reshape(-1, 2)
    sides = [settled.get(key, NEW) for key in keys]
    if settled:
        _spread(keys, _Near(pairs, len(keys)), sides)
    fresh = [i for i, side in enumerate(sides) if side == NEW]
    groups = Groups(len(keys))
    for pair in pairs:
        a, b = int(pair[0]), int(pair[1])
        if sides[a] == sides[b] != BRIDGE:
            groups.join(a, b)
    lowest: dict[int, int] = {}
    for i, key in enumerate(keys):
        root = groups.find(i)
        lowest[root] = min(key, lowest.get(root, key))
    clusters = [lowest[groups.find(i)] for i in range(len(keys))]
    for i in fresh:
        sides[i] = _side_by_hash(clusters[i], shares)
    _give_each_side_one(sides, clusters, fresh, shares)
    return Placement(sides, clusters)


class _Near:
    """The near-duplicates of each tune, in 12 bytes for each end of a pair.

    Args:
        pairs: places of tunes; (n, 2).
        size: how many tunes there are.
    """

    def __init__(self, pairs: NDArray[np.uint32], size: int) -> None:
        ends = np.concatenate((pairs, pairs[:, ::-1])).astype(np.uint64)
        both = ends[:, 0] << np.uint64(32)
        both |= ends[:, 1]
        del ends
        both.sort()  # in place, and with no order beside it
        self._tunes = both.astype(np.uint32)  # the lower half
        self._ends = np.searchsorted(both, np.arange(size + 1, dtype=np.uint64) << np.uint64(32))

    def __getitem__(self, tune: int) -> list[int]:
        near: list[int] = self._tunes[self._ends[tune] : self._ends[tune + 1]].tolist()
        return near


def _spread(keys: Sequence[int], near: _Near, sides: list[int]) -> None:
    """New tunes that touch placed ones take their side, then those that touch these."""
    by_key = sorted(range(len(keys)), key=keys.__getitem__)  # not in the order of the sources
    waiting = deque(i for i in by_key if sides[i] == NEW and any(sides[j] >= 0 for j in near[i]))
    while waiting:
        i = waiting.popleft()
        if sides[i] != NEW:
            continue
        touched = {sides[j] for j in near[i] if sides[j] >= 0}
        if len(touched) > 1:
            sides[i] = BRIDGE
            continue
        sides[i] = touched.pop()
        waiting.extend(sorted((j for j in near[i] if sides[j] == NEW), key=keys.__getitem__))


def _chance(key: int) -> float:
    """A number from 0 to 1, even and fixed, for a key."""
    digest = hashlib.blake2b(key.to_bytes(8, "big"), digest_size=8, person=b"split").digest()
    return int.from_bytes(digest, "big") / 2**64


def _side_by_hash(key: int, shares: Sequence[float]) -> int:
    chance = _chance(key)
    return 0 if chance < shares[0] else 1 if chance < shares[0] + shares[1] else 2


def _give_each_side_one(
    sides: list[int], clusters: Sequence[int], fresh: Sequence[int], shares: Sequence[float]
) -> None:
    """See that no side that has a share is empty, where there are three clusters or more.

    A side that is empty gets the smallest new cluster of the side with most
    clusters. With one or two clusters, none of them settled, all go to training.
    """
    kept = [i for i, side in enumerate(sides) if side >= 0]
    total = len({clusters[i] for i in kept})
    if total < 3:
        if len(kept) == len(fresh):
            for i in fresh:
                sides[i] = 0
        return
    members: dict[int, list[int]] = {}
    for i in fresh:
        members.setdefault(clusters[i], []).append(i)
    for empty in range(3):
        count = [len({clusters[i] for i in kept if sides[i] == s}) for s in range(3)]
        if count[empty] or not shares[empty]:
            continue
        giver = max(range(3), key=lambda s: count[s])
        offered = [c for c, tunes in members.items() if sides[tunes[0]] == giver]
        if count[giver] < 2 or not offered:
            continue
        chosen = min(offered, key=lambda c: (len(members[c]), _chance(c)))
        for i in members[chosen]:
            sides[i] = empty
