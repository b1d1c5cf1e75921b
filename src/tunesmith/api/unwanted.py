"""Which tunes are given to nobody who did not ask for them: silent ones, circles, copies."""

from __future__ import annotations

from tunesmith.api.model import Model, Tune, style_of
from tunesmith.evaluation.lines import Line
from tunesmith.evaluation.originality import usual_run
from tunesmith.evaluation.structure import rounds
from tunesmith.melody import Melody
from tunesmith.silence import empty_spans

MOST_SILENCE = 0.5
"""The share of silence above which the command draws a tune again. Of the lieder as
they are read 2.4 % (32 of 1,317) have more; none of the tunes that the package's model learned
from, and none of 1,024 dances and 384 songs of its own."""

MOST_EMPTY = 2
"""Whole bars in a row that may be silent. Of the training tunes none of the 4,240 of folk has more,
and none of the 502 lead sheets."""

SAY_SILENCE = ("rest_share", "notes_per_bar", "rhythm", "rhythm_from")
"""Constraints that speak of silence themselves."""


MOST_ROUNDS = 4
"""Times that the same bars (two or more) may come in a row. Of the training tunes none of the 3,807
of folk has more, 3 of the 1,330 of lieder and one lead sheet; of the model's own 16 of 1,024
dances and 19 of 384 songs."""


FEWEST_COPIED = 12
"""Notes that a tune may always share with a training tune: of a small corpus the real ones that
were held out may share fewer."""


def unwanted(melody: Melody, most: float, circles: bool = True) -> str:
    """Why a melody is refused for its silence or for going round in circles, or ''.

    Args:
        melody: the melody, or its new part.
        most: the largest share of silence, 0 to 1.
        circles: whether circles are refused.
    """
    silent = 1 - sum(n.duration for n in melody.notes) / melody.duration
    why = f"more than {100 * most:g} % is silence" if silent > most else long_silence(melody)
    why = why or (circling(melody) if circles else "")
    return why and f"{why} (--rest-share 0:1 allows it)"


def long_silence(melody: Melody) -> str:
    """That its first bar or pickup is empty, or more than `MOST_EMPTY` bars in a row; or ''."""
    if not melody.notes or melody.notes[0].onset >= melody.bars[0].end:
        return "they begin with silence"
    if any(after - first > MOST_EMPTY for first, after in empty_spans(melody)):
        return f"more than {MOST_EMPTY} bars in a row are empty"
    return ""


def circling(melody: Melody) -> str:
    """That the same bars come again and again, more than `MOST_ROUNDS` times in a row; or ''."""
    if rounds(Line(melody)) <= MOST_ROUNDS:
        return ""
    return f"the same bars come more than {MOST_ROUNDS} times in a row"


def copied(model: Model, tune: Tune, most: int | None = None) -> str:
    """That a tune shares a longer run with a training tune than it may, or ''.

    Nothing is told by a model without an index, or with one that knows too few real tunes.

    Args:
        model: whose training tunes.
        tune: with its receipt.
        most: notes of the longest run that may be; None for that of 95 % of real tunes.
    """
    if not model.index:
        return ""
    run: int = tune.receipt["originality"]["longest_run"]
    if most is not None:
        return f"they share more than {most} notes in a row with a training tune" * (run > most)
    usual = usual_run(model.index, style_of(model, tune.receipt["token_ids"]))
    if not usual or run <= max(usual, FEWEST_COPIED):
        return ""
    return (
        "they share a longer run of notes with a training tune than 95 % of real tunes do "
        "(--max-copy says how long it may be)"
    )


def comes_last(melody: Melody) -> bool:
    """Whether a tune has fewer notes than bars, a long silence, or goes round in circles."""
    few = len(melody.notes) < len(melody.bars)
    return few or bool(long_silence(melody) or circling(melody))
