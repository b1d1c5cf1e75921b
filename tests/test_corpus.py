"""The corpus room: sources, reading, duplicates, splits, store."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith import formats
from tunesmith.corpus import SIDES, Corpus, Prepared, named_corpora, prepare, store, summary
from tunesmith.corpus.duplicates import (
    SKETCH,
    Groups,
    Sketch,
    Sketches,
    _alignments,
    are_near,
    content_key,
    sketch,
)
from tunesmith.corpus.sources import find_sources
from tunesmith.corpus.splits import BRIDGE, SHARES, place
from tunesmith.errors import InputError, MissingExtraError, OutputError, UsageError
from tunesmith.melody import Melody, Note

SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21, 23)
LETTERS = "CDEFGABcdefgab"

# -- tunes ----------------------------------------------------------------------------------


def degrees(seed: int, length: int = 64) -> list[int]:
    """A random walk on the scale; two seeds have no runs to speak of in common."""
    r = random.Random(seed)
    place, walk = 5, []
    for _ in range(length):
        walk.append(place)
        place = min(12, max(0, place + r.choice((-4, -3, -2, -1, -1, 0, 1, 1, 2, 3, 4))))
    return walk


def melody(walk: list[int], shift: int = 60, step: int = 240) -> Melody:
    return Melody(tuple(Note(i * step, step, SCALE[d] + shift) for i, d in enumerate(walk)))


def abc(number: int, walk: list[int], key: str = "C", title: str = "") -> str:
    letters = [LETTERS[d + (1 if key == "D" else 0)] for d in walk]
    bars = ["".join(letters[i : i + 8]) for i in range(0, len(letters), 8)]
    return f"X:{number}\nT:{title or number}\nM:4/4\nL:1/8\nK:{key}\n{' | '.join(bars)} |]\n\n"


def book(path: Path, seeds: range, more: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(abc(s, degrees(s)) for s in seeds) + more)
    return path


def near(a: Melody, b: Melody) -> bool:
    return are_near(sketch(a), sketch(b))


def make(out: Path, *sources: Path | str, **more: Any) -> Prepared:
    return prepare([*sources], out, workers=1, **more)


def sides(corpus: Corpus) -> dict[str, str]:
    return {t.key: t.side for t in corpus.tunes()}


def row(corpus: Corpus, place: int = 0) -> dict[str, Any]:
    return summary(corpus.manifest)[place]


def rejects(corpus: Corpus) -> list[dict[str, Any]]:
    lines = (corpus.folder / store.REJECTS).read_text().splitlines()
    return [json.loads(line) for line in lines]


def listing(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


# -- duplicates -------------------------------------------------------------------------------


def test_key_ignores_transposition_only() -> None:
    tune = melody(degrees(1))
    assert content_key(tune) == content_key(tune.transpose(-7))
    assert content_key(tune) != content_key(melody(degrees(1), step=480))
    assert content_key(tune) != content_key(melody(degrees(1)[:-1]))


def test_planted_near_duplicates_are_found_and_others_not() -> None:
    walk = degrees(2)
    tune = melody(walk)
    ornamented = melody([*walk[:20], walk[20] + 1, *walk[20:40], walk[40] - 1, *walk[40:]])
    assert near(tune, tune.transpose(5))
    assert near(tune, ornamented.transpose(-3))
    assert near(tune, melody(walk[:32] + walk[:32] + walk[32:] + walk[32:]))  # repeats written out
    assert near(tune, melody(walk, step=480))  # rhythm does not count
    assert near(tune, melody(walk[:30] + degrees(99)[30:60]))  # a half of each
    assert not any(
        near(melody(degrees(a)), melody(degrees(b))) for a in range(15) for b in range(a)
    )


def alone(hashes: np.ndarray[Any, np.dtype[np.uint32]], runs: int) -> Sketch:
    """A sketch whose line, of one note, never aligns well enough."""
    return Sketch(hashes, runs, np.zeros(1, np.uint8))


def test_rule_at_its_threshold() -> None:
    a = np.arange(40, dtype=np.uint32)

    def shares(count: int) -> bool:
        b = np.concatenate([a[:count], np.arange(100, 100 + 60 - count, dtype=np.uint32)])
        return are_near(alone(a, 40), alone(b, 60))

    assert shares(16) and not shares(15)  # 6 + 40 / 4 = 16
    assert are_near(alone(a[:6], 6), alone(a[:12], 12))  # a tune of few runs: all of them shared,
    assert not are_near(alone(a[:6], 6), alone(a[:13], 13))  # and the other at most twice as long
    other = np.array([0, 1, 2, 3, 4, 9], np.uint32)
    assert not are_near(alone(a[:6], 6), alone(other, 6))


def test_very_short_tunes_need_equal_intervals() -> None:
    assert near(melody([0, 2, 4]), melody([0, 2, 4], shift=67, step=480))
    assert not near(melody([0, 2, 4]), melody([0, 2, 3]))
    assert not near(melody([0, 2, 4]), melody(degrees(3)))
    assert sketch(melody([0] * 50))[1] == 1  # repeated notes are no runs


def test_long_tunes_are_compared_where_both_sketches_reach() -> None:
    walk = degrees(5, 400)
    a, b = melody(walk), melody(walk[:240] + degrees(6, 160))
    (hashes, runs, _), (_, short, _) = sketch(a), sketch(melody(walk[:100]))
    assert len(hashes) == SKETCH < runs and short > SKETCH
    assert near(a, b)
    assert near(a, melody(walk[:100])) and near(melody(walk[:100]), a)
    assert not near(a, melody(degrees(7, 400)))


def runs_of(tune: Melody) -> set[tuple[int, ...]]:
    """The runs by another way than `sketch`."""
    folded = [i % 12 for i in tune.intervals]
    runs = (tuple(folded[i : i + 8]) for i in range(len(folded) - 7))
    return {r for r in runs if len(set(r)) >= 3}


def align(a: list[int], b: list[int]) -> float:
    """The best local alignment, cell by cell."""
    score = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            kept = score[i][j] + (1 if x == y else -1)
            left_out = max(score[i][j + 1], score[i + 1][j]) - 0.5
            score[i + 1][j + 1] = max(0, kept, left_out)
    return max(map(max, score))


def test_alignment_is_asked_from_three_shared_runs_and_at_its_threshold() -> None:
    a = np.arange(40, dtype=np.uint32)
    line = np.array([0, 2, 4, 5, 7] * 8, np.uint8)  # 40 notes: 6 + 0.55 * 40 = 28

    def is_near(shared: int, kept: int) -> bool:
        hashes = np.concatenate([a[:shared], np.arange(100, 140 - shared, dtype=np.uint32)])
        cut = np.concatenate([line[:kept], np.full(40 - kept, 1, np.uint8)])
        return are_near(Sketch(a, 40, line), Sketch(hashes, 40, cut))

    assert is_near(3, 28) and not is_near(2, 28) and not is_near(3, 27)


def test_alignment_by_hand_and_by_another_way() -> None:
    def lines(walks: list[list[int]]) -> list[Any]:
        return [np.array(w, np.uint8) for w in walks]

    # five equal and one left out; four equal around one unequal; nothing
    first = [[0, 2, 4, 5, 7], [0, 2, 4, 5, 7], [1]]
    second = [[0, 2, 4, 9, 5, 7], [0, 2, 3, 5, 7], [2]]
    assert _alignments(lines(first), lines(second)).tolist() == [4.5, 3.0, 0.0]
    r = random.Random(4)
    a, b = ([[r.randrange(5) for _ in range(r.randint(1, 40))] for _ in range(30)] for _ in "ab")
    expected = [align(x, y) for x, y in zip(a, b, strict=True)]
    assert _alignments(lines(a), lines(b)).tolist() == expected


def test_an_ornamented_setting_is_near_and_one_phrase_in_common_is_not() -> None:
    walk = degrees(21, 64)
    ornamented = [d for i, w in enumerate(walk) for d in ([w, (w + 1) % 13] if i % 9 == 8 else [w])]
    shared = len(runs_of(melody(walk)) & runs_of(melody(ornamented)))
    assert 3 <= shared < 6 + 57 / 4  # too few runs, so the alignment finds it
    assert near(melody(walk), melody(ornamented, shift=65))
    other = degrees(22, 24) + walk[20:36] + degrees(23, 24)
    assert not near(melody(walk), melody(other))


def test_index_finds_what_comparing_all_pairs_finds() -> None:
    r = random.Random(0)
    walks = [degrees(s, r.randint(30, 60)) for s in range(40)]
    for _ in range(60):  # variants: some places changed, cut, doubled
        walk = list(r.choice(walks[:40]))
        for _ in range(r.randint(1, 5)):
            walk[r.randrange(len(walk))] = r.randint(0, 12)
        walks.append(walk[r.randint(0, 15) :])
    tunes = [melody(w) for w in walks]
    sketches = Sketches()
    for tune in tunes:
        sketches.add(sketch(tune))

    def rule(a: set[tuple[int, ...]], b: set[tuple[int, ...]]) -> bool:
        few, many = sorted((a, b), key=len)
        if len(few) <= 8:
            return len(few) >= 4 and few <= many and len(many) <= 2 * len(few)
        return len(a & b) >= 6 + len(few) / 4

    def aligned(a: Melody, b: Melody) -> bool:
        x, y = ([p for p, _ in groupby(t.pitches)] for t in (a, b))
        best = max(align([p % 12 for p in x], [(p + s) % 12 for p in y]) for s in range(12))
        return best >= 6 + 0.55 * min(len(x), len(y))

    sets = [runs_of(t) for t in tunes]
    assert all(4 <= len(s) <= SKETCH for s in sets)
    expected = {(i, j) for j in range(100) for i in range(j) if rule(sets[i], sets[j])}
    by_runs = len(expected)
    expected |= {
        (i, j)
        for j in range(100)
        for i in range(j)
        if len(sets[i] & sets[j]) >= 3 and aligned(tunes[i], tunes[j])
    }
    assert len(expected) > by_runs
    assert set(sketches.neighbours()) == expected and len(expected) > 30


def test_crowded_runs_still_join_a_large_family() -> None:
    sketches = Sketches()
    walk = degrees(8)
    for i in range(200):  # one tune, each time with another ending
        sketches.add(sketch(melody(walk + degrees(1000 + i, 12))))
    groups = Groups(200)
    pairs = list(sketches.neighbours())
    for a, b in pairs:
        groups.join(a, b)
    assert {groups.find(i) for i in range(200)} == {0}
    assert len(pairs) < 200 * 60  # not all 19,900


# -- splits -----------------------------------------------------------------------------------

graphs = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.integers(0, n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=2 * n),
        st.integers(0, 2**32),
    )
)


def some_keys(seed: int, size: int) -> list[int]:
    r = random.Random(seed)
    return [r.getrandbits(64) for _ in range(size)]


@settings(max_examples=150, deadline=None)
@given(graphs)
def test_adding_tunes_never_moves_old_ones_nor_lets_music_across(
    graph: tuple[int, int, list[tuple[int, int]], int],
) -> None:
    size, old, pairs, seed = graph
    edges = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    keys = some_keys(seed, size)
    before = place(keys[:old], [e for e in edges if max(e) < old], {})
    kept = {k: s for k, s in zip(keys[:old], before.sides, strict=True) if s != BRIDGE}
    after = place(keys, edges, kept)
    for key, side in zip(keys, after.sides, strict=True):
        assert kept.get(key, side) == side
    for a, b in edges:
        if BRIDGE not in (after.sides[a], after.sides[b]):
            assert after.sides[a] == after.sides[b]
            assert after.clusters[a] == after.clusters[b]
    again = place(keys, edges, {k: s for k, s in zip(keys, after.sides, strict=True) if s >= 0})
    assert again == after


@given(st.integers(3, 30), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_small_corpora_have_a_tune_on_each_side(size: int, seed: int) -> None:
    keys = some_keys(seed, size)
    assert set(place(keys, [], {}).sides) == {0, 1, 2}
    assert place(keys[::-1], [], {}).sides == place(keys, [], {}).sides[::-1]


def test_two_clusters_all_train_and_shares_are_kept() -> None:
    assert place([5, 9, 11], [(0, 1)], {}).sides == [0, 0, 0]
    keys = some_keys(1, 20_000)
    found = place(keys, [], {}).sides
    for side, share in enumerate(SHARES):
        assert abs(found.count(side) / 20_000 - share) < 0.005
    assert 2 not in place(keys[:100], [], {}, (0.5, 0.5, 0)).sides


def test_a_new_tune_takes_the_side_it_touches_or_is_a_bridge() -> None:
    settled = {10: 0, 20: 2}
    assert place([10, 20, 30], [(1, 2)], settled).sides == [0, 2, 2]
    assert place([10, 20, 30], [(0, 2), (1, 2)], settled).sides == [0, 2, BRIDGE]
    # 30 touches training, 40 the test, and they each other: one of them goes
    assert place([10, 20, 30, 40], [(0, 2), (1, 3), (2, 3)], settled).sides == [0, 2, 0, BRIDGE]


@pytest.mark.parametrize("shares", [(1, 0), (0.5, 0.5, 0.5), (1.5, -0.5, 0)])
def test_bad_shares(tmp_path: Path, shares: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="add up to 1"):
        prepare(["x"], tmp_path / "c", shares=shares)


# -- sources ----------------------------------------------------------------------------------


def test_a_folder_is_looked_through(tmp_path: Path) -> None:
    book(tmp_path / "in/b/two.abc", range(2))
    book(tmp_path / "in/a.abc", range(1))
    book(tmp_path / "in/.hidden/x.abc", range(1))
    (tmp_path / "in/README.txt").write_text("BAD TUNES\nsee the other file\n")
    (tmp_path / "in/seed.txt").write_text("CCGGAAGR\nF4 F4 E4 E4 D4 D4 C4\n")
    (tmp_path / "in/empty.txt").write_text("\n")
    (tmp_path / "in/cover.png").write_bytes(b"")
    (tmp_path / "in/b/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/self.abc").symlink_to(tmp_path / "in/self.abc")
    (tmp_path / "in/gone.mid").symlink_to(tmp_path / "nowhere.mid")
    (source,) = find_sources([str(tmp_path / "in")])
    assert [f.label for f in source.files] == [
        "a.abc", "b/two.abc", "gone.mid", "seed.txt", "self.abc",
    ]  # fmt: skip
    assert source.passed_over == {".png": 1, ".txt without letters": 2}
    assert source.licence == "not stated"


def test_a_file_in_two_sources_is_read_once(tmp_path: Path) -> None:
    path = book(tmp_path / "in/a.abc", range(1))
    book(tmp_path / "in/b.abc", range(1))
    first, second = find_sources([str(path), str(tmp_path / "in")])
    assert [f.label for f in first.files] == ["a.abc"]
    assert [f.label for f in second.files] == ["b.abc"]
    assert second.passed_over == {"in an earlier source": 1}


def test_a_name_wins_unless_written_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    book(Path("examples/a.abc"), range(1))
    (here,) = find_sources(["./examples"])
    assert here.description == "a folder" and len(here.files) == 1
    if importlib.util.find_spec("music21"):
        Path("folk").mkdir()
        (folk,) = find_sources(["folk"])
        assert len(folk.files) == 39 + 6 + 1059
        assert "music21" not in sys.modules or "music21.corpus" not in folk.files[0].path


def test_named_corpora_and_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = {c.name: c for c in named_corpora()}
    assert list(by_name) == ["folk", "essen", "examples"]
    assert by_name["folk"].tunes == 4248 and by_name["examples"].installed
    with pytest.raises(UsageError, match=r"non-commercial.*--accept-licence"):
        find_sources(["essen"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tunesmith\[train\]'"):
        find_sources(["folk"])
    assert not {c.name: c for c in named_corpora()}["folk"].installed


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    cases: list[tuple[list[str], type[Exception], str]] = [
        ([], UsageError, "no source"),
        ([str(tmp_path)], InputError, "no music in this folder.*1 file: 1 .md"),
        ([str(tmp_path / "no")], InputError, "no such file or folder.*folk"),
        ([str(tmp_path / "notes.md")], InputError, "not a kind of file"),
        ([str(tmp_path), str(tmp_path)], UsageError, "twice"),
    ]
    for sources, error, text in cases:
        with pytest.raises(error, match=text):
            find_sources(sources)


# -- the whole way ----------------------------------------------------------------------------


def test_prepare_counts_and_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    walk = degrees(0)
    ornamented = [*walk[:20], walk[20] + 1, *walk[20:40], *walk[41:]]
    more = abc(101, walk, "D", "exact, a tone up") + abc(102, ornamented, "D", "near")
    book(Path("in/a.abc"), range(20), more)
    Path("in/bad.abc").write_bytes(b"")
    Path("in/notes.md").write_text("x")
    seen: list[tuple[int, int]] = []
    prepared = make(Path("c"), "in", licence="CC0", progress=lambda d, t: seen.append((d, t)))
    corpus = prepared.corpus
    assert prepared.changed and len(corpus) == 22 and seen == [(1, 2), (2, 2)]
    counts = row(corpus)
    assert counts["licence"] == "CC0" and counts["files"] == 2 and counts["tunes"] == 22
    assert counts["notes"] == 22 * 64 == corpus.manifest["notes"]
    assert (counts["exact_duplicates"], counts["near_duplicates"]) == (1, 1)
    assert counts["rejected"] == 1 and counts["passed_over"] == {".md": 1}
    (reject,) = rejects(corpus)
    assert reject["file"] == "in/bad.abc" and reject["reason"] and reject["tune"] is None
    tunes = list(corpus.tunes())
    assert [t.melody.title for t in tunes[-2:]] == ["exact, a tone up", "near"]
    assert tunes[0].key == tunes[-2].key != tunes[-1].key
    assert tunes[0].cluster == tunes[-2].cluster == tunes[-1].cluster
    assert tunes[0].side == tunes[-2].side == tunes[-1].side
    assert tunes[0].melody.pitches == melody(walk).pitches
    assert tunes[0].melody.origin.startswith("in/a.abc, tune ")
    assert len({t.id for t in tunes}) == 22
    clusters = corpus.manifest["split"]["clusters"]
    assert all(t.cluster in clusters[t.side] for t in tunes)
    assert sum(map(len, clusters.values())) == 20
    for side in SIDES:
        assert len(list(corpus.melodies(side))) == corpus.count(side) > 0
    assert listing(tmp_path) == {"in", "c"}
    assert str(tmp_path) not in "".join(p.read_text() for p in Path("c").iterdir())


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    for i in range(12):
        book(tmp_path / f"in/{i}.abc", range(3 * i, 3 * i + 3))
    (tmp_path / "in/7.abc").write_bytes(b"\x00nothing")
    one = prepare([tmp_path / "in"], tmp_path / "c1", workers=1).corpus
    three = prepare([tmp_path / "in"], tmp_path / "c3", workers=3).corpus
    assert one.fingerprint == three.fingerprint
    for path in one.folder.iterdir():
        assert path.read_bytes() == (three.folder / path.name).read_bytes()


def test_a_second_run_does_nothing_until_something_changes(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "c"
    path = book(source / "a.abc", range(8))
    first = make(out, source)
    cache = first.corpus.cache_path("notes.npy")
    cache.write_bytes(b"ids")
    assert not make(out, source).changed
    os.utime(path, ns=(1, 1))  # touched, the same content
    assert not make(out, source).changed and cache.exists()
    assert make(out, source, licence="MIT").changed
    assert first.corpus.fingerprint == Corpus.open(out).fingerprint
    path.write_text(path.read_text().replace("T:3", "T:Three"))
    assert make(out, source, licence="MIT").changed and not cache.exists()
    assert Corpus.open(out).cache_path("notes.npy") != cache
    assert not make(out, source, licence="MIT").changed
    before = sides(Corpus.open(out))
    (out / "tunes-00000.jsonl").write_bytes(b"")
    assert make(out, source, licence="MIT").changed and sides(Corpus.open(out)) == before
    assert listing(tmp_path) == {"in", "c"}


def test_silent_bars_are_taken_out_and_counted(tmp_path: Path) -> None:
    # Two bars of rest in a tune, five in another and one at its end; a third has none.
    source, out = tmp_path / "in", tmp_path / "c"
    bars = [abc(n, degrees(n)).replace(" |]", "") for n in range(3)]
    texts = [
        bars[0].replace(" | ", " | z8 | z8 | ", 1).rstrip() + " |]\n\n",
        bars[1].replace(" | ", " | z8 | z8 | z8 | z8 | z8 | ", 1).rstrip() + " | z8 |]\n\n",
        bars[2].rstrip() + " |]\n\n",
    ]
    book(source / "a.abc", range(3, 6), "".join(texts))
    whole = make(out, source).corpus
    assert row(whole)["taken_out"] == {}
    assert sum(len(m.bars) for m in whole.melodies()) == 6 * 8 + 8
    prepared = make(out, source, longest_silence=1)
    assert prepared.changed and prepared.corpus.manifest["settings"]["longest_silence"] == 1
    assert row(prepared.corpus)["taken_out"] == {
        "silent bars taken out": 1 + 4 + 1, "tunes with silent bars taken out": 2,
    }  # fmt: skip
    assert sum(len(m.bars) for m in prepared.corpus.melodies()) == 6 * 8 + 2
    assert not make(out, source, longest_silence=1).changed
    assert make(out, source, longest_silence=2).changed
    assert make(out, source).changed
    with pytest.raises(UsageError, match="a longest silence of -1 bars"):
        make(out, source, longest_silence=-1)


def test_sides_stay_when_sources_come_and_go(tmp_path: Path) -> None:
    out = tmp_path / "c"
    a, b = book(tmp_path / "a.abc", range(30)), book(tmp_path / "b.abc", range(100, 130))
    before = sides(make(out, a).corpus)
    both = sides(make(out, b, a).corpus)
    assert len(both) == 60 and before.items() <= both.items()
    only = sides(make(out, b).corpus)
    assert len(only) == 30 and only.items() <= both.items()
    fresh = sides(make(tmp_path / "c2", a, b, shares=(0.2, 0.4, 0.4)).corpus)
    assert fresh != both


def test_a_bridge_is_left_out_and_counted(tmp_path: Path) -> None:
    out, a = tmp_path / "c", book(tmp_path / "a.abc", range(30))
    tunes = list(make(out, a).corpus.tunes())
    train = next(i for i, t in enumerate(tunes) if t.side == "train")
    test = next(i for i, t in enumerate(tunes) if t.side == "test")
    b = tmp_path / "b.abc"
    half = [degrees(train)[:32] + degrees(train)[:8] + degrees(test)[:40]]
    b.write_text(abc(1, half[0], title="both") + abc(2, degrees(test)[4:60], title="part"))
    corpus = make(out, a, b).corpus
    counts = row(corpus, 1)
    assert (counts["tunes"], counts["bridges"], counts["near_duplicates"]) == (1, 1, 1)
    assert list(corpus.tunes())[-1].side == "test"
    (reject,) = rejects(corpus)
    assert reject["reason"].startswith("bridge") and "b.abc, tune 1" in reject["where"]
    assert len(corpus) == 31 and not make(out, a, b).changed
    total = row(corpus, 2)
    assert (total["source"], total["tunes"], total["bridges"]) == ("all", 31, 1)


# Found by the workers by name, as `prepare` wants it.
def notes_and_trouble(tune: Melody) -> Mapping[str, int]:
    if tune.title == "abort":
        os.abort()
    if tune.title == "bug":
        raise ZeroDivisionError("deep inside")
    if tune.title == "misfit":
        raise InputError("too long for 3 bars", where="bar 4", remedy="cut it")
    return {"notes": len(tune.notes), "low notes": sum(p < 62 for p in tune.pitches)}


def test_measures_are_summed_and_trouble_is_named(tmp_path: Path) -> None:
    source = tmp_path / "in"
    book(source / "a.abc", range(4), abc(50, degrees(50), title="bug"))
    book(source / "b.abc", range(4, 5), abc(51, degrees(51), title="abort"))
    book(source / "c.abc", range(5, 8), abc(52, degrees(52), title="misfit"))
    corpus = make(tmp_path / "c", source, measure=notes_and_trouble).corpus
    counts = row(corpus)
    low = sum(p < 62 for m in corpus.melodies() for p in m.pitches)
    assert counts["measures"] == {"notes": 7 * 64, "low notes": low}
    assert counts["tunes"] == 7 and counts["files"] == 3
    assert counts["rejected_by_reason"] == {
        "reader failed": 1, "the reader crashed": 1, "too long for N bars": 1,
    }  # fmt: skip
    bug, crash, misfit = rejects(corpus)
    assert "ZeroDivisionError: deep inside" in bug["detail"] and bug["tune"] == 5
    assert crash["file"].endswith("in/b.abc") and "signal 6" in crash["detail"]
    assert misfit["reason"] == "too long for 3 bars" and misfit["remedy"] == "cut it"
    with pytest.raises(UsageError, match="cannot find the measure"):
        make(tmp_path / "c", source, measure=lambda tune: {})


def test_nothing_half_written_when_interrupted(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "c"
    book(source / "a.abc", range(5))
    old = make(out, source).corpus.fingerprint
    book(source / "b.abc", range(5, 9))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for target in (out, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            make(target, source, progress=interrupt)
    assert listing(tmp_path) == {"in", "c"} and Corpus.open(out).fingerprint == old
    # a killed process: what it left is cleared away, a swap it began is undone
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    (tmp_path / f".c.{int(gone.stdout)}.partial").mkdir()
    (tmp_path / f".c.{os.getppid()}.partial").mkdir()  # alive: not ours to touch
    out.rename(store.swap_place(out))
    assert Corpus.open(out).fingerprint == old
    assert make(out, source).changed and len(Corpus.open(out)) == 9
    assert listing(tmp_path) == {"in", "c", f".c.{os.getppid()}.partial"}


def limited(source: Path, out: Path, size: int) -> subprocess.CompletedProcess[str]:
    """`prepare` where no file may grow beyond `size` bytes, as on a full disk."""
    script = (
        "import resource, sys; from tunesmith.corpus import prepare\n"
        "from tunesmith.errors import OutputError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        f"try: prepare([{str(source)!r}], {str(out)!r}, workers=1)\n"
        "except OutputError as e: sys.exit(str(e))\n"
    )
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("size", [3_000, 22_000])  # in the worker's spool; in the shard
def test_a_full_disk_is_one_clear_line(tmp_path: Path, size: int) -> None:
    pytest.importorskip("resource")
    source, out = tmp_path / "in", tmp_path / "c"
    for i in range(4):
        book(source / f"{i}.abc", range(5 * i, 5 * i + 5))
    done = limited(source, out, size)
    assert "c: cannot be written (File too large)" in done.stderr and done.returncode == 1
    assert listing(tmp_path) == {"in"}


def test_places_that_are_no_corpus(tmp_path: Path) -> None:
    source = book(tmp_path / "a.abc", range(3))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.doc").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match="holds other files"):
        make(tmp_path / "full", source)
    with pytest.raises(OutputError, match="a file of this name"):
        make(source, source)
    with pytest.raises(InputError, match="no such corpus"):
        Corpus.open(tmp_path / "no")
    with pytest.raises(InputError, match=r"no corpus \(there is no manifest"):
        Corpus.open(tmp_path / "full")
    with pytest.raises(InputError, match="a file, not a corpus"):
        Corpus.open(source)
    corpus = make(tmp_path / "empty", source).corpus
    with pytest.raises(UsageError, match="no side"):
        corpus.melodies("dev")
    (corpus.folder / "tunes-00000.jsonl").write_bytes(b'{"id":1}\n')
    with pytest.raises(InputError, match=r"tunes-00000.jsonl, line 1: damaged"):
        list(corpus.melodies())
    (corpus.folder / store.MANIFEST).write_text('{"format": "other"}')
    with pytest.raises(InputError, match="not the manifest of a corpus"):
        Corpus.open(corpus.folder)
    with pytest.raises(OutputError, match="not the manifest"):
        make(corpus.folder, source)


def test_no_tune_at_all(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.mid").write_bytes(b"this is no MIDI")
    (tmp_path / "in/b.abc").write_bytes(b"")
    with pytest.raises(InputError, match=r"no tune in 2 files; the first: .*in/a\.mid"):
        make(tmp_path / "c", tmp_path / "in")
    assert listing(tmp_path) == {"in"}


def test_a_file_without_permission_is_counted(tmp_path: Path) -> None:
    book(tmp_path / "in/a.abc", range(3))
    locked = book(tmp_path / "in/b.abc", range(3, 5))
    (tmp_path / "in/gone.mid").symlink_to(tmp_path / "nowhere.mid")
    locked.chmod(0)
    may_read = os.access(locked, os.R_OK)  # as root
    corpus = make(tmp_path / "c", tmp_path / "in").corpus
    reasons = row(corpus)["rejected_by_reason"]
    assert reasons.pop("cannot be read (No such file or directory)") == 1
    assert reasons == ({} if may_read else {"cannot be read (Permission denied)": 1})
    assert not make(tmp_path / "c", tmp_path / "in").changed
    locked.chmod(0o644)
    assert make(tmp_path / "c", tmp_path / "in").changed is not may_read


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    book(folder / os.fsdecode(b"\xe8.abc"), range(3))
    book(folder / "b.abc", range(3, 6))
    (folder / os.fsdecode(b"x.\xe9")).write_bytes(b"")
    (folder / os.fsdecode(b"\xe8.mid")).write_bytes(b"no MIDI")
    corpus = make(tmp_path / "c", folder).corpus
    tunes = list(corpus.tunes())
    assert [Path(t.melody.origin.partition(",")[0]).name for t in tunes] == (
        3 * ["b.abc"] + 3 * ["\ufffd.abc"]
    )
    assert {Path(t.source).name for t in tunes} == {"caf\ufffd"}
    assert row(corpus)["passed_over"] == {".\ufffd": 1}
    assert rejects(corpus)[0]["file"].endswith("caf\ufffd/\ufffd.mid")
    assert not make(tmp_path / "c", folder).changed


def test_ids_stay_from_version_to_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    book(Path("été/a.abc"), range(2))
    assert [t.id for t in make(Path("c"), "été").corpus.tunes()] == [
        "72333aae54ae", "95943cc2ea4c",
    ]  # fmt: skip


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    book(tmp_path / "in/a.abc", range(3))
    os.mkfifo(tmp_path / "one")
    os.mkfifo(tmp_path / "two")
    for name, target in (("p.abc", "one"), ("p.txt", "two"), ("z.mid", "/dev/zero")):
        (tmp_path / "in" / name).symlink_to(tmp_path / target)
    with (tmp_path / "in/large.mid").open("wb") as file:
        file.truncate(100 * formats.LARGEST)  # takes no room, and minutes to hash
    corpus = make(tmp_path / "c", tmp_path / "in").corpus
    assert row(corpus)["rejected_by_reason"] == {
        "it is no ordinary file": 3, "the file is larger than N MB": 1,
    }  # fmt: skip
    assert not make(tmp_path / "c", tmp_path / "in").changed
    (tmp_path / "in/p.abc").unlink()
    book(tmp_path / "in/p.abc", range(3, 4))
    assert make(tmp_path / "c", tmp_path / "in").changed


def test_the_corpus_may_lie_inside_its_source(tmp_path: Path) -> None:
    book(tmp_path / "a.abc", range(3))
    out = tmp_path / "corpus"
    assert make(out, tmp_path).changed and not make(out, tmp_path).changed
    assert row(Corpus.open(out))["passed_over"] == {}


def test_out_may_be_a_link_or_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = book(tmp_path / "a.abc", range(3))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert make(tmp_path / "link", source).changed
    assert make(tmp_path / "link", source, licence="CC0").changed
    assert (tmp_path / "link").is_symlink() and len(Corpus.open(tmp_path / "real")) == 3
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert make(Path(), source).changed and len(Corpus.open(tmp_path / "here")) == 3


# -- real music -------------------------------------------------------------------------------

data = pytest.mark.skipif("TUNESMITH_DATA" not in os.environ, reason="TUNESMITH_DATA is not set")


@data
@pytest.mark.parametrize(("place", "tunes"), [("bimmuda", 375), ("seed/melodies_letters.txt", 365)])
def test_real_corpora_are_accepted_whole(tmp_path: Path, place: str, tunes: int) -> None:
    corpus = prepare([Path(os.environ["TUNESMITH_DATA"]) / place], tmp_path / "c").corpus
    counts = row(corpus)
    assert (counts["tunes"], counts["rejected"]) == (tunes, 0)
    assert counts["near_duplicates"] <= 2  # DATA: none
