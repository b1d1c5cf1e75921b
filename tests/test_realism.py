"""Overlaps, distances and the two-sample test against answers worked out by hand."""

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tunesmith import formats
from tunesmith.api.resembling import compare, comparison_notes, tune_set
from tunesmith.cli import app
from tunesmith.cli.common import print_rows
from tunesmith.errors import InputError, MissingExtraError, UsageError
from tunesmith.evaluation import realism as r
from tunesmith.evaluation import two_sample as t
from tunesmith.evaluation.features import FEATURES
from tunesmith.melody import Melody, Note


def tune(pitches, length=480):
    return Melody(tuple(Note(i * length, length, p) for i, p in enumerate(pitches)))


def walk(rng, steps, size=40):
    """A tune that moves by these steps, kept in range."""
    pitches = [60]
    while len(pitches) < size:
        new = pitches[-1] + int(rng.choice(steps))
        if 48 <= new <= 84:
            pitches.append(new)
    return tune(pitches, int(rng.choice([240, 480])))


def walks(seed, count, steps=(-2, -1, 1, 2, 3, -3)):
    rng = np.random.default_rng(seed)
    return [walk(rng, steps) for _ in range(count)]


def test_overlap_and_divergence():
    a, b = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert r.overlap(a, b) == pytest.approx(0.5)
    # The middle is 3/8 3/8 1/4: H = 1.5613; those of a and b are 1 and 1.5.
    middle = 2 * 3 / 8 * math.log2(8 / 3) + 0.5
    assert r.jensen_shannon(a, b) == pytest.approx(middle - 1.25)
    assert r.jensen_shannon(a, a) == 0
    assert r.jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(1)


def test_density_is_the_sum_of_kernels():
    """Two normal kernels 2 h apart overlap in 2 Phi(-1) = 0.3173."""
    reference = np.array([[0.0], [2.0]] * 50)  # standard deviation 1
    e = r.Estimator(reference, 32)
    assert e.bandwidth == pytest.approx(0.5)  # 1 / 32^(1/5)
    at = [e.distribution(np.full((7, 1), x)) for x in (0.5, 1.5)]
    assert [x.sum() for x in at] == pytest.approx([1, 1])
    assert r.overlap(*at) == pytest.approx(math.erfc(1 / math.sqrt(2)), abs=0.01)
    half = e.distribution(np.array([[0.5], [1.5], [math.nan], [math.nan]]))
    assert half[-1] == 0.5


def test_distribution_of_histograms_and_of_odd_values():
    values = np.array([[0.5, 0.5], [1.0, 0.0], [np.nan, np.nan], [np.nan, np.nan]])
    e = r.Estimator(values, 4)
    assert e.distribution(values).tolist() == pytest.approx([0.375, 0.125, 0.5])
    assert e.distribution(values[2:]).tolist() == [0, 0, 1]
    constant = r.Estimator(np.ones((5, 1)), 5)
    same, other = (constant.distribution(np.full((3, 1), x)) for x in (1.0, 2.0))
    assert r.overlap(same, constant.distribution(np.ones((4, 1)))) == pytest.approx(1)
    # Beyond the grid counts in its last bin, 3 h off: 2 Phi(-1.5) = 0.134, and cut tails.
    assert r.overlap(same, other) < 0.2
    nothing = r.Estimator(np.full((5, 1), np.nan), 5)
    assert nothing.distribution(np.full((2, 1), np.nan))[-1] == 1


def test_frechet():
    # Means 3 and 4 apart, the covariances equal: 25.
    square = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    assert r.frechet(square, square + np.array([3, 4])) == pytest.approx(25)
    # Covariances diag(1/3, 1/3) and diag(4/3, 1/3), means 1/2 apart: 1/4 + (2/√3 - 1/√3)².
    assert r.frechet(square, square * [2, 1]) == pytest.approx(0.25 + 1 / 3)
    assert r.frechet(square, square) == pytest.approx(0, abs=1e-9)
    assert math.isnan(r.frechet(square[:1], square))


