"""The report: no sentence without its figures, and pages that stand alone."""

import json
import math
import re
import shlex
import statistics
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command

from tunesmith.api import reporting
from tunesmith.api.composing import generate, load_model
from tunesmith.api.report_page import _bracketed, _how_honest
from tunesmith.corpus import Corpus
from tunesmith.evaluation.features import measure
from tunesmith.evaluation.findings import (
    COMPARED,
    FINDINGS,
    Above,
    Figure,
    difference,
    findings,
    mean,
    ratio,
    ratio_difference,
    relative_excess,
)
from tunesmith.evaluation.likelihood import score_tunes
from tunesmith.evaluation.lines import Line
from tunesmith.evaluation.melody_models import counted_baselines
from tunesmith.keyfinding import with_estimates
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

    limits = dict.fromkeys(SLOT.findall(finding.sentence), "0.87")
    words = shlex.split(finding.command.format(**limits, **NAMES))
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
    gain_of_longer=tight(0.002), copied_beyond_human=tight(-0.01),
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


def test_a_little_more_copied_is_neither_more_nor_no_more():
    for low, high in ((0.001, 0.019), (-0.01, 0.01)):
        figures = GOOD | {"copied_beyond_human": Figure(0.01, low, high)}
        assert not {"copies", "original"} & set(names_said(figures))


def test_a_broken_rule_is_to_be_kept_as_people_keep_it():
    figures = {
        "generated_rule_in_scale": tight(0.9), "human_rule_in_scale": tight(0.973),
        "away_rule_in_scale": tight(-2.0),
    }  # fmt: skip
    (said,) = findings(figures, NAMES)
    assert said.finding.name == "rule_broken_in_scale"
    assert said.command.endswith("--min-rule in_scale=0.97")


def test_no_figure_no_sentence():
    assert names_said({}) == []
    assert names_said({"gain_over_markov": tight(1.0)}) == []  # bits_per_note is not there


# -- figures by hand -----------------------------------------------------------------


def test_difference_by_hand():
    d = difference([3.0, 5.0, math.nan] * 3, [0.0, 2.0, 4.0, 0.0, 4.0])
    assert d.value == pytest.approx((4 - 2) / 2)  # the deviation of 0, 2, 4, 0, 4 is 2
    assert d.low < d.value < d.high
    assert math.isnan(difference([3.0, 5.0], [1.0, 1.0]).value)
    assert math.isnan(difference([3.0], [1.0, 2.0]).value)


def test_mean_and_its_interval():
    assert mean([2.0, math.nan, 4.0]).value == 3.0
    assert mean([2.0] * 5) == (2.0, 2.0, 2.0)
    assert math.isnan(mean([math.nan]).value)
    x = np.random.default_rng(1).normal(0, 1, 400)
    found = mean(x)
    half = 1.96 / math.sqrt(400)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.2)


def test_relative_excess_by_hand():
    # 60 bits over 20 notes against 40 over 20: half as much again.
    found = relative_excess(
        ([10.0, 20.0, 10.0, 10.0, 10.0], [4, 6, 4, 3, 3]),
        ([8.0, 12.0, 8.0, 8.0, 4.0], [5, 5, 4, 4, 2]),
    )
    assert found.value == pytest.approx(0.5)
    assert found.low <= 0.5 <= found.high


def test_shares_are_of_all_tunes_together():
    # One of 10 and 30 of 90: 31 of 100, not the mean of a tenth and a third.
    seen = ([1, 30, 0, 0, 0, 0], [10, 90, 0, 0, 0, 0])
    assert ratio(seen).value == pytest.approx(0.31)
    assert ratio_difference(seen, ([1, 1], [10, 40])).value == pytest.approx(0.31 - 0.04)
    assert math.isnan(ratio(([], [])).value)
    # Resampled as a ratio: one tune seen whole, beside four of a tenth its length.
    found = ratio(([100, 0, 0, 0, 0], [100, 10, 10, 10, 10]))
    assert (found.low, found.high) == (0, pytest.approx(300 / 320))
    apart = ratio_difference(([100, 0, 0, 0, 0], [100, 10, 10, 10, 10]), ([0] * 5, [7] * 5))
    assert tuple(apart) == pytest.approx(tuple(found))


def test_of_few_tunes_no_interval_and_no_sentence():
    one, four, other = ([3.0], [1]), ([1.0, 2.0, 3.0, 4.0], [2] * 4), ([1.0] * 9, [2, 3, 4] * 3)
    for found in (
        mean(four[0]), difference(four[0], other[1]), difference(other[1], four[0]), ratio(one),
        ratio(([1.0] * 9, [2] * 4 + [0] * 5)), ratio_difference(other, one),
        relative_excess(four, other),
    ):  # fmt: skip
        assert not math.isnan(found.value)
        assert math.isnan(found.low) and math.isnan(found.high)
        assert names_said(dict.fromkeys(USED, found)) == []
        assert "[" not in _bracketed(found, 2) and "nan" not in _bracketed(found, 2)
    assert _bracketed(Figure(1.0, 0.5, 1.5), 2) == "1.00 [0.50, 1.50]"


# -- a whole report ------------------------------------------------------------------


