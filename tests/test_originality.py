"""Runs shared with training tunes: by hand, against brute force, and through the command."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.originality import (
    FEWEST,
    align,
    figures,
    human_figures,
    judge,
    receipt_entry,
    usual_run,
)
from tunesmith.evaluation.originality_index import TuneIndex, suffix_array, symbols_of
from tunesmith.melody import Melody, Note


def melody_of(pitches, lengths=None, title=""):
    lengths = lengths or [240] * len(pitches)
    onsets = np.cumsum([0, *lengths[:-1]])
    notes = (Note(int(o), d, p) for o, d, p in zip(onsets, lengths, pitches, strict=True))
    return Melody(tuple(notes), title=title)


def index_of(*melodies):
    return TuneIndex.build(((f"id{i}", "here", m) for i, m in enumerate(melodies)), {"human": None})


SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83, 84)


def test_symbols_by_hand():
    notes = (Note(0, 120, 60), Note(240, 240, 67), Note(480, 6000, 60), Note(6480, 1, 61))
    # a rest counts with the note before it; 6000 ticks are 300 steps, capped at 255
    assert list(symbols_of(Melody(notes))) == [135, 12, 121, 12, 129, 255]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sampled_from([8, 16]))
def test_suffix_array_is_sorted(symbols, bits):
    order = suffix_array(np.array(symbols, np.uint16), bits)
    expected = sorted(range(len(symbols)), key=lambda i: symbols[i:])
    assert order.tolist() == expected


def test_a_long_repetition_is_sorted():
    symbols = [1, 2] * 300 + [0] + [1, 2] * 300 + [0]
    order = suffix_array(np.array(symbols, np.uint16), 16)
    assert order.tolist() == sorted(range(len(symbols)), key=lambda i: symbols[i:])


def test_run_by_hand():
    index = index_of(melody_of((50, 50, 50)), melody_of(SCALE), melody_of(SCALE[2:8]))
    # F major's first five notes are the scale's, a fourth higher; then it leaps
    found = judge(index, melody_of((40, 65, 67, 69, 70, 72, 40)))
    assert found.longest_run.notes == 5
    assert found.longest_run.starts == (1,)
    assert [(s.number, s.id, s.note) for s in found.longest_run.sources] == [(1, "id1", 0)]
    assert found.grams == 0
    assert np.isnan(found.share_of_12_grams_seen)
    assert receipt_entry(found, {})["share_of_12_grams_seen"] is None
    assert found.nearest.number == 1
    assert np.isnan(found.nearest_share)  # 7 notes have no run of 8 intervals


def test_all_tied_sources_and_the_nearest():
    index = index_of(melody_of(SCALE), melody_of((30, *SCALE)), melody_of(SCALE[:-1]))
    found = judge(index, melody_of(tuple(p + 5 for p in SCALE)))
    assert found.longest_run.notes == 15
    assert [(s.number, s.note) for s in found.longest_run.sources] == [(0, 0), (1, 1)]
    assert (found.grams, found.grams_seen) == (3, 3)
    assert found.nearest.number == 0  # all of the runs of 8; the first of two that have them
    assert found.nearest_share == 1
    assert found.is_variant


def test_lengths_by_hand():
    lengths = [240, 240, 480, 240, 240, 120]
    index = index_of(melody_of(SCALE[:6], lengths))
    # The last length of a run does not count: 4 distances agree, 5 notes.
    found = judge(index, melody_of(SCALE[:6], [240, 240, 480, 240, 120, 120]))
    assert found.longest_run.notes == 6
    assert found.longest_run_with_lengths.notes == 5
    doubled = judge(index, melody_of(SCALE[:6], [2 * x for x in lengths]))
    assert doubled.longest_run.notes == 6
    assert doubled.longest_run_with_lengths.notes == 1  # 480 goes with +1 there, with +2 here


def test_12_grams_by_hand():
    index = index_of(melody_of(SCALE[:13]))
    # 15 notes have 3 runs of 12 intervals; the training tune has the first alone
    found = judge(index, melody_of(SCALE))
    assert (found.grams, found.grams_seen) == (3, 1)
    assert found.share_of_12_grams_seen == pytest.approx(1 / 3)


def test_nothing_shared():
    found = judge(index_of(melody_of((60, 60, 60))), melody_of((60, 67)))
    assert (found.longest_run.notes, found.longest_run.sources, found.nearest) == (1, (), None)
    assert judge(index_of(melody_of((60,))), melody_of((60,))).longest_run.notes == 1


def test_a_run_does_not_cross_tunes():
    found = judge(index_of(melody_of(SCALE[:5]), melody_of(SCALE[4:9])), melody_of(SCALE[:9]))
    assert found.longest_run.notes == 5


def test_human_figures_by_hand():
    index = index_of(melody_of(SCALE))
    # runs of 15 notes (a variant), 5 and 3; 12-grams: 3 of 3, none, 0 of 1
    far = melody_of((60, 61, 62, 60, 61, 62, 60, 61, 62, 60, 62, 64, 63))
    told = human_figures(index, [melody_of(SCALE), melody_of(SCALE[:5]), far], ["a", "b", "a"])
    assert (told["tunes"], told["variants"], told["median"]) == (3, 1, 5)
    assert told["p95"] == pytest.approx(5 + 0.9 * 10)
    assert told["share_of_12_grams_seen"] == pytest.approx(3 / 4)
    assert told["without_variants"]["median"] == 4
    assert told["p95_by_style"] == {}  # for which three tunes are too few
    assert told["without_variants"]["share_of_12_grams_seen"] == 0
    assert figures([])["median"] is None


def test_the_usual_run_is_that_of_the_style_if_enough_tunes_tell_it():
    index = index_of(melody_of(SCALE))
    tunes = [melody_of(SCALE[: 3 + i % 10]) for i in range(FEWEST)]
    index.header["human"] = human_figures(index, [*tunes, melody_of(SCALE)], ["a"] * FEWEST + ["b"])
    # Runs of 3 to 12 notes, two of each: the 95th percentile is between the last two of twenty.
    assert usual_run(index, "a") == 12
    assert usual_run(index, "b") == usual_run(index) == index.header["human"]["p95"] == 12
    index.header["human"] = human_figures(index, tunes[1:], ["a"] * (FEWEST - 1))
    assert usual_run(index, "a") is usual_run(index) is None


# -- against brute force -----------------------------------------------------


def brute(train, melody, with_lengths):
    """Longest run in notes and all tunes that have it, by the diagonals of all pairs."""

    def signs(m):
        steps = [b.onset - a.onset for a, b in zip(m.notes, m.notes[1:], strict=False)]
        rounded = [min((s + 10) // 20, 255) for s in steps]
        return list(zip(m.intervals, rounded, strict=True)) if with_lengths else list(m.intervals)

    mine, best, sources = signs(melody), 0, set()
    for number, tune in enumerate(train):
        row = [0] * (len(mine) + 1)
        for sign in signs(tune):
            row = [0] + [row[j] + 1 if mine[j] == sign else 0 for j in range(len(mine))]
            top = max(row)
            if top > best:
                best, sources = top, set()
            if top == best and best:
                sources.add(number)
    return best + 1, sources


@given(st.integers(0, 10_000))
def test_equals_brute_force(seed):
    rng = random.Random(seed)

    def tune(count):
        pitches = [60 + rng.randrange(3) for _ in range(count)]
        return melody_of(pitches, [rng.choice((120, 240, 365)) for _ in pitches])

    train = [tune(rng.randrange(1, 30)) for _ in range(8)]
    index = index_of(*train)
    query = tune(rng.randrange(1, 40))
    found = judge(index, query)
    for run, lengths in ((found.longest_run, False), (found.longest_run_with_lengths, True)):
        assert (run.notes, {s.number for s in run.sources}) == brute(train, query, lengths)


# -- files -------------------------------------------------------------------


def test_the_file_says_the_same(tmp_path):
    index = index_of(melody_of(SCALE, title="Scale"), melody_of((60, 61)))
    index.save(tmp_path / "i")
    again = TuneIndex.open(tmp_path / "i")
    assert judge(again, melody_of(SCALE)) == judge(index, melody_of(SCALE))
    assert again.melody(0) == melody_of(SCALE)
    assert again.melody(0).title == "Scale"
    assert index.size == 17 * 8


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "i"
    index_of(melody_of(SCALE)).save(path)
    data = path.read_bytes()
    for bad in (b"", b"x" * 50, data[:-1], data[:40], data[:-1] + bytes([data[-1] ^ 1])):
        path.write_bytes(bad)
        with pytest.raises(InputError):
            TuneIndex.open(path)
    with pytest.raises(InputError):
        TuneIndex.open(tmp_path / "none")


def test_blocks_by_hand():
    other = melody_of((30, 31, *(p + 2 for p in SCALE[:6])))
    (block,) = align(melody_of(SCALE[:6]), other)
    assert (block.note, block.other, block.notes, block.semitones) == (0, 2, 6, 2)


# -- verbs -------------------------------------------------------------------


def test_side_by_side_by_hand():
    from tunesmith.api.tracing import side_by_side

    mine = melody_of((60, 62, 64, 65, 67, 60), [480] * 6)
    other = melody_of((70, 62, 64, 66, 67, 69, 50), [480] * 7)
    assert side_by_side(mine, other) == [
        ("1", "C4 D4 E4 F4", "1, 2", "C4 D4 E4 F4"),
        ("2", "G4 C4", "2", "G4 -"),
    ]


def test_a_trained_model_tells_originality(run_folder, tmp_path):
    import shutil

    from tunesmith.api.composing import generate, load_model

    copied = tmp_path / "copied"  # the checkpoint's folder alone, no corpus
    shutil.copytree(run_folder / "best", copied)
    model = load_model(copied)
    (tune,) = generate(model, seed=1, bars=4)
    told = tune.receipt["originality"]
    expected = judge(model.index, tune.melody)
    assert told["longest_run"] == expected.longest_run.notes
    assert told["longest_run_with_lengths"] == expected.longest_run_with_lengths.notes
    assert {"median", "p95"} <= told["human"].keys()
    assert model.index.header["licences"]
    json.dumps(tune.receipt)
    (copied / "originality.index").unlink()
    (tune,) = generate(load_model(copied), seed=1, bars=4)
    assert tune.receipt["originality"] is None
    assert "originality.index" in tune.receipt["originality_missing"]


def test_an_index_of_another_corpus_is_refused(run_folder, tmp_path):
    import shutil

    from tunesmith.api.composing import load_model

    shutil.copytree(run_folder / "best", tmp_path / "m")
    index_of(melody_of(SCALE)).save(tmp_path / "m" / "originality.index")
    with pytest.raises(InputError, match="another corpus"):
        load_model(tmp_path / "m")


def test_command(corpus_folder, tmp_path, capsys):
    from typer.testing import CliRunner

    from tunesmith import write
    from tunesmith.cli import app
    from tunesmith.corpus import Corpus

    tune = next(Corpus.open(corpus_folder).tunes("train"))
    write(tune.melody, tmp_path / "copy.mid")
    (tmp_path / "bad.abc").write_text("nothing")
    run = CliRunner().invoke
    given_ = ["originality", str(tmp_path / "copy.mid"), "--corpus", str(corpus_folder)]
    out = run(app, [*given_, "--json"])
    told = json.loads(out.stdout)
    assert told["longest_run"] == len(tune.melody.notes)
    assert tune.id in [s["id"] for s in told["sources"]]
    assert told["nearest"]["id"] == tune.id
    out = run(app, given_)
    assert out.exit_code == 0
    assert "Usual for tunes by people" in out.stdout
    out = run(app, ["originality", str(tmp_path), "--corpus", str(corpus_folder)])
    assert out.exit_code == 2
    assert "copy.mid" in out.stdout
    with pytest.raises(UsageError):
        from tunesmith.api.tracing import open_index

        open_index("model", "corpus")
    assert list(Path(corpus_folder).glob("cache-*originality*"))