def test_standardised():
    table, other = r.feature_table([tune([60, 64]), tune([60, 62])]), r.feature_table([tune([60])])
    names = [n for n, f in FEATURES.items() if f.kind == "scalar"]
    column = names.index("pitch_range")
    # 4 and 2 semitones: mean 3, standard deviation 1. A single note has range 0.
    assert r.standardised(table, table)[:, column].tolist() == [1, -1]
    assert r.standardised(other, table)[:, column].tolist() == [-3]
    # Its mean interval is undefined: the reference's mean.
    assert r.standardised(other, table)[0, names.index("mean_interval")] == 0


def test_the_first_three():
    a, b = [tune([60, 62, 60, 62])], [tune([60, 64, 60, 62])]
    # Each class has one note more: the reference (b) 3 2 2 of 16, the set (a) 3 3 1.
    assert r.pitch_kl(a, b) == pytest.approx((2 * math.log2(2 / 3) + 2 * math.log2(2)) / 16)
    assert r.pitch_kl(a, a) == 0
    # b leaves C twice (to E, D) and E once (to C); a goes C to D twice, D to C once.
    # Row C: |1/2| + |1/2| over 2 = 1/2, weight 2; row E is never left: 1, weight 1.
    assert r.transition_error(a, b) == pytest.approx((2 * 0.5 + 1) / 3)
    assert r.transition_error(a, a) == 0
    assert math.isnan(r.transition_error(a, [tune([60])]))
    assert r.four_gram_overlap(a, b) == 0
    assert r.four_gram_overlap([tune([60, 62, 60, 62, 60])], a) == pytest.approx(0.5)
    assert r.four_gram_overlap([tune([72, 74, 72, 74])], a) == 1
    assert math.isnan(r.four_gram_overlap([tune([60])], a))


def test_halves_keep_groups_together():
    groups = np.array([0] * 7 + [1] * 3 + list(range(2, 22)))
    for seed in range(20):
        first, second = r.halves(groups, 12, np.random.default_rng(seed))
        assert len(first) == len(second) <= 12
        assert not set(groups[first]) & set(groups[second])
        assert len({*first.tolist(), *second.tolist()}) == 2 * len(first)
    first, second = r.halves(groups, 12, np.random.default_rng(0))
    assert len(first) == 12


def test_a_set_like_the_reference_reaches_the_ceiling_and_another_does_not():
    reference = walks(0, 120)
    like, unlike = walks(1, 60), walks(2, 60, (-7, -5, 5, 7))
    near, far = (r.realism(x, reference, draws=10) for x in (like, unlike))
    assert near.size == far.size == 60
    assert set(near.rows) == set(FEATURES)
    assert near.rows["mean_interval"].share > 0.9 > 0.1 > far.rows["mean_interval"].share
    assert near.rows["interval_histogram"].share > 0.95 > far.rows["interval_histogram"].share
    assert near.rows["bar_count"].ceiling == pytest.approx(far.rows["bar_count"].ceiling)
    assert near.frechet < 2 * near.frechet_floor < far.frechet
    row = far.rows["mean_interval"]
    expected = [np.abs(m.intervals).mean() for m in unlike]
    assert (row.set, row.set_sd) == pytest.approx((np.mean(expected), np.std(expected)))
    assert repr(r.realism(like, reference, draws=10)) == repr(near)
    with pytest.raises(InputError, match="3 tunes"):
        r.realism(like[:3], reference)


def variants(tunes, count):
    """Each tune so many times, in other transpositions."""
    return [m.transpose(k % 12 - 6) for m in tunes for k in range(count)]


def test_a_reference_of_few_tunes_has_no_halves():
    for few in (1, 3):  # one half is empty; one has five at most, of variants of the third tune
        with pytest.raises(InputError, match="variants of few tunes"):
            r.realism(walks(1, 20), variants(walks(0, few), 20 if few == 1 else 6), draws=5)


