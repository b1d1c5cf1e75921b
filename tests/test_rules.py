"""Rules against answers worked out by hand."""

import json

import pytest
from typer.testing import CliRunner

from tunesmith.api.judging import judge_files, rules, rules_summary
from tunesmith.cli import app
from tunesmith.errors import InputError
from tunesmith.evaluation.rules import RULES, judge
from tunesmith.evaluation.rules_score import TYPICAL, WEIGHTS, combined
from tunesmith.melody import Key, Melody, Meter, Note

Q = 480


def tune(pitches, lengths=None, **more):
    notes, tick = [], 0
    for i, pitch in enumerate(pitches):
        length = lengths[i] if lengths else Q
        if pitch is not None:
            notes.append(Note(tick, length, pitch))
        tick += length
    return Melody(tuple(notes), **{"key": Key("C"), **more})


@pytest.mark.parametrize(
    ("rule", "melody", "score", "places"),
    [
        ("in_scale", tune([60, 61, 62, 64]), 0.75, ["bar 1 beat 2 (C#4)"]),
        ("in_scale", tune([69, 66, 68, 69], key=Key("A", "minor")), 1.0, []),
        ("chromatic_resolved", tune([60, 66, 67, 61, 72]), 0.5, ["bar 1 beat 4 (C#4)"]),
        ("chromatic_resolved", tune([60, 62]), None, []),
        ("leaps_recovered", tune([60, 67, 65, 72, 77, 60]), 2 / 3, ["bar 1 beat 4 (C5)"]),
        ("leaps_recovered", tune([60, 62, 64]), None, []),
        ("small_intervals", tune([60, 64, 64]), 0.75, []),
        ("singable_range", tune([60, 60]), 0.0, []),
        ("singable_range", tune([60, 79]), 1.0, []),
        ("singable_range", tune([50, 86]), 0.0, ["bar 1 beat 1 (D3)", "bar 1 beat 2 (D6)"]),
        ("bars_filled", tune([60] * 8), 1.0, []),
        ("bars_filled", tune([60] * 7), 0.5, ["bar 2 beat 1 (bar of 4/4)"]),
        ("bars_filled", tune([60] * 8, pickup=Q), 1.0, []),
        ("ends_stable", tune([62, 60]), 1.0, []),
        ("ends_stable", tune([60, 67]), 0.5, []),
        ("ends_stable", tune([60, 62]), 0.0, ["bar 1 beat 2 (D4)"]),
        ("ends_stable", tune([60, 63]), 0.5, []),  # C major, on E flat: either third counts
        ("strong_notes_stable", tune([63, 60, 60, 60]), 1.0, []),
        ("strong_notes_stable", tune([60] * 4 + [62]), 0.5, ["bar 2 beat 1 (D4)"]),
        ("long_notes_on_beat", tune([60] * 3, [240, 480, 480]), 0.0,
         ["bar 1 beat 1.5 (C4)", "bar 1 beat 2.5 (C4)"]),
        ("rests_at_phrase_ends", tune([60, None, 62, 64, 65]), 1.0, []),
        ("rests_at_phrase_ends", tune([60, 62, None, 64], [960, 240, 240, 960]), 0.0,
         ["bar 1 beat 3 (D4)"]),
        ("one_harmony_a_bar", tune([60, 64, 67, 72]), 1.0, []),
        # C and E count double in 4/4, so C E G has 4 of 6; in 3/4 all do, and it has 2 of 3.
        ("one_harmony_a_bar", tune([60, 62, 64, 65]), 2 / 3, []),
        ("one_harmony_a_bar", tune([60, 62, 64], meters=(Meter(0, 3, 4),)), 2 / 3, []),
        # E and F offbeat, D on beat 2: A C E and C E G have C and E, 2 + 1 of 5.
        ("one_harmony_a_bar", tune([60, 64, 62, 65], [240, 240, 240, 240]), 3 / 5, []),
        ("rhythm_consistent", tune([60] * 8), 1.0, []),
        ("rhythm_consistent", tune([60] * 5, [Q] * 4 + [4 * Q]), 0.25,
         ["bar 1 beat 1 (bar)", "bar 2 beat 1 (bar)"]),
        ("bars_return", tune([60, 62, 64, 65] * 4), 1.0, []),
        ("bars_return", tune([60, 62, 64, 65]), None, []),
        # Of C D E F and D E F G three notes are two semitones apart and one is one: (3/4)².
        # A bar of one note is none; two more have no onset in common with another bar.
        ("bars_return", tune([60, 62, 64, 65, 62, 64, 65, 67, 60, *[None, 60, 60, None] * 2],
                             [*[Q] * 8, 4 * Q, 240, Q, Q, 720, 120, Q, Q, 840]), 9 / 32, []),
        ("motifs_return", tune([60, 62, 64, 65, 67] * 4), 1.0, []),
        ("motifs_return", tune([60, 62]), None, []),
        ("not_hammered", tune([60] * 8), 0.75, ["bar 2 beat 3 (C4)"]),
        ("not_hammered", tune([60] * 6), 1.0, []),
        ("not_hammered", tune([60, 62] * 5), 0.8, ["bar 3 beat 1 (C4)"]),
        ("varied", tune([60] * 4), 0.0, []),
        ("varied", tune([60, 62]), 0.5, []),
        ("varied", tune([60, 62, 64, 65]), 1.0, []),
    ],
)  # fmt: skip
def test_rule(rule, melody, score, places):
    found = judge(melody)[rule]
    assert found.name == rule
    assert found.score == (None if score is None else pytest.approx(score))
    assert [str(p) for p in found.places] == places


