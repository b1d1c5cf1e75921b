"""The tunes that come with the package: typed by us, all in the public domain."""

import re
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest

import tunesmith.corpus
from tunesmith.formats.abc import scan
from tunesmith.formats.reading import Reading
from tunesmith.melody import Melody

FOLDER = Path(tunesmith.corpus.__file__).parent / "examples"
FILES = sorted(FOLDER.glob("*.abc"))
ENDS_ELSEWHERE = {"The First Nowell", "Drowsy Maggie", "The Wind That Shakes the Barley"}
"""Tunes that do not end on their tonic; that any other does would be a slip in its K:."""


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    return [r for path in FILES for r in scan(path.read_bytes(), path.name)]


@pytest.fixture(scope="module")
def melodies(readings: list[Reading]) -> list[Melody]:
    return [r.melody for r in readings if r.melody]


def test_all_are_read_without_a_remark(readings: list[Reading]) -> None:
    assert len(readings) >= 36
    assert {r.where: (r.error, r.remarks) for r in readings if r.error or r.remarks} == {}


def test_they_are_varied(melodies: list[Melody]) -> None:
    assert len({m.key.mode for m in melodies if m.key}) >= 4
    assert len({str(m.meters[0]) for m in melodies}) >= 5


def test_each_says_what_it_is(melodies: list[Melody]) -> None:
    for melody in melodies:
        assert melody.title and melody.key and melody.tempo
        assert not melody.key_is_estimated
    titles = [m.title for m in melodies]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_each_names_its_composer_and_its_country(path: Path) -> None:
    for tune in _tunes(path):
        composer = re.search(r"^C:(.+)$", tune, re.MULTILINE)
        assert composer and re.search(r"^O:\S", tune, re.MULTILINE), tune
        died = re.search(r"\(\d{4}-(\d{4})\)", composer[1])
        assert re.match(r"Trad\.|Anon\.", composer[1]) or (died and int(died[1]) < 1900)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_bar_as_written_fills_its_metre(path: Path) -> None:
    for tune in _tunes(path):
        assert _faults(tune) == [], tune


def test_the_count_of_bars_finds_a_fault() -> None:
    assert _faults("M:3/4\nL:1/4\nK:C\nC | D E F | G2 | A B c | d2 |]") == ["G2"]
    assert _faults("M:3/4\nL:1/4\nK:C\nC | D E F | G>A/ B | A3 |]") == ["G>A/ B", "C + A3"]


def test_every_bar_as_read_fills_its_metre(melodies: list[Melody]) -> None:
    for melody in melodies:
        bar = melody.meters[0].bar_ticks
        assert len(melody.meters) == 1
        assert melody.duration % bar == 0 or (melody.duration - melody.pickup) % bar == 0


def test_they_end_on_their_tonic(melodies: list[Melody]) -> None:
    elsewhere = {m.title for m in melodies if m.key and (m.pitches[-1] - m.key.pitch_class) % 12}
    assert elsewhere == ENDS_ELSEWHERE


def test_they_can_be_sung_or_fiddled(melodies: list[Melody]) -> None:
    for melody in melodies:
        assert 55 <= min(melody.pitches) <= max(melody.pitches) <= 84, melody
        assert max(map(abs, melody.intervals)) <= 17, melody  # an eleventh, as in reels


def test_no_two_are_the_same_tune(melodies: list[Melody]) -> None:
    for one, other in combinations(melodies, 2):
        assert not one.same_tune(other)
        assert one.intervals[:12] != other.intervals[:12], (one, other)


def _tunes(path: Path) -> list[str]:
    return re.split(r"^(?=X:)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def _faults(tune: str) -> list[str]:
    """Bars that do not fill the metre, counted without our reader.

    Only the first bar of a tune or repeat may be short, and then its last must fill it up.
    """
    fields = dict(re.findall(r"^([MLK]):(\S+)", tune, re.MULTILINE))
    music = "".join(line for line in tune.splitlines() if not re.match(r"[A-Z]:", line))
    faults = []
    for section in re.split(r":\||\|\]|\|:", music.replace("||", "|")):
        bars = [bar.strip() for bar in section.split("|") if bar.strip()]
        lengths = [_length(bar) * Fraction(fields["L"]) for bar in bars]
        full = Fraction(fields["M"])
        faults += [b for b, n in zip(bars[1:-1], lengths[1:-1], strict=True) if n != full]
        if bars and (len(bars) == 1 or lengths[0] + lengths[-1] not in (full, 2 * full)):
            faults.append(f"{bars[0]} + {bars[-1]}")
    return faults


def _length(bar: str) -> Fraction:
    """Unit lengths in a bar; a broken rhythm takes from one what it gives to the other.

    That holds for two notes as long as each other, which is all that `A>B` is good for.
    """
    notes = re.findall(r"[_=^]?[A-Ga-gz][,']*(\d*)(/?)(\d*)(>?)", bar)
    lengths = [Fraction(int(n or 1), int(d or 2) if slash else 1) for n, slash, d, _ in notes]
    for i, note in enumerate(notes):
        if note[3] and lengths[i] != lengths[i + 1]:
            return Fraction(0)
    return sum(lengths, Fraction(0))
