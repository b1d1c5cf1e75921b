"""Judge melodies by musical rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunesmith.corpus.sources import readings
from tunesmith.errors import TunesmithError, printable
from tunesmith.evaluation.rules import RULES, judge
from tunesmith.evaluation.rules_heard import Heard, RuleScore
from tunesmith.evaluation.rules_score import combined
from tunesmith.melody import Melody

_SHOWN_PLACES = 4


@dataclass(frozen=True)
class RulesVerdict:
    """What the rules say of a tune.

    Attributes:
        where: the file and the tune in it; '' for a melody from no file.
        title: the tune's title; '' for none.
        key: the key by which it was judged.
        key_is_estimated: whether the tune did not name it.
        rules: what each rule says, in the order of `RULES`.
        combined: the combined score, 0 to 1.
    """

    where: str
    title: str
    key: str
    key_is_estimated: bool
    rules: tuple[RuleScore, ...]
    combined: float

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data for JSON, with each rule's source."""
        data = asdict(self)
        for rule in data["rules"]:
            rule["source"] = source_of(rule["name"])
        return data

    def __str__(self) -> str:
        guessed = " (estimated)" if self.key_is_estimated else ""
        lines = [f"{self.where} {self.title or 'untitled'}: {self.key}{guessed}".strip()]
        for rule in self.rules:
            score = "   -" if rule.score is None else f"{rule.score:.2f}"
            lines.append(f"  {score}  {rule.name}: {rule.note}")
            if rule.places:
                shown = ", ".join(map(str, rule.places[:_SHOWN_PLACES]))
                more = len(rule.places) - _SHOWN_PLACES
                lines.append(f"        at {shown}" + f" and {more} more" * (more > 0))
            lines.append(f"        after {source_of(rule.name)}")
        lines.append(f"  {self.combined:.2f}  combined: 1 as real tunes are, 0 as fakes are")
        return "\n".join(map(printable, lines))


def source_of(rule: str) -> str:
    """The source that a rule's docstring names, on one line."""
    text = " ".join((RULES[rule].__doc__ or "").split())
    return text.rpartition("Source: ")[2].rstrip(".")


def rules(melody: Melody, where: str = "") -> RulesVerdict:
    """The verdict on one melody."""
    heard, found = Heard(melody), judge(melody)
    return RulesVerdict(
        where, melody.title, str(heard.key), heard.melody.key_is_estimated,
        tuple(found.values()), combined(found),
    )  # fmt: skip


def judge_files(
    paths: Sequence[str | Path], *, track: str = "auto",
    left_out: Callable[[TunesmithError], None] | None = None,
) -> Iterator[RulesVerdict]:  # fmt: skip
    """The verdicts on all tunes of files and folders, one at a time.

    Args:
        paths: the files and folders.
        track: as in `formats.scan`.
        left_out: told why a tune or file cannot be read; without it that is raised.

    Raises:
        InputError: a tune that cannot be read.
    """
    for reading in readings(paths, track):
        if reading.error and left_out:
            left_out(reading.error)
        else:
            yield rules(reading.need(), reading.where)


def rules_summary(verdicts: Sequence[RulesVerdict]) -> list[dict[str, Any]]:
    """Of each rule and the combined score: tunes it applies to, mean, least, and where that is.

    Keys: rule, tunes, mean, least, where; mean and least are None where it never applies.
    """
    rows: list[dict[str, Any]] = []
    for name in (*RULES, "combined"):
        scores: list[tuple[float, str]] = []
        for verdict in verdicts:
            by_name = {r.name: r.score for r in verdict.rules} | {"combined": verdict.combined}
            if (score := by_name[name]) is not None:
                scores.append((score, verdict.where))
        least = min(scores, default=(None, ""))
        mean = sum(s for s, _ in scores) / len(scores) if scores else None
        rows.append(
            {"rule": name, "tunes": len(scores), "mean": mean, "least": least[0],
             "where": least[1]}
        )  # fmt: skip
    return rows
