"""The report: no sentence without its figures, and pages that stand alone."""

import math
import re
import shlex
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command

from tunesmith.evaluation.findings import (
    COMPARED,
    FINDINGS,
    Above,
    Figure,
    difference,
    findings,
    mean,
    relative_excess,
)
from tunesmith.melody import Key, Melody, Note
from tunesmith.render import plots
from tunesmith.render.page import (
    Heading,
    Picture,
    Points,
    Sound,
    Table,
    Text,
    small_wav,
    to_html,
    to_markdown,
)

NAMES = {"run": "run", "corpus": "corpus", "steps": "300", "twice": "600", "best_step": "120"}
SLOT = re.compile(r"\{(\w+)")
USED = sorted({s for f in FINDINGS for s in SLOT.findall(f.sentence)})


def names_said(figures):
    return [s.finding.name for s in findings(figures, NAMES)]


# -- sentences and figures -----------------------------------------------------------


@st.composite
def figure_sets(draw):
    """Some of the figures, around the bounds; now and then one that is not a number."""
    chosen = draw(st.sets(st.sampled_from(USED)))
    number = st.floats(-2, 2) | st.sampled_from([0.0, 0.01, 0.05, 0.15, 0.5, -0.5, math.nan])
    return {name: Figure(*draw(st.tuples(number, number, number))) for name in sorted(chosen)}


@given(figure_sets())
@settings(max_examples=150)
def test_a_sentence_stands_if_and_only_if_its_figures_bear_it(figures):
    # The conditions are evaluated here anew, from the table as data.
    for finding in FINDINGS:
        shown = set(SLOT.findall(finding.sentence))
        bears = shown <= figures.keys() and not any(
            math.isnan(v) for name in shown for v in figures[name]
        )
        for condition in finding.conditions:
            _, low, high = figures.get(condition.name, (math.nan,) * 3)
            end = low if isinstance(condition, Above) else -high
            bound = condition.bound if isinstance(condition, Above) else -condition.bound
            bears = bears and end > bound
        assert (finding.name in names_said(figures)) == bears


@given(figure_sets())
@settings(max_examples=100)
def test_each_sentence_shows_the_interval_of_every_figure_that_decides_it(figures):
    for said in findings(figures, NAMES):
        assert {c.name for c in said.finding.conditions} <= set(SLOT.findall(said.finding.sentence))
        assert said.sentence.count("[") == len(SLOT.findall(said.finding.sentence))
        assert "{" not in said.sentence + said.command


def test_names_are_unlike_and_weaknesses_have_commands():
    names = [f.name for f in FINDINGS]
    assert len(names) == len(set(names))
    for finding in FINDINGS:
        assert bool(finding.command) == (finding.kind == "weakness")


def test_opposites_never_stand_together():
    for name in COMPARED:
        for value in (-1.0, -0.5, 0.0, 0.5, 1.0):
            shown = Figure(1, 1, 1)
            figures = {f"{k}_{name}": shown for k in ("generated", "human")}
            figures[f"away_{name}"] = Figure(value, value - 0.01, value + 0.01)
            assert len(names_said(figures)) <= 1


@pytest.mark.parametrize("finding", [f for f in FINDINGS if f.command], ids=lambda f: f.name)
def test_the_commands_exist(finding):
    from tunesmith.cli import app

    words = shlex.split(finding.command.format(**NAMES))
    assert words[0] == "tunesmith"
    command = get_command(app).commands[words[1]]
    assert command.make_context(words[1], words[2:], resilient_parsing=False)


def tight(value):
    return Figure(value, value - 0.001, value + 0.001)


def alike(away=0.0, **others):
    figures = {}
    for name in COMPARED:
        figures[f"generated_{name}"] = figures[f"human_{name}"] = tight(1.0)
        figures[f"away_{name}"] = Figure(away, away - 0.1, away + 0.1)
    return {**figures, "generated_seen": tight(0.05), "human_seen": tight(0.04), **others}


GOOD = alike(
    bits_per_note=tight(2.6), gain_over_markov=tight(0.4), gain_over_best=tight(0.2),
    relative_gap=tight(0.02),
    gain_of_longer=tight(0.002), copied_beyond_human=tight(0.0),
)  # fmt: skip


def test_a_good_model_reads_as_one():
    names = names_said(GOOD)
    assert {"learned", "small_gap", "converged", "original"} <= set(names)
    assert {f"like_{n}" for n in COMPARED} <= set(names)
    kinds = {s.finding.name for s in findings(GOOD, NAMES) if s.finding.kind == "weakness"}
    assert kinds == {"larger_next"}


def test_an_overfitted_model_reads_as_one():
    figures = GOOD | {"relative_gap": tight(0.6), "rise_since_best": tight(0.3)}
    names = names_said(figures)
    assert {"large_gap", "got_worse"} <= set(names)
    assert not {"small_gap", "larger_next"} & set(names)


def test_an_untrained_model_reads_as_one():
    figures = alike(
        away=-2.0, bits_per_note=tight(9.0), gain_over_markov=tight(-5.0),
        gain_over_best=tight(-6.0), relative_gap=tight(0.0), gain_of_longer=tight(0.3),
        copied_beyond_human=tight(-0.04),
    )  # fmt: skip
    names = names_said(figures)
    assert {"not_learned", "longer_helps", *(f"lower_{n}" for n in COMPARED)} <= set(names)
    assert "learned" not in names and "converged" not in names
    assert not [n for n in names if n.startswith("like_")]


