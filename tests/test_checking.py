"""`check`: the verdict on each tune, where and what to do; every remark is explained."""

import ast
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tunesmith import formats
from tunesmith.api.checking import check
from tunesmith.cli import app
from tunesmith.formats.reading import MOST_PLACES, Remarks
from tunesmith.formats.remarks import REMARKS, table

SOURCE = Path(formats.__file__).parent
HEAD = "M:6/8\nL:1/8\nK:D\n"
REST = "ABc def|fed cBA|\n"


def checked(tmp_path, text, name="a.abc"):
    path = tmp_path / name
    path.write_text(text)
    return list(check([path]))


def _phrases():
    """The constants by which something named like remarks is indexed, or that `note` gets."""

    def constants(node):
        return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value != 1]

    for path in SOURCE.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and "remarks" in ast.unparse(node.value):
                if isinstance(node.slice, ast.Constant):
                    yield node.slice.value
                elif path.name != "reading.py":  # a variable: what is assigned to it
                    values = [
                        n.value
                        for n in ast.walk(tree)
                        if isinstance(n, ast.Assign)
                        and ast.unparse(n.targets[0]) == ast.unparse(node.slice)
                    ]
                    assert values, f"{path.name}: {ast.unparse(node)}"
                    for value in values:
                        yield from (c for c in constants(value) if isinstance(c, str))
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "note"
                and "remarks" in ast.unparse(node.func.value)
            ):
                assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
                yield node.args[0].value


def test_every_remark_of_the_source_is_explained_and_no_other():
    phrases = set(_phrases())
    assert len(phrases) > 50
    assert phrases == set(REMARKS)


def test_every_mended_remark_says_what_to_do():
    assert not [k for k, m in REMARKS.items() if m.is_mended and not m.remedy]


def test_the_table_is_in_the_documentation():
    docs = Path(__file__).parent.parent / "docs" / "formats.md"
    assert table() in docs.read_text("utf-8")


def test_a_tune_with_an_ornament_is_kept(tmp_path):
    (verdict,) = checked(tmp_path, f"X:1\nT:Air\n{HEAD}{{c}}ABc def|{REST}")
    assert (verdict.verdict, verdict.title) == ("kept", "Air")
    assert [f.remark for f in verdict.findings] == ["grace notes dropped"]


@pytest.mark.parametrize(
    ("bars", "remark", "place"),
    [
        ("ABc dfe|abc dfe dcB|", "bars of irregular length", "line 5, bar 2 (9/8 "),
        ("ABc dfe|ABc dfef|", "bars of irregular length", "line 5, bar 2 (7/8 "),
        ("AB?c dfe|", "characters passed over", "line 5, column 3 ('?')"),
        ("slowly ABc|", "letters that mean nothing passed over", "line 5, column 1 ('slowl')"),
        ("A2Bd2-|dfe A2B-|", "ties that lead to no equal note", "line 5, bar 3"),
        ('ABc "D.C. al fine"dfe|', "da capo or dal segno not followed", "line 5, column 5"),
    ],
)  # fmt: skip
def test_what_was_mended_is_placed(tmp_path, bars, remark, place):
    (verdict,) = checked(tmp_path, f"X:1\n{HEAD}{bars}{REST}")
    assert verdict.verdict == "mended"
    (found,) = (f for f in verdict.findings if f.remark == remark)
    assert found.places[0].startswith(place)
    assert place in str(verdict) and f"To do: {found.remedy}" in str(verdict)


def test_a_letter_that_the_tune_defines_means_something(tmp_path):
    (verdict,) = checked(tmp_path, f"X:1\nU:W=!trill!\n{HEAD}WABc def|{REST}")
    assert verdict.verdict == "kept"
    (verdict,) = checked(tmp_path, f"X:1\n{HEAD}WABc def|{REST}")
    assert verdict.verdict == "mended"


@pytest.mark.parametrize(
    ("header", "what", "place"),
    [
        ("M:6/8\nK:Zfoo\n", "'Zfoo' is no key", "line 3"),
        ("M:5/0\nK:D\n", "'5/0' is no metre", "line 2"),
    ],
)
def test_a_refusal_says_where_and_what_to_do(tmp_path, header, what, place):
    bad, good = checked(tmp_path, f"X:1\n{header}{REST}\nX:2\n{HEAD}{REST}")
    assert (bad.verdict, good.verdict) == ("refused", "kept")
    (found,) = bad.findings
    assert what in found.remark and found.places == (place,) and found.remedy


