"""Every command and the Python of docs/generate.md, run as they stand."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunesmith.cli import app

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "generate.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("recipes")
    runpy.run_path(str(ROOT / "runs" / "pictures.py"))["songs"](made)
    return made


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.split(" --out ")[-1])
def test_a_recipe(command, folder, monkeypatch):
    assert command.startswith("tunesmith ")
    monkeypatch.chdir(folder)
    if "--from-receipt" in command:  # of another recipe
        first = next(c for c in COMMANDS if c.endswith("--out dorian"))
        CliRunner().invoke(app, [*shlex.split(first)[1:], "--force"])
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, (done.output, done.exception)
    out = folder / shlex.split(command)[-1]
    assert (out / "tune-01.mid").stat().st_size and (out / "tune-01.json").stat().st_size


def test_the_refusal_is_as_shown(folder, monkeypatch):
    command, says = re.search(r"```text\n\$ (.*)\n(.*)\n```", PAGE).groups()
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert f"tunesmith: {done.exception}" == says


def test_the_python(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(compile(block, "generate.md", "exec"), {})
    assert (folder / "idea.mid").exists()