def test_the_size_that_is_said_is_that_of_the_samples():
    reference = variants(walks(0, 3), 10)  # halves of 10 and 20, cut to 10
    found = r.realism(walks(1, 30), reference, draws=5)
    assert found.size == 10
    assert all(np.isfinite([row.ceiling, row.overlap]).all() for row in found.rows.values())
    assert r.realism(walks(1, 30), walks(0, 30), draws=5).size == 15


def test_auc():
    labels = np.array([0, 0, 1, 1])
    assert t.auc(labels, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert t.auc(labels, np.zeros(4)) == 0.5
    assert math.isnan(t.auc(labels[:2], np.zeros(2)))
    folds = np.array([0, 0, 1, 1, 2, 2])
    scores = np.array([0.0, 1, 1, 0, 5, 5])
    # Right in the first fold, wrong in the second, a tie in the third.
    assert t.fold_auc(np.array([0, 1, 0, 1, 0, 1]), scores, folds) == pytest.approx(0.5)


def test_classifier_tells_unlike_sets_and_not_like_ones():
    pytest.importorskip("sklearn")
    same = t.two_sample(walks(0, 60), walks(1, 60))
    assert same.low < 0.55 and 0.3 < same.auc < 0.7
    # The same steps, but every tune is said twice: no histogram of pitches tells that.
    twice = [tune([*m.pitches[:20], *m.pitches[:20]], m.notes[0].duration) for m in walks(1, 60)]
    other = t.two_sample(walks(0, 60), twice)
    assert other.auc == max(other.logistic, other.boosting) > 0.95
    assert other.low <= other.auc <= other.high
    with pytest.raises(InputError):
        t.two_sample(walks(0, 10), walks(1, 60))


def test_copies_do_not_stand_in_two_folds():
    """A set that copies the other exactly: each copy is in its original's fold."""
    pytest.importorskip("sklearn")
    tunes = walks(3, 40)
    melodies = [*tunes, *tunes]
    groups = r.clusters(melodies)
    assert groups[:40].tolist() == groups[40:].tolist()
    found = t.two_sample(tunes, tunes)
    assert found.auc == pytest.approx(0.5, abs=0.03)


def test_variants_of_few_tunes_cannot_be_told_apart():
    pytest.importorskip("sklearn")
    for few in (1, 4):
        copies = variants(walks(0, few), 20 // few)
        for sets in ((copies, walks(1, 20)), (walks(1, 20), copies)):
            with pytest.raises(InputError, match=rf"of 20 and {few} tunes|of {few} and 20 tunes"):
                t.two_sample(*sets)
    found = t.two_sample(variants(walks(0, 5), 4), walks(1, 20))
    assert 0 <= found.low <= found.auc <= found.high <= 1


def test_a_fold_with_one_set_to_learn_from_is_left_out():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], 20), np.array([*range(20), *[99] * 20])
    columns, grams = rng.normal(size=(40, 3)), rng.random((40, 5)).astype(np.float32)
    _, folds = t._scores(columns, grams, labels, groups, 0)
    assert len(set(folds.tolist())) > 2  # the other folds have classifiers
    assert set(folds[20:].tolist()) == {-1}
    assert math.isnan(t.fold_auc(labels, columns[:, 0], folds))


def test_a_resample_without_one_of_the_sets_does_not_count():
    # A tune of either set in the one fold: half of the resamples have two of the same.
    labels, folds, groups = np.array([0, 1]), np.array([0, 0]), np.array([0, 1])
    found = t._interval(labels, np.array([0.0, 1.0]), folds, groups, np.random.default_rng(0))
    assert found == (1.0, 1.0)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingExtraError, match=r"scikit-learn; pip install 'tunesmith\[eval\]'"):
        t.two_sample(walks(0, 20), walks(1, 20))


@pytest.fixture
def folders(tmp_path):
    for name, seed, count in (("a", 0, 10), ("b", 1, 20)):
        (tmp_path / name).mkdir()
        for i, melody in enumerate(walks(seed, count)):
            formats.write(melody, tmp_path / name / f"{i}.mid")
    (tmp_path / "a" / "broken.mid").write_bytes(b"MThd")
    return tmp_path / "a", tmp_path / "b"