@pytest.fixture(scope="module")
def reported(run_folder, corpus_folder, tmp_path_factory):
    """A report in HTML and in Markdown, and the four melodies that it judges.

    Two of them are training tunes, so that something is copied.
    """
    known = list(Corpus.open(corpus_folder).melodies("train"))[:2]
    made = {}

    def composed(model, *, count, seed, **more):
        if seed not in made:
            made[seed] = generate(model, count=2, seed=seed, **more)
            if count == 4:
                made[seed] += [replace(made[seed][0], melody=m) for m in known]
        return made[seed]

    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "generate", composed)
        patch.setattr(reporting, "SHOWN", 2)
        for name in ("report.html", "report.md"):
            found = reporting.report(
                run_folder, corpus=corpus_folder, out=folder / name, judged=4, seed=5
            )
    return found, [t.melody for t in made[6]], folder


def different(corpus, side):
    """The tunes of a side, those that are equal up to transposition once."""
    return list({t.key: t for t in corpus.tunes(side)}.values())


def test_the_figures_of_training_are_those_of_its_tunes(reported, run_folder, corpus_folder):
    put, model = reported[0].figures, load_model(run_folder)
    sides, bits = {}, {}
    for side in ("train", "validation"):
        tunes = different(Corpus.open(corpus_folder), side)
        melodies = [with_estimates(t.melody) for t in tunes]
        ids = [
            model.vocabulary.encode(m, t.style).ids for m, t in zip(melodies, tunes, strict=True)
        ]
        scores = score_tunes(model.network, model.vocabulary, ids)
        sides[side] = [model.vocabulary.decode(i) for i in ids], melodies
        notes = sum(len(m.notes) for m in melodies)
        bits[side] = sum(s.total.total for s in scores) / notes
    assert put["bits_per_note"].value == pytest.approx(bits["validation"])
    assert put["bits_of_training"].value == pytest.approx(bits["train"])
    gap = bits["validation"] / bits["train"] - 1
    assert put["relative_gap"].value == pytest.approx(gap) and abs(gap) > 0.01
    rows = counted_baselines(model.vocabulary, sides["train"][1], sides["validation"][0])
    totals = {name: sum(b.total for b in row) / notes for name, row in rows.items()}
    markov = min(total for name, total in totals.items() if "Markov" in name)
    assert put["bits_of_markov"].value == pytest.approx(markov)
    assert put["bits_of_best"].value <= min(totals.values()) + 1e-9
    for rival in ("markov", "best"):  # above 0 where the model needs fewer bits
        gain = put[f"bits_of_{rival}"].value - bits["validation"]
        assert put[f"gain_over_{rival}"].value == pytest.approx(gain) and abs(gain) > 0.1


def test_the_figures_of_melodies_are_generated_minus_human(reported, corpus_folder):
    made, generated, _ = reported
    human = [t.melody for t in different(Corpus.open(corpus_folder), "validation")]
    apart = 0
    for name in COMPARED:
        values = []
        for side in (generated, human):
            each = [float(measure(Line(m))[name][0]) for m in side]
            values.append([v for v in each if not math.isnan(v)])
        x, y = values
        assert made.figures[f"generated_{name}"].value == pytest.approx(statistics.mean(x))
        assert made.figures[f"human_{name}"].value == pytest.approx(statistics.mean(y))
        if len(y) > 1 and statistics.stdev(y) > 1e-9:
            away = (statistics.mean(x) - statistics.mean(y)) / statistics.stdev(y)
            assert made.figures[f"away_{name}"].value == pytest.approx(away)
            apart += abs(away) > 0.1
    assert apart > 2


def test_the_share_copied_is_of_all_melodies_together(reported, corpus_folder):
    made, generated, _ = reported
    corpus = Corpus.open(corpus_folder)

    def runs(melody):
        return [melody.intervals[i : i + 12] for i in range(len(melody.intervals) - 11)]

    known = {run for m in corpus.melodies("train") for run in runs(m)}
    shares = []
    for side in (generated, [t.melody for t in different(corpus, "validation")]):
        every = [run for m in side for run in runs(m)]
        shares.append(sum(run in known for run in every) / len(every))
    assert made.variants == 0 and shares[0] > shares[1] + 0.1
    for name, share in zip(("generated_seen", "human_seen"), shares, strict=True):
        assert made.figures[name].value == pytest.approx(share)
    assert made.figures["copied_beyond_human"].value == pytest.approx(shares[0] - shares[1])


def test_the_report_is_written(reported):
    made, _, folder = reported
    html, markdown = ((folder / f"report.{e}").read_text("utf-8") for e in ("html", "md"))
    assert html.startswith("<!doctype html>") and markdown.startswith("# Report of ")
    bits = f"{made.figures['bits_per_note'].value:.3f}"
    for page in (html, markdown):
        assert "Strengths" in page and "Areas for improvement" in page
        assert bits in page and "held out with all their near-duplicates" in page
    said = re.sub(r"base64,[^\")]*", "", markdown)
    assert not re.search(r"\bnan\b", said)
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert data["figures"]["bits_per_note"][1:] == [None, None]  # of two tunes


def test_near_duplicates_held_out_are_said_only_where_they_are(reported, corpus_folder):
    made, _, _ = reported
    checkpoint, claim = made.model.checkpoint, " with all their near-duplicates"
    own = checkpoint.provenance

    def honest(corpus, started):
        provenance = own | ({"started_from": started} if started else {})
        model = replace(made.model, checkpoint=replace(checkpoint, provenance=provenance))
        return _how_honest(replace(made, corpus=corpus, model=model))

    other = {"split_sha256": "another", "sources": own["sources"]}
    stranger = {"split_sha256": "another", "sources": []}
    assert honest(made.corpus, None) == honest(None, None) == claim
    assert honest(made.corpus, stranger) == claim
    said = honest(made.corpus, other)
    assert claim not in said and "may know some of these tunes" in said
    assert honest(None, stranger) == ""  # which cannot be looked up


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