def test_a_copying_model_reads_as_one():
    figures = GOOD | {"generated_seen": tight(0.9), "copied_beyond_human": tight(0.86)}
    said = [s for s in findings(figures, NAMES) if s.finding.name in ("copies", "original")]
    assert [s.finding.name for s in said] == ["copies"]
    assert "90.0 % [89.9, 90.1]" in said[0].sentence
    assert "--max-copy" in said[0].command


def test_no_figure_no_sentence():
    assert names_said({}) == []
    assert names_said({"gain_over_markov": tight(1.0)}) == []  # bits_per_note is not there


# -- figures by hand -----------------------------------------------------------------


def test_difference_by_hand():
    d = difference([3.0, 5.0, math.nan], [0.0, 2.0, 4.0])
    assert d.value == pytest.approx((4 - 2) / 2)  # the deviation of 0, 2, 4 is 2
    assert d.low < d.value < d.high
    assert difference([3.0, 5.0], [1.0, 1.0], plain=True).value == 3.0
    assert math.isnan(difference([3.0, 5.0], [1.0, 1.0]).value)
    assert math.isnan(difference([3.0], [1.0, 2.0]).value)


def test_mean_and_its_interval():
    assert mean([2.0, math.nan, 4.0]).value == 3.0
    assert mean([2.0, 2.0]) == (2.0, 2.0, 2.0)
    assert math.isnan(mean([math.nan]).value)
    x = np.random.default_rng(1).normal(0, 1, 400)
    found = mean(x)
    half = 1.96 / math.sqrt(400)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.2)


def test_relative_excess_by_hand():
    # 30 bits over 10 notes against 20 over 10: half as much again.
    found = relative_excess(([10.0, 20.0], [4, 6]), ([8.0, 12.0], [5, 5]))
    assert found.value == pytest.approx(0.5)
    assert found.low <= 0.5 <= found.high


# -- plots and pages -----------------------------------------------------------------

TUNE = Melody(
    tuple(Note(240 * i, 240, 60 + i) for i in range(8)), key=Key("C"), title='A <"&> tune'
)


def test_ticks_are_round():
    assert plots.ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert plots.ticks(1.21, 1.38) == pytest.approx([1.25, 1.3, 1.35])
    assert plots.ticks(3, 3) == [3]


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_stay_inside_and_are_few(low, width):
    found = plots.ticks(low, low + width)
    assert len(found) <= 7
    assert all(low - 1e-6 * width <= t <= low + width * (1 + 1e-6) for t in found)


def test_a_curve_stands_where_its_values_are():
    svg = plots.curves(
        [plots.Series("a", [0, 10], [1, 2], dots=True)],
        title="t", x_label="step", y_label="nats", description="d & d",
    )  # fmt: skip
    root = ET.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{space}circle")]
    assert dots[0][0] < dots[1][0] and dots[0][1] > dots[1][1]  # to the right, and higher
    texts = [t.text for t in root.iter(f"{space}text")]
    assert "step" in texts and "nats" in texts
    assert root.find(f"{space}desc").text == "d & d"


def test_bars_are_as_high_as_their_values():
    svg = plots.bars(
        ["x", "y"], {"one": [10, 20]}, title="t", x_label="a", y_label="b", description="d"
    )
    rects = ET.fromstring(svg).findall("{http://www.w3.org/2000/svg}rect")
    heights = [float(r.get("height")) for r in rects if r.get("fill") == plots.COLOURS[0]]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)


def test_a_piano_roll_has_a_bar_for_each_note():
    root = ET.fromstring(plots.piano_roll(TUNE))
    rects = root.findall("{http://www.w3.org/2000/svg}rect")
    notes = [r for r in rects if r.get("fill") == plots.COLOURS[0]]
    assert len(notes) == 8
    assert float(notes[0].get("y")) > float(notes[7].get("y"))


def page():
    return [
        Heading("One & two", 1),
        Text("<b>no markup</b>", "tunesmith train a --steps 3"),
        Points((("It *is* so.", ""), ("Or not.", "tunesmith info run"))),
        Table((("name", "value"), ("a|b", "1.0 [0.5, 1.5]"))),
        Picture(plots.piano_roll(TUNE), 'said "so"', "caption"),
        Sound(small_wav(TUNE), "sound"),
    ]


def test_the_page_stands_alone_and_is_escaped():
    html = to_html(page(), "T")
    assert '<meta name="viewport"' in html
    assert "&lt;b&gt;no markup" in html and "<b>" not in html
    assert 'class="n">1.0 [0.5, 1.5]' in html
    for link in re.findall(r'(?:src|href)="([^"]*)"', html):
        assert link.startswith("data:")
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_markdown_holds_the_same():
    text = to_markdown(page())
    assert text.startswith("# One & two")
    assert "    tunesmith train a --steps 3" in text
    assert r"a\|b" in text and "---:" in text
    assert "data:image/svg+xml;base64," in text
    assert "HTML report has" in text


def test_small_sound_is_small():
    wav = small_wav(TUNE)
    assert wav[:4] == b"RIFF"
    seconds = 8 * 240 / 480 / 2 + 1
    assert len(wav) == pytest.approx(2 * 11_025 * seconds, rel=0.01)