def test_compare_command(folders):
    ours, reference = map(str, folders)
    runner = CliRunner()
    found = runner.invoke(app, ["compare", ours, reference, "--no-classifier", "--json"])
    assert found.exit_code == 0, found.output
    data = json.loads(found.stdout)
    assert data["set"]["tunes"] == 10 and data["set"]["notes"] == 400
    assert len(data["set"]["left_out"]) == 1 and "broken.mid" in data["set"]["left_out"][0]
    assert data["realism"]["rows"].keys() == FEATURES.keys()
    assert data["realism"]["rows"]["contour"]["reference"] is None
    assert data["told_apart"] is None
    shown = runner.invoke(app, ["compare", ours, reference, "--no-classifier"])
    assert "mean_interval" in shown.output and "1 left out" in shown.output
    with pytest.raises(InputError):
        compare(ours, Path(reference) / "nothing")


def test_ceilings_of_bimmuda():
    """The values and ceilings that were published beside the goals of this project."""
    data = os.environ.get("TUNESMITH_DATA")
    if not data or not (Path(data) / "bimmuda").is_dir():
        pytest.skip("TUNESMITH_DATA with bimmuda is not given")
    melodies = [m for p in sorted((Path(data) / "bimmuda").glob("*.mid")) for m in formats.read(p)]
    names = ("pitch_class_entropy", "scale_consistency", "pitch_range", "mean_interval",
             "repetition_10")  # fmt: skip
    table = {n: v for n, v in r.feature_table(melodies).items() if n in names}
    means = {n: float(v.mean()) for n, v in table.items()}
    assert means["pitch_class_entropy"] == pytest.approx(2.502, abs=0.01)
    assert means["scale_consistency"] == pytest.approx(0.969, abs=0.005)
    assert means["pitch_range"] == pytest.approx(17.7, abs=0.1)
    assert means["mean_interval"] == pytest.approx(2.18, abs=0.01)
    rng, size = np.random.default_rng(0), len(melodies) // 2
    for name, published in (("pitch_class_entropy", 0.945), ("pitch_range", 0.905),
                            ("mean_interval", 0.912)):  # fmt: skip
        e, found = r.Estimator(table[name], size), []
        for _ in range(100):
            a, b = r.halves(np.arange(len(melodies)), size, rng)
            found.append(r.overlap(*(e.distribution(table[name][side]) for side in (a, b))))
        assert np.mean(found) == pytest.approx(published, abs=0.03), name


def test_a_tune_in_several_formats_counts_once(tmp_path):
    for place, melody in enumerate(walks(0, 3)):
        for ending in ("mid", "abc", "musicxml"):
            formats.write(melody, tmp_path / f"tune-{place:02}.{ending}")
    found = tune_set(tmp_path)
    assert len(found.melodies) == 3 and found.doubles == 6 and not found.left_out
    assert all(".abc" in m.origin for m in found.melodies)
    (tmp_path / "tune-00.abc").write_text("X:1\nno tune")  # then another format will do
    found = tune_set(tmp_path)
    assert len(found.melodies) == 3 and found.doubles == 5 and len(found.left_out) == 1


def test_what_the_classifier_cannot_do_is_said():
    pytest.importorskip("sklearn")
    ours, theirs = walks(0, 10), walks(1, 18)
    few = compare(ours, theirs, draws=2)
    assert few.told_apart is None and "cannot be told apart" in few.not_told_apart
    assert "not told apart" in "\n".join(comparison_notes(few))
    with pytest.raises(InputError, match="cannot be told apart"):
        compare(ours, theirs, draws=2, classifier=True)
    with pytest.raises(UsageError, match="only a corpus has a side"):
        compare(ours, theirs, side="test")


def test_tables_print_what_files_hold_as_it_is(capsys):
    print_rows([("title",), ("Reel [/b] [red]x[/red] \x1b[2J\N{NO-BREAK SPACE}!",)])
    assert (
        "Reel [/b] [red]x[/red] \N{REPLACEMENT CHARACTER}[2J\N{NO-BREAK SPACE}!"
        in capsys.readouterr().out
    )
