"""The scripts in examples/ and the Python of the README run as they stand."""

import re
import runpy
from pathlib import Path

import pytest

import tunesmith

ROOT = Path(__file__).parent.parent


def test_compose(run_folder, tmp_path, capsys):
    script = runpy.run_path(str(ROOT / "examples" / "compose.py"))
    script["main"](str(run_folder), str(tmp_path))
    assert len(tunesmith.read(tmp_path / "idea-1.mid")) == 1
    assert "D dorian" in capsys.readouterr().out


def test_own_constraint(tmp_path, capsys):
    script = runpy.run_path(str(ROOT / "examples" / "own_constraint.py"))
    script["main"](None, str(tmp_path))
    notes = tunesmith.read(tmp_path / "climbing.mid")[0].pitches
    assert all(c >= a for a, c in zip(notes, notes[2:], strict=False))


def test_own_corpus(tmp_path, capsys):
    pytest.importorskip("torch")
    script = runpy.run_path(str(ROOT / "examples" / "own_corpus.py"))
    script["main"](str(ROOT / "src/tunesmith/corpus/examples"), str(tmp_path), "2")
    assert "bits a note on tunes" in capsys.readouterr().out


def test_the_python_of_the_readme(run_folder, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert blocks
    (tmp_path / "first-tunes").mkdir()
    (tmp_path / "first-tunes" / "run").symlink_to(run_folder)
    tune = (ROOT / "src/tunesmith/corpus/examples/britain.abc").read_bytes()
    (tmp_path / "tunes.abc").write_bytes(tune)
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
