"""Several melodies on one page."""

import re
import xml.etree.ElementTree as ET

import pytest

from tunesmith.api.model import Tune
from tunesmith.api.writing import _caption, write_tunes
from tunesmith.errors import OutputError, UsageError
from tunesmith.melody import Melody, Note
from tunesmith.render.sheet import HEIGHT, draw_sheet, write_sheet
from tunesmith.render.svg import WIDTH


def tune(bars, title="A tune", ticks=240, pickup=0):
    notes = [
        Note(i * ticks, ticks, 60 + i * 5 % 12) for i in range((bars * 1920 + pickup) // ticks)
    ]
    return Melody(notes=tuple(notes), title=title, pickup=pickup)


def systems(page):
    """How many bars each system of each tune of a page has."""
    scores = page.iterfind("g/g[@class='page-margin']") if page.find("g/g") is not None else []
    return [
        [len(s.findall(".//g[@class='measure']")) for s in score.iterfind(".//g[@class='system']")]
        for score in scores
    ]


def test_eight_stand_on_one_page_with_their_titles():
    pages = draw_sheet([tune(8, f"Tune {i}") for i in range(8)], [f"said {i}" for i in range(8)])
    [(page, height)] = pages
    assert 400 < height <= HEIGHT and page.get("width") == str(WIDTH)
    assert page.find("title").text == "; ".join(f"{i + 1}. Tune {i}" for i in range(8))
    assert len(systems(page)) == 8
    assert ET.tostring(page).count(b'class="note"') == 8 * 64
    ids = re.findall(rb' id="([^"]+)"', ET.tostring(page))
    assert len(ids) == len(set(ids))


def test_nine_take_two_pages():
    pages = draw_sheet([tune(2)] * 9)
    assert [len(systems(page)) for page, _ in pages] == [8, 1]
    assert pages[1][0].find("title").text == "9. A tune"


def test_systems_have_equally_many_bars():
    for pickup in (0, 480):
        [(page, _)] = draw_sheet([tune(16, pickup=pickup)])
        [counts] = systems(page)
        assert len(counts) > 1 and counts[0] - bool(pickup) in (2, 4, 8)
        assert counts == [counts[0], *[counts[0] - bool(pickup)] * (len(counts) - 1)]


def test_staves_shrink_until_all_fit():
    def zooms(melodies):
        [(page, height)] = draw_sheet(melodies)
        assert height <= HEIGHT
        moves = [g.get("transform") for g in page.iterfind("g")]
        return {m.split()[1] for m in moves if "scale" in m}

    assert zooms([tune(8)]) == {"scale(0.04)"}
    assert zooms([tune(16)] * 8) == {"scale(0.026)"}


def test_a_tune_higher_than_a_page_has_one_to_itself():
    pages = draw_sheet([tune(4), tune(400), tune(4)])
    assert [len(systems(p)) for p, _ in pages] == [1, 1, 1]
    assert pages[1][1] > HEIGHT


def test_files(tmp_path):
    first = write_sheet([tune(4, "One & <two>")], tmp_path / "best.svg", ["x" * 300], scale=1)
    assert [f.name for f in first] == ["best.svg", "best.png"]
    picture = ET.parse(first[0]).getroot()
    assert picture.find("{*}title").text == "1. One & <two>"
    png = first[1].read_bytes()
    size = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    assert size == (WIDTH, int(picture.get("height")))
    names = [f.name for f in write_sheet([tune(1)] * 9, tmp_path / "more", scale=0.2)]
    assert names == ["more-1.svg", "more-2.svg", "more-1.png", "more-2.png"]


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match="no melodies"):
        write_sheet([], tmp_path / "x")
    with pytest.raises(UsageError, match="1 captions for 2"):
        draw_sheet([tune(1)] * 2, ["one"])
    assert not list(tmp_path.iterdir())


def test_tunes_that_were_chosen_on_a_sheet(tmp_path):
    chosen = {"nearest": "Other", "nearest_distance": 0.781}
    receipt = {"rules": {"combined": 0.934}, "originality": {"longest_run": 9}, "chosen": chosen}
    tunes = [Tune(tune(2), receipt), Tune(tune(2), {"rules": {"combined": None}})]
    names = [f.name for f in write_tunes(tunes, tmp_path, ["mid"], sheet=True)]
    assert names[-2:] == ["sheet.svg", "sheet.png"] and len(names) == 6
    assert _caption(tunes[0]) == "4/4, rules 0.93, 0.78 from Other, longest copy 9 notes"
    assert _caption(tunes[1]) == "4/4"
    for name in names[:4]:
        (tmp_path / name).unlink()
    with pytest.raises(OutputError, match="already there"):
        write_tunes(tunes, tmp_path, ["mid"], sheet=True)
    assert not (tmp_path / "tune-01.mid").exists()
    assert len(write_tunes(tunes, tmp_path, ["mid"], sheet=True, force=True)) == 6