def test_musicxml_and_kern_say_the_measure(tmp_path):
    note = (
        "<note><pitch><step>C</step><octave>4</octave></pitch>"
        "<duration>{}</duration><type>quarter</type></note>"
    )
    attributes = "<attributes><divisions>1</divisions><time><beats>2</beats><beat-type>4</beat-type></time></attributes>"  # noqa: E501
    measures = "".join(
        f'<measure number="{n}">{attributes if n == 1 else ""}{note.format(length)}</measure>'
        for n, length in ((1, 2), (2, 3), (3, 2))
    )
    xml = f'<score-partwise><part id="P1">{measures}</part></score-partwise>'
    (verdict,) = checked(tmp_path, xml, "a.musicxml")
    assert verdict.findings[0].places == ("measure 2 (3/4 in a metre of 2/4)",)
    kern = "**kern\n*M2/4\n=1\n2c\n=2\n4c\n2c\n=3\n2c\n==\n*-\n"
    (verdict,) = checked(tmp_path, kern, "a.krn")
    assert verdict.verdict == "mended"
    assert "3/4 in a metre of 2/4" in verdict.findings[0].places[0]


def test_places_are_bounded_and_merged():
    remarks, other = Remarks(), Remarks()
    for n in range(20):
        remarks.note("a", f"line {n}")
    other.note("a", "line 99")
    other.note("b", "line 1", 3)
    remarks.merge(other)
    assert remarks == {"a": 21, "b": 3}
    assert len(remarks.places["a"]) == MOST_PLACES and remarks.places["b"] == ["line 1"]


def test_the_command(tmp_path):
    run = CliRunner().invoke
    (tmp_path / "good.abc").write_text(f"X:1\n{HEAD}{REST}")
    (tmp_path / "mended.abc").write_text(f"X:1\n{HEAD}ABc|dfe?|ABcdef|{REST}")
    done = run(app, ["check", str(tmp_path)])
    assert done.exit_code == 0 and done.stdout.endswith("2 tunes: 1 kept, 1 mended, 0 refused\n")
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    done = run(app, ["check", "--json", str(tmp_path), str(tmp_path / "none.abc")])
    assert done.exit_code == 2
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(v["verdict"] for v in verdicts) == ["kept", "mended", "refused", "refused"]


def test_what_a_file_holds_does_not_steer_the_terminal(tmp_path):
    (verdict,) = checked(tmp_path, f"X:1\nT:\x1b[2J\n{HEAD}{REST}")
    assert "\x1b" not in str(verdict)


# -- lead sheets ---------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["abc", "musicxml", "krn"])
def test_chord_symbols_survive_reading_transposing_writing(tmp_path, extension):
    path = tmp_path / "lead.abc"
    path.write_text('X:1\nM:4/4\nL:1/4\nK:C\n"C"CEGE|"Dm7"DF"G7/B"GB|"F#dim"A2"Bb"B2|"Cmaj7"c4|]\n')
    (melody,) = formats.read(path)
    moved = melody.transpose(2)
    assert [c.symbol for c in moved.chords] == ["D", "Em7", "A7/C#", "G#dim", "C", "Dmaj7"]
    assert [c.tick for c in moved.chords] == [0, 1920, 2880, 3840, 4800, 5760]
    target = tmp_path / f"moved.{extension}"
    formats.write(moved, target)
    (again,) = formats.read(target)
    assert again.chords == moved.chords
    assert again.notes == moved.notes


def test_chord_symbols_are_drawn(tmp_path):
    pytest.importorskip("verovio")
    from tunesmith.api.writing import write

    path = tmp_path / "lead.abc"
    path.write_text('X:1\nM:4/4\nL:1/4\nK:C\n"Dm7"CEGE|"Esus4"c4|]\n')
    write(formats.read(path), tmp_path / "lead.svg")
    text = (tmp_path / "lead.svg").read_text("utf-8")
    # Each symbol is an outline of our own letters in a group of its own.
    drawn = re.findall(r'class="harm"><g transform="([^"]+)"><path d="([^"]+)"', text)
    assert len(drawn) == 2 and drawn[0] != drawn[1]
