"""The verbs, joined: corpus to model to melodies, and what their receipts promise."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import tunesmith
from tunesmith.api.composing import generate, load_model, read_receipt
from tunesmith.api.learning import train
from tunesmith.api.looking import describe, tokens_in_words
from tunesmith.api.preparing import prepare, tokenised
from tunesmith.api.writing import parse_formats, render, write, write_tunes
from tunesmith.cli import app
from tunesmith.corpus import Corpus
from tunesmith.errors import InputError, OutputError, UsageError
from tunesmith.tokens import make_vocabulary

NOTE_FORMATS = ["mid", "abc", "musicxml", "letters"]


@pytest.fixture(scope="module")
def model(run_folder):
    return load_model(run_folder)


def test_everything_exported_is_there():
    for name in tunesmith.__all__:
        assert getattr(tunesmith, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'compose'"):
        _ = tunesmith.compose
    assert set(tunesmith.__all__) <= set(dir(tunesmith))


def test_generated_tunes_keep_what_was_asked(model):
    tunes = generate(model, count=6, seed=3, bars=4, key="d", mode="dorian", meter="6/8", tempo=96)
    assert len(tunes) == 6
    for tune in tunes:
        assert sum(not b.is_pickup for b in tune.melody.bars) == 4
        assert {str(b.meter) for b in tune.melody.bars} == {"6/8"}
        assert str(tune.melody.key) == "D dorian" and tune.melody.tempo == 96
        assert all(c["held"] for c in tune.receipt["constraints"] if c["kind"] == "hard")
        assert tune.receipt["seed"] == 3 and tune.receipt["bits_per_note"] > 0


def test_the_same_seed_gives_the_same_tunes_and_another_others(model):
    first, again, other = (generate(model, count=3, seed=s, bars=4) for s in (5, 5, 6))
    assert [t.melody for t in first] == [t.melody for t in again]
    assert [t.melody for t in first] != [t.melody for t in other]
    assert generate(model, bars=2)[0].receipt["seed"] != generate(model, bars=2)[0].receipt["seed"]


def test_a_spelling_is_kept_as_asked(model):
    assert generate(model, seed=1, bars=2, key="C#", mode="major")[0].melody.key.tonic == "C#"


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"key": "H"}, "'H' is no tonic"),
        ({"mode": "blues"}, "no mode 'blues'"),
        ({"meter": "6:8"}, "'6:8' is no metre"),
        ({"meter": "4/3"}, "is no metre"),
        ({"bars": 0}, "0 bars"),
        ({"style": "jazz"}, "no style 'jazz'"),
        ({"count": 0}, "0 melodies"),
        ({"tempo": 3}, "a tempo of 3"),
        ({"temperature": -1}, "a temperature of -1"),
        ({"seed": -1}, "negative seed"),
    ],
)
def test_wishes_without_sense(model, wish, says):
    with pytest.raises(UsageError, match=says):
        generate(model, **wish)


def test_a_receipt_makes_the_same_bytes_again(model, tmp_path):
    tunes = generate(model, count=2, seed=9, bars=4)
    written = write_tunes(tunes, tmp_path / "a", NOTE_FORMATS)
    assert len(written) == 10
    again = [read_receipt(tmp_path / "a" / f"tune-0{i}.json") for i in (1, 2)]
    write_tunes(again, tmp_path / "b", NOTE_FORMATS)
    for path in written:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_receipt_that_was_tampered_with_is_refused(model, tmp_path):
    write_tunes(generate(model, seed=2, bars=2), tmp_path, ["mid"])
    path = tmp_path / "tune-01.json"
    receipt = json.loads(path.read_text())
    for change, says in [
        ({"receipt": 99}, "no receipt of format"),
        ({"token_ids": receipt["token_ids"][:-1]}, "breaks off"),
        ({"token_ids": ["x"]}, "no list of whole numbers"),
        ({"melody": {"notes": []}}, "melody is damaged"),
        ({"melody": receipt["melody"] | {"notes": [[0, 480, 60]]}}, "not those of its melody"),
    ]:
        path.write_text(json.dumps(receipt | change))
        with pytest.raises(InputError, match=says):
            read_receipt(path)
    path.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_receipt(path)


def test_nothing_is_overwritten_unasked(model, tmp_path):
    tunes = generate(model, seed=2, bars=2)
    write_tunes(tunes, tmp_path, ["mid"])
    (tmp_path / "tune-01.mid").write_bytes(b"mine")
    with pytest.raises(OutputError, match="already there"):
        write_tunes(tunes, tmp_path, ["mid", "abc"])
    assert (tmp_path / "tune-01.mid").read_bytes() == b"mine"
    assert not (tmp_path / "tune-01.abc").exists()  # nothing else was written either
    write_tunes(tunes, tmp_path, ["mid"], force=True)
    assert (tmp_path / "tune-01.mid").read_bytes() != b"mine"


def test_what_is_there_is_told_before_composing(tmp_path):
    (tmp_path / "tune-01.abc").write_text("mine")
    given = ["--out", str(tmp_path), "--count", "3", "--format", "mid,abc"]
    # A model that is not there would be told of first, if it were looked for.
    for verb in (["generate"], ["continue", "nothing.abc"]):
        done = CliRunner().invoke(app, [*verb, *given, "--model", str(tmp_path / "none")])
        assert isinstance(done.exception, OutputError) and "already there" in str(done.exception)
    assert [p.name for p in tmp_path.iterdir()] == ["tune-01.abc"]


def test_every_format_is_written(model, tmp_path):
    melody = generate(model, seed=2, bars=2)[0].melody
    for name in parse_formats("mid,abc,musicxml,letters,wav,svg,png"):
        assert render([melody], name)
    write(melody, tmp_path / "x.abc")
    assert tunesmith.read(tmp_path / "x.abc")[0].same_tune(melody)
    with pytest.raises(UsageError, match=r"nothing is written as '\.ogg'"):
        write(melody, tmp_path / "x.ogg")
    with pytest.raises(UsageError, match="no format 'mp3'"):
        parse_formats("mid,mp3")


def test_letters_from_corpus_to_lines(letters_run):
    model = load_model(letters_run[0])
    tune = generate(model, seed=4, bars=3)[0]
    line = render([tune.melody], "letters").decode().strip()
    assert len(line) == 12 and set(line) <= set("CcDdEFfGgAaBR")
    with pytest.raises(UsageError, match="knows nothing of key"):
        generate(model, key="D")


def test_pitches_from_corpus_to_figures(corpus_folder, tmp_path):
    pytest.importorskip("torch")
    tunesmith.train(corpus_folder, tmp_path, tokens="pitches", steps=2)
    model = load_model(tmp_path)
    tune = generate(model, seed=4, bars=3)[0]
    assert [n.onset for n in tune.melody.notes] == [480 * i for i in range(12)]
    found = tunesmith.evaluate(model, corpus_folder, split="validation", baselines=False)
    assert found.notes > 0 and found.rows[0].pitch.value > found.rows[0].timing.value > 0


def test_tokens_of_a_corpus_are_kept_and_counted(corpus_folder):
    corpus = Corpus.open(corpus_folder)
    vocabulary = make_vocabulary("notes", ("examples",))
    first = tokenised(corpus, vocabulary, "train", 2048)
    again = tokenised(corpus, vocabulary, "train", 2048)
    assert (first.ids == again.ids).all() and first.counts == again.counts
    assert first.counts["tunes"] == len(first.offsets) - 1 == corpus.count("train")
    short = tokenised(corpus, vocabulary, "train", 200)
    assert short.counts["cut"] > 0 and max(short.offsets[1:] - short.offsets[:-1]) <= 200
    for a, b in zip(first.offsets, first.offsets[1:], strict=False):
        vocabulary.decode(first.ids[a:b])


def test_resuming_takes_what_was_recorded(letters_run):
    run, corpus = letters_run
    assert train(corpus, run, resume=True)["step"] == 4  # it was complete
    with pytest.raises(UsageError, match="begun with another"):
        train(corpus, run, resume=True, seed=77)
    with pytest.raises(UsageError, match="both"):
        train(corpus, run, minutes=1, steps=1)


def test_dropout_is_recorded_and_resumed(corpus_folder, tmp_path):
    pytest.importorskip("torch")
    train(corpus_folder, tmp_path / "run", steps=1, tokens="letters", dropout=0.2)
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert settings["recipe"]["dropout"] == 0.2
    assert train(corpus_folder, tmp_path / "run", resume=True)["step"] == 1
    with pytest.raises(UsageError, match="begun with another"):
        train(corpus_folder, tmp_path / "run", resume=True, dropout=0.1)


def test_fine_tuning_takes_over_weights_styles_and_training_tunes(corpus_folder, tmp_path):
    pytest.importorskip("torch")
    before = load_model()
    train(corpus_folder, tmp_path / "run", steps=1, start_from="default", rate=0.5)
    model = load_model(tmp_path / "run")
    recipe = model.checkpoint.provenance["training"]["recipe"]
    assert (recipe["matrix_rate"], recipe["other_rate"]) == (0.01, 0.005)
    assert model.vocabulary.styles == (*before.vocabulary.styles, "examples")
    assert model.checkpoint.config == before.checkpoint.config
    said = model.checkpoint.provenance["started_from"]
    assert [s["name"] for s in said["sources"]] == ["folk", "openewld", "lieder"]
    assert said["training"]["steps"] == before.checkpoint.provenance["training"]["steps"]
    assert len(model.index) == len(before.index) + Corpus.open(corpus_folder).count("train")
    usual = before.index.header["human"]["p95_by_style"]
    assert usual and model.index.header["human"]["p95_by_style"] == usual  # two songs tell nothing
    name = model.index.header["tunes"][0]
    assert name == before.index.header["tunes"][0]
    assert model.index.melody(5).notes == before.index.melody(5).notes
    with pytest.raises(UsageError, match="size of its own"):
        train(corpus_folder, tmp_path / "x", steps=1, start_from="default", size="nano")


def test_a_corpus_too_small_to_train(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "one.abc").write_text("X:1\nT:One\nM:4/4\nL:1/4\nK:C\nCDEF|\n")
    prepare([tmp_path / "one.abc"], tmp_path / "corpus")
    with pytest.raises(InputError, match="too small to train"):
        train(tmp_path / "corpus", tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()


def test_describing_things(corpus_folder, run_folder, tmp_path):
    assert "a corpus of" in describe(corpus_folder)
    model = describe(run_folder)
    assert "parameters" in model and "examples" in model and "perplexity" in model
    (tmp_path / "x.abc").write_text("X:1\nT:Tune\nM:3/4\nL:1/4\nK:Ddor\nA|DEF|GAB|\n")
    text = describe(tmp_path / "x.abc")
    assert "Tune: D dorian, 3/4, 2 bars + pickup, 7 notes, D4 to B4" in text
    with pytest.raises(InputError, match="no corpus, run or model"):
        describe(tmp_path)
    words = tokens_in_words(tmp_path / "x.abc", "notes")
    assert " bar:2 len:24 pitch:60" in words  # D is told as the tonic


def test_a_melody_shows_itself(model):
    html = generate(model, seed=2, bars=2)[0].melody._repr_html_()
    assert "<svg" in html and "<audio" in html


def test_a_run_resumes_where_it_was_or_is_damaged(run_folder, corpus_folder, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    plan = json.loads((copy / "run.json").read_text("utf-8"))
    settings = plan["settings"]

    def resumed(changed):
        (copy / "run.json").write_text(json.dumps(plan | {"settings": changed}), "utf-8")
        return train(corpus_folder, copy, resume=True)

    assert resumed(settings)["step"] == 4
    with pytest.raises(UsageError, match="no device 'abacus' here"):
        resumed(settings | {"device": "abacus"})
    for changed in (None, {}, settings | {"recipe": {"speed": 1}}, settings | {"model": None}):
        with pytest.raises(InputError, match="damaged, or of another version"):
            resumed(changed)


def test_a_stopped_run_says_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr("tunesmith.api.learning.train", lambda *_, **__: {"stopped": True})
    corpus, out = tmp_path / "my corpus", tmp_path / "run"
    asked = ["train", str(corpus), "--out", str(out), "--start-from", "default"]
    done = CliRunner().invoke(app, asked)
    said = f"tunesmith train '{corpus}' --out {out} --resume --start-from default"
    assert done.exit_code == 130 and said in done.output.replace("\n", "")


def test_ctrl_c_stops_the_quickstart_too(monkeypatch, tmp_path):
    from tunesmith.api import quickstart

    monkeypatch.setattr(quickstart, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(quickstart, "train", lambda *_, **__: {"stopped": True})
    done = CliRunner().invoke(app, ["quickstart", "--out", str(tmp_path / "first")])
    assert done.exit_code == 130 and "--resume" in done.output and "Composing" not in done.output


def test_a_receipt_is_written_as_it_is(model, tmp_path):
    tunes = generate(model, bars=2, seed=1)
    write_tunes(tunes, tmp_path / "a", ["mid"])
    receipt = tmp_path / "a" / "tune-01.json"
    command = ["generate", "--from-receipt", str(receipt), "--out", str(tmp_path / "b")]
    for more in (["--tempo", "90"], ["--count", "2"], ["--key", "D"], ["--style", "folk"]):
        done = CliRunner().invoke(app, [*command, *more])
        assert isinstance(done.exception, UsageError) and "written as it is" in str(done.exception)
    assert CliRunner().invoke(app, [*command, "--sheet"]).exit_code == 0
    for name, value in {"seed": "x", "bits_per_note": "y", "rules": [], "token_ids": [1]}.items():
        receipt.write_text(json.dumps(tunes[0].receipt | {name: value}))
        with pytest.raises(InputError):
            read_receipt(receipt)


def test_a_record_cut_short_is_left_out(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "val')
    assert describe(tmp_path / "run") == describe(run_folder).replace(
        str(run_folder), str(tmp_path / "run")
    )


def test_a_sheet_that_is_there_is_refused_before_composing(tmp_path, monkeypatch):
    monkeypatch.setattr("tunesmith.api.composing.generate", lambda *_, **__: pytest.fail("late"))
    for name in ("sheet.svg", "sheet-3.png"):
        out = tmp_path / name
        out.mkdir()
        (out / name).write_text("mine")
        asked = ["generate", "--bars", "2", "--count", "2", "--from", "4", "--out", str(out)]
        done = CliRunner().invoke(app, asked)
        assert isinstance(done.exception, OutputError) and name in str(done.exception)
