"""The command as a user runs it: a process, its output, its exit code, what it leaves behind."""

import json
import os
import subprocess
import sys

import pytest
import typer

from tunesmith.cli import VERBS, app

TUNE = "X:1\nT:Tune\nM:3/4\nL:1/4\nK:Ddor\nDEF|GAB|\n"


def run(*args, cwd=None, **env):
    return subprocess.run(
        [sys.executable, "-m", "tunesmith", *map(str, args)],
        cwd=cwd, capture_output=True, text=True, timeout=600,
        env=os.environ | {"COLUMNS": "200"} | env,
    )  # fmt: skip


def refused(done, *says, code=2):
    """One line on stderr, the exit code, no traceback."""
    assert done.returncode == code, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for text in says:
        assert text in done.stderr
    return True


def test_help_and_version():
    assert run("--version").stdout.startswith("tunesmith 0.")
    text = run("--help").stdout
    for command in ("quickstart", "prepare", "train", "generate", "convert", "info", "tokens"):
        assert command in text
    assert run("no-such-command").returncode == 2


def test_each_verb_is_in_the_module_that_is_loaded_for_it():
    commands = typer.main.get_command(app).commands.items()
    assert {verb: c.callback.__module__ for verb, c in commands} == {
        verb: f"tunesmith.cli.{module}" for verb, module in VERBS.items()
    }
    assert [verb for verb, _ in commands] == list(VERBS)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['tunesmith', '--help']\n"
        "try:\n    import tunesmith.cli as c; c.main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'symusic', 'lytk', 'music21', 'verovio'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_generate_again_from_the_receipt(run_folder, tmp_path):
    done = run("generate", "--model", run_folder, "--count", 2, "--seed", 7, "--bars", 4,
               "--key", "D", "--mode", "dorian", "--meter", "3/4", "--format", "mid,abc,svg",
               "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "seed 7" in done.stdout and "D dorian, 3/4" in done.stdout
    assert len(list((tmp_path / "out").iterdir())) == 8
    receipt = tmp_path / "out" / "tune-02.json"
    assert json.loads(receipt.read_text())["asked"]["bars"] == 4
    done = run("generate", "--from-receipt", receipt, "--format", "mid,abc", "--out",
               tmp_path / "again")  # fmt: skip
    assert done.returncode == 0, done.stderr
    for ending in ("mid", "abc"):
        first, again = tmp_path / "out" / f"tune-02.{ending}", tmp_path / "again/tune-01"
        assert first.read_bytes() == again.with_suffix(f".{ending}").read_bytes()


def test_generating_never_imports_torch(run_folder, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.argv = ['tunesmith', 'generate', '--model', {str(run_folder)!r}, '--bars', '2',"
        f" '--out', {str(tmp_path / 'x')!r}]\n"
        "import tunesmith.cli as c; c.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "2 files" in done.stdout, done.stderr


def test_without_a_model_it_says_how_to_get_one(tmp_path):
    refused(run("generate", "--model", tmp_path, "--out", tmp_path / "x"), "no model here")
    assert not (tmp_path / "x").exists()


def test_convert_info_tokens(tmp_path):
    source = tmp_path / "tune.abc"
    source.write_text(TUNE)
    for ending in ("mid", "musicxml", "txt", "wav", "svg", "png"):
        done = run("convert", source, tmp_path / f"out.{ending}")
        assert done.returncode == 0 and "1 tune in" in done.stdout, done.stderr
    assert "D dorian" in run("info", tmp_path / "out.mid").stdout
    assert "bar:2" in run("tokens", source).stdout
    refused(run("convert", source, tmp_path / "out.mid"), "already there", "--force", code=1)
    assert run("convert", source, tmp_path / "out.mid", "--force").returncode == 0
    refused(run("convert", source, tmp_path / "out.ogg"), "nothing is written as '.ogg'")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.mid", b"", "empty"),
        ("text.mid", b"This is a text, not music.\n" * 9, "MIDI"),
        ("cut.mid", b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0MTrk\x00\x00\x10\x00\x00\x90",
         ""),
        ("empty.abc", b"", "empty"),
        ("notmusic.abc", b"dear diary\n", ""),
        ("broken.musicxml", b"<score-partwise><part>", ""),
        ("broken.mxl", b"PK\x03\x04broken", ""),
        ("words.txt", b"Hello, world\n", ""),
        ("tune.ogg", b"OggS", ".ogg"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, name, data, says):
    path = tmp_path / name
    path.write_bytes(data)
    for command in (("convert", path, tmp_path / "out.abc"), ("tokens", path)):
        done = run(*command)
        assert done.returncode == 2, done
        assert name in done.stderr and says in done.stderr
        assert "Traceback" not in done.stderr
    done = run("prepare", path, "--out", tmp_path / "corpus")
    refused(done, name)
    assert sorted(p.name for p in tmp_path.iterdir()) == [name]


def test_a_folder_without_music(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    refused(run("prepare", tmp_path / "photos", "--out", tmp_path / "corpus"), "photos")
    refused(run("prepare", tmp_path / "nowhere", "--out", tmp_path / "corpus"), "nowhere")
    refused(run("train", tmp_path / "photos", "--out", tmp_path / "run"), "no corpus")
    refused(run("info", tmp_path / "photos"), "no corpus, run or model")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_one_bad_file_among_good_ones(tmp_path):
    folder = tmp_path / "tunes"
    folder.mkdir()
    for i, letter in enumerate("CDEFGAB"):
        (folder / f"{i}.abc").write_text(TUNE.replace("DEF|", f"{letter}EF|{letter}2{letter}|"))
    (folder / "bad.mid").write_bytes(b"not a midi")
    done = run("prepare", folder, "--out", tmp_path / "corpus", "--licence", "CC0")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "corpus" / "manifest.json").read_text())
    source = manifest["sources"][0]
    assert (source["tunes"], sum(source["rejected_by_reason"].values())) == (7, 1)
    assert source["licence"] == "CC0"
    assert "bad.mid" in (tmp_path / "corpus" / "rejects.jsonl").read_text()
    again = run("prepare", folder, "--out", tmp_path / "corpus", "--licence", "CC0")
    assert "nothing has changed" in again.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path):
    source = tmp_path / "tune.abc"
    source.write_text(TUNE)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(run("convert", source, locked / "x.mid"), "no permission", code=1)


def test_a_full_disk_leaves_nothing(tmp_path):
    # A file size limit stands in for the full disk: the write fails half-way with EFBIG.
    source = tmp_path / "tune.abc"
    source.write_text(TUNE)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"sys.argv = ['tunesmith', 'convert', {str(source)!r}, {str(tmp_path / 'x.wav')!r}]\n"
        "import tunesmith.cli as c; c.main()"
    )
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    refused(done, "cannot be written", code=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tune.abc"]


def test_corpora_lists_names_and_licences():
    text = run("corpora").stdout
    assert "folk" in text and "essen" in text and "non-commercial" in text
    refused(run("prepare", "essen", "--out", "x"), "--accept-licence")


def test_the_tiniest_quickstart(tmp_path):
    pytest.importorskip("torch")
    done = run("quickstart", "--source", "examples", "--minutes", 0.05, "--out", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    assert "perplexity" in done.stdout
    tunes = tmp_path / "first" / "tunes"
    for ending in ("mid", "abc", "musicxml", "wav", "svg", "png", "txt", "json"):
        assert len(list(tunes.glob(f"*.{ending}"))) == 8
    assert (tmp_path / "first" / "summary.md").read_text().count("tune-") >= 8
    refused(run("quickstart", "--out", tmp_path / "first"), "already there", code=1)


def test_rules_of_a_folder_leave_out_what_cannot_be_read(tmp_path):
    for name in ("a", "c"):
        (tmp_path / f"{name}.abc").write_text(TUNE)
    (tmp_path / "b.mid").write_bytes(b"MThd")
    (tmp_path / "b.krn").write_bytes(b"")
    done = run("rules", tmp_path, "--json")
    assert done.returncode == 2 and "b.mid" in done.stderr and "the file is empty" in done.stderr
    assert len(json.loads(done.stdout)) == 2
    refused(run("rules", tmp_path / "b.mid"), "b.mid")