def test_weak_notes_and_phrase_ends():
    eighths = tune([60, 62, 64, 72, 60], [240] * 5)  # weak: 62 by step, 72 by leaps
    assert judge(eighths)["weak_notes_by_step"].score == 0.5
    halves = tune([60, 62, 65, 60, 62, 60], [Q, Q, 2 * Q, Q, Q, 2 * Q])
    assert judge(halves)["phrases_end_stable"].score == 0.0  # ends on F, a fourth above
    flat = tune([60, 62, 63, 60, 62, 60], [Q, Q, 2 * Q, Q, Q, 2 * Q])
    assert judge(flat)["phrases_end_stable"].score == 1.0  # the minor third, in major too


def test_a_pickup_is_bar_zero_and_counts_back_from_its_barline():
    melody = tune([61, 60, 62, 64], pickup=Q, meters=(Meter(0, 3, 4),))
    assert str(judge(melody)["in_scale"].places[0]) == "bar 0 beat 3 (C#4)"


def test_every_rule_has_a_source_a_range_and_a_weight():
    for name, rule in RULES.items():
        assert "Range" in rule.__doc__ or "Never undefined" in rule.__doc__, name
        assert "Source: " in rule.__doc__, name
    assert list(WEIGHTS) == list(TYPICAL) == list(RULES)
    assert all(w >= 0 for w in WEIGHTS.values())


def test_one_note_and_the_combined_score():
    found = judge(tune([60]))
    assert all(r.score is None or 0 <= r.score <= 1 for r in found.values())
    good = judge(tune([60, 62, 64, 65, 67, 65, 64, 62] * 3 + [64, 62, 60, 60]))
    bad = judge(tune([60, 73, 51, 66, 78, 49, 71, 58] * 3 + [64, 80, 55, 61]))
    assert combined(good) > combined(bad)
    assert 0 <= combined(found, without=RULES) == combined(bad, without=RULES) <= 1


def test_files_and_command(tmp_path):
    path = tmp_path / "two.abc"
    path.write_text(
        "X:1\nT:A\nM:4/4\nL:1/4\nK:C\nCDEF|GEDC|\n\nX:2\nT:B\nM:4/4\nL:1/4\nK:G\nGABc|\n"
    )
    verdicts = list(judge_files([tmp_path]))
    assert [v.title for v in verdicts] == ["A", "B"]
    row = next(r for r in rules_summary(verdicts) if r["rule"] == "ends_stable")
    assert (row["tunes"], row["mean"], row["least"]) == (2, 0.5, 0.0)
    ran = CliRunner().invoke(app, ["rules", str(path), "--json"])
    assert ran.exit_code == 0
    data = json.loads(ran.stdout)
    assert data[0]["rules"][0]["source"].startswith("Krumhansl")
    assert "2 tunes" in CliRunner().invoke(app, ["rules", str(path)]).stdout
    assert "ends_stable" in str(rules(tune([60, 62])))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError):
        list(judge_files([tmp_path / "none"]))
