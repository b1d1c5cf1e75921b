"""Imports between the rooms go down only, never up or sideways; light doors stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tunesmith

SOURCE = Path(tunesmith.__file__).parent
LEVELS = {
    "errors": 0, "files": 0, "melody": 0, "theory": 0, "keyfinding": 0, "meterfinding": 0,
    "silence": 0,
    "formats": 1, "tokens": 1, "model": 1,
    "render": 2, "corpus": 2, "training": 2, "decoding": 2,
    "evaluation": 3,
    "api": 4,
    "__init__": 4,
    "cli": 5, "__main__": 5,
}  # fmt: skip
# Inside level 0 the order is this one: a room may use those before it.
GROUND = ("errors", "files", "melody", "theory", "keyfinding", "meterfinding", "silence")
EXCEPTIONS = {("__init__", "api"), ("__main__", "cli")}


def _imports():
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                names = [node.module or ""]
                if node.module == "tunesmith":
                    names = [f"tunesmith.{a.name}" for a in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            else:
                continue
            for name in names:
                if name.startswith("tunesmith."):
                    yield path, room, name.split(".")[1]


def test_every_room_has_a_level():
    rooms = {p.relative_to(SOURCE).parts[0].removesuffix(".py") for p in SOURCE.rglob("*.py")}
    assert rooms <= LEVELS.keys()


def test_imports_go_down():
    wrong = []
    for path, room, other in _imports():
        if other not in LEVELS or other == room or (room, other) in EXCEPTIONS:
            continue
        down = LEVELS[other] < LEVELS[room]
        on_the_ground = (
            room in GROUND and other in GROUND and GROUND.index(other) < GROUND.index(room)
        )
        if not (down or on_the_ground):
            wrong.append(f"{path.relative_to(SOURCE)} imports {other}")
    assert not wrong


_HEAVY = "torch numpy symusic music21 verovio safetensors lxml resvg_py"
_COMPOSING = "import tunesmith.api.composing, tunesmith.api.writing, tunesmith.cli.generate"


@pytest.mark.parametrize(
    ("door", "heavy"),
    [
        ("import tunesmith", _HEAVY),
        ("from tunesmith.cli import app", _HEAVY),
        (_COMPOSING, "torch music21 tunesmith.corpus"),
    ],
)
def test_doors_are_light(door, heavy):
    code = f"{door}; import sys; print([m for m in '{heavy}'.split() if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_only_training_imports_torch():
    users = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(n.split(".")[0] == "torch" for n in names):
                users.add(path.relative_to(SOURCE).as_posix())
    of_model = {"model/network.py", "model/processor.py"}
    assert all(u.startswith("training/") or u in of_model for u in users), users
