"""The model that comes with the package: small enough, honest about itself, ready at once."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tunesmith.api.composing import generate, load_model, read_receipt
from tunesmith.api.tracing import BOX, open_index
from tunesmith.decoding.constraints import Constraints
from tunesmith.errors import InputError
from tunesmith.evaluation.originality import judge
from tunesmith.model.checkpoint import save_checkpoint
from tunesmith.tokens.table import (
    BAR0,
    CLOSE_SLOT,
    KEY_SLOT,
    LAST_SLOT,
    LENGTH0,
    LENGTHS,
    PERIOD_SLOT,
    PITCH0,
    PITCH_LOWEST,
    REPEATS_SLOT,
    TICKS_PER_STEP,
    UNKNOWN,
    tonic_offset,
)


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def tunes(model):
    return generate(model, count=6, seed=3, bars=8, key="D", mode="dorian", meter="4/4")


def test_tunes_come_again_when_they_planned_to(model, monkeypatch):
    def followed(**how):
        found = []
        for tune in generate(model, count=32, seed=9, style="lieder", **how):
            told = tune.receipt["token_ids"][PERIOD_SLOT]
            if told >= BAR0 + 9:  # bars; shorter periods need no help
                found.append(told == model.vocabulary.encode(tune.melody).ids[PERIOD_SLOT])
        return sum(found) / len(found)

    held = followed()
    assert held >= 0.4
    monkeypatch.setattr("tunesmith.decoding.generating._RETURN", 0.0)
    assert followed() <= held / 2


def test_where_a_constraint_says_what_comes_again_the_header_does_not(model):
    (tune,) = generate(model, Constraints(form="AA'"), bars=16, meter="3/4", seed=1)
    assert tune.receipt["token_ids"][PERIOD_SLOT : REPEATS_SLOT + 1] == [UNKNOWN, UNKNOWN]
    (tune,) = generate(model, Constraints(range="C4:C6"), bars=16, meter="3/4", seed=1)
    assert UNKNOWN not in tune.receipt["token_ids"][PERIOD_SLOT : REPEATS_SLOT + 1]


def test_it_is_small_and_says_where_it_comes_from():
    sizes = {f.name: f.stat().st_size for f in BOX.iterdir()}
    assert sizes.pop("originality.index") <= 10e6
    assert sum(sizes.values()) <= 12e6
    said = json.loads((BOX / "provenance.json").read_text("utf-8"))
    assert [s["name"] for s in said["sources"]] == ["folk", "openewld", "lieder"]
    assert all(s["files_sha256"] and "not stated" not in s["licence"] for s in said["sources"])
    assert said["licence"].startswith("MIT")
    assert said["training"]["recipe"] and said["training"]["steps"]
    assert set(said["test"]) == {"folk", "lieder", "openewld"}
    assert "/" not in "".join(s["name"] for s in said["sources"])


def test_it_knows_its_styles(model):
    assert model.vocabulary.styles == ("folk", "openewld", "lieder")
    for style in model.vocabulary.styles:
        (tune,) = generate(model, seed=1, bars=4, style=style)
        assert all(c["held"] for c in tune.receipt["constraints"] if c["kind"] == "hard")


def test_what_is_asked_is_kept_and_every_tune_has_its_receipt(tunes):
    for tune in tunes:
        assert len([b for b in tune.melody.bars if not b.is_pickup]) == 8
        assert str(tune.melody.key) == "D dorian"
        assert {p % 12 for p in tune.melody.pitches} <= {2, 4, 5, 7, 9, 11, 0}
        assert all(c["held"] for c in tune.receipt["constraints"] if c["kind"] == "hard")
        found = tune.receipt["originality"]
        assert found["longest_run"] >= 0 and tune.receipt["model_licence"].startswith("MIT")
    assert len({tuple(t.melody.pitches) for t in tunes}) == len(tunes)


def test_a_receipt_makes_its_files_again_without_any_model(tunes, tmp_path):
    path = tmp_path / "tune.json"
    path.write_text(json.dumps(tunes[0].receipt))
    assert read_receipt(path).melody.notes == tunes[0].melody.notes


@pytest.mark.parametrize("missing", [(CLOSE_SLOT,), (LAST_SLOT, CLOSE_SLOT)])
def test_receipts_from_before_headers_told_the_end_still_make_their_files(tmp_path, missing):
    (tune,) = generate(load_model(), count=1, seed=2, bars=4)
    old = [t for place, t in enumerate(tune.receipt["token_ids"]) if place not in missing]
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**tune.receipt, "token_ids": old}))
    again = read_receipt(path)
    assert again.melody == tune.melody and again.receipt["token_ids"] == old


@pytest.mark.parametrize("asked", [{}, {"key": "D", "mode": "dorian"}], ids=["plain", "in a mode"])
def test_its_tunes_end_on_the_degree_that_their_header_plans(model, asked):
    tunes = generate(model, count=24, seed=5, bars=8, style="folk", **asked)
    told = [tune.receipt["token_ids"][LAST_SLOT] - PITCH0 for tune in tunes]
    ends = [tune.receipt["token_ids"] for tune in tunes]
    ends = [[i for i in ids[LAST_SLOT + 1 :] if i >= PITCH_LOWEST][-1] - PITCH0 for ids in ends]
    # One may end with a rest, where the last note was not known to be that.
    assert sum((a - b) % 12 == 0 for a, b in zip(told, ends, strict=True)) >= 23
    assert len({a % 12 for a in told}) > 1  # not always the tonic


def test_a_long_last_note_and_a_long_pickup_keep_the_planned_degree(model):
    for asked in ({"meter": "3/4", "bars": 8}, {"meter": "3/2", "pickup": "5/4", "bars": 2}):
        tunes = generate(model, Constraints(**asked), count=24, seed=1, style="lieder")
        missed = 0
        for tune in tunes:
            ids = tune.receipt["token_ids"]
            told = ids[LAST_SLOT] - PITCH0 + tonic_offset(ids[KEY_SLOT])
            missed += (tune.melody.pitches[-1] - told) % 12 != 0
        assert missed <= 2


@pytest.mark.parametrize("style", ["folk", "lieder"])
def test_its_last_notes_begin_where_their_header_plans(model, style):
    kept = due = 0
    for tune in generate(model, count=24, seed=6, bars=8, style=style):
        melody, planned = tune.melody, tune.receipt["token_ids"][CLOSE_SLOT] - LENGTH0
        steps = LENGTHS[planned] * TICKS_PER_STEP
        if steps <= melody.duration - melody.bars[-1].start:  # the last bar has room for it
            due += 1
            kept += melody.duration - melody.notes[-1].onset == steps
    assert due >= 16 and kept >= due - 2


def test_its_dances_seldom_end_in_a_rest(model):
    melodies = [t.melody for t in generate(model, count=48, seed=77, style="folk", bars=8)]
    assert sum(m.notes[-1].end < m.duration for m in melodies) <= 12


def test_its_index_holds_its_training_tunes(model):
    index = open_index(None, None)
    assert index.header["corpus_fingerprint"] == model.checkpoint.provenance["corpus_fingerprint"]
    assert judge(index, index.melody(0)).longest_run.notes > 10


def test_from_the_command_line_without_a_model(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tunesmith", "generate", "--bars", "4", "--seed", "5"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tunes").is_dir()


def test_a_model_that_was_told_other_things_is_refused(tmp_path, model):
    config = replace(model.checkpoint.config, recall_places=5)
    weights = {n: np.zeros(shape, np.float32) for n, shape in config.shapes().items()}
    save_checkpoint(tmp_path / "old", weights, config, model.checkpoint.vocabulary, {})
    with pytest.raises(InputError, match=r"other things of a tune.*train it again"):
        load_model(tmp_path / "old")


def test_a_number_of_bars_does_not_lengthen_the_pickup(model):
    # Of 65 numbers of bars one is allowed: without the weight of the others a pickup would go on
    # and on.
    made = [t.melody for t in generate(model, count=8, seed=9, style="folk", bars=8)]
    assert sum(m.pickup > m.bars[1].length / 2 for m in made) <= 1
