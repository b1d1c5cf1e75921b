"""Drawing tunes for any verb: batches, receipts, and the choice among many."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tunesmith.api.model import Model, Tune, style_of
from tunesmith.api.receipts import Judged, Made, make_receipt
from tunesmith.api.unwanted import comes_last
from tunesmith.decoding import Sampling, generate_ids
from tunesmith.errors import UsageError
from tunesmith.evaluation import ranking
from tunesmith.evaluation.lines import Line
from tunesmith.evaluation.originality import judge, usual_run
from tunesmith.evaluation.rules_score import rule_figures
from tunesmith.evaluation.structure import repetition_4
from tunesmith.evaluation.variety import APART, Distances
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note
from tunesmith.tokens import Grammar

BATCH = 64
TEMPERATURE, TOP_P = 1.0, 1.0
"""The defaults of sampling; `benchmarks/LOG.md` says what else was tried."""
MOST_TUNES = 10_000
_MOST_REDRAWN = 8
"""How many times as many tunes may be drawn as are wanted, where some are refused."""
_EQUAL = "they are equal to others"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How tunes are drawn, and how many; what the model is conditioned on but not bound to.

    Attributes:
        count: how many, 1 to 10,000.
        seed: of the sampling; random if None, and always in the receipt.
        tempo: quarter notes a minute, written into the files.
        style: one of the model's styles.
        density: sounding notes a quarter.
        temperature: see `Sampling`; None is `TEMPERATURE`.
        top_k: see `Sampling`.
        top_p: see `Sampling`; None is `TOP_P`.
        min_p: see `Sampling`.
        repetition: see `Sampling`.
        from_: draw so many, at least `count`, and keep the `count` best that pass and differ.
        rank: what is best: 'real' (the default), 'rules', 'likelihood' or 'both'; see
            `evaluation.ranking.choose_best`. 'likelihood' takes as typical the bits
            per note of the model's validation tunes. The best come first.
        min_rules: the least score by rule that a tune must have, 0 to 1.
        max_copy: notes that the longest run shared with a training tune may have.
        apart: how far any two that are kept are apart, 0 to 1; see `variety.Distances`. None
            is `APART` for new tunes; for parts of a tune made anew, that they differ at all.
        progress: told (tunes ended, tunes).

    Raises:
        UsageError: for values that make no sense.
    """

    count: int = 1
    seed: int | None = None
    tempo: float | None = None
    style: str | None = None
    density: float | None = None
    temperature: float | None = None
    top_k: int = 0
    top_p: float | None = None
    min_p: float = 0.0
    repetition: float = 0.0
    from_: int | None = None
    rank: str | None = None
    min_rules: Mapping[str, float] | None = None
    max_copy: int | None = None
    apart: float | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_TUNES:
            raise UsageError(f"{self.count} melodies", remedy="ask for 1 to 10,000")
        if not self.count <= self.drawn <= MOST_TUNES:
            raise UsageError(
                f"{self.count} melodies from {self.drawn}",
                remedy=f"use --from {self.count} to 10,000",
            )
        if self.tempo is not None and not 10 <= self.tempo <= 500:
            raise UsageError(
                f"a tempo of {self.tempo}", remedy="use 10 to 500 quarter notes a minute"
            )
        if self.density is not None and not 0.05 <= self.density <= 12:
            raise UsageError(
                f"a density of {self.density}", remedy="use 0.05 to 12 notes a quarter, as 1.5"
            )
        if self.seed is not None and self.seed < 0:
            raise UsageError("a negative seed", remedy="use 0 or more")
        ranking.check(self.rank or ranking.RANKS[0], self.min_rules or {}, self.apart or 0)
        self.sampling  # noqa: B018 - for its refusals

    @property
    def drawn(self) -> int:
        """How many tunes to draw, to keep `count` of them."""
        return self.count if self.from_ is None else self.from_

    @property
    def chooses(self) -> bool:
        """Whether some of what is drawn may be left out."""
        limits = (self.from_, self.rank, self.min_rules, self.max_copy, self.apart)
        return any(v is not None for v in limits)

    @property
    def sampling(self) -> Sampling:
        """As the samplers take it."""
        return Sampling(
            temperature=TEMPERATURE if self.temperature is None else self.temperature,
            top_k=self.top_k,
            top_p=TOP_P if self.top_p is None else self.top_p,
            min_p=self.min_p,
            repetition=self.repetition,
        )


@dataclass(frozen=True)
class Plan:
    """What a verb makes.

    Attributes:
        verb: its name, as in the receipt.
        make: draws one tune for each generator.
        judged: what a melody must keep, and the part of it that this speaks of.
        asked: what was asked, as plain data.
        about: what else goes into the receipt.
        refuse: why a melody is not kept, or ''; then another is drawn.
        rather: why another would be better, or ''; where none comes of up to eight times as many,
            it is kept all the same. With it another is also better than one that was drawn before.
        soft: what was aimed at, and what a melody has.
        new: the part of a melody that is new; None if it is told by what is not new.
        redrawn: how many times as many tunes may be drawn as are wanted.
    """

    verb: str
    make: Callable[[Sequence[np.random.Generator], Progress | None], list[Made]]
    judged: Callable[[Melody], Sequence[Judged]]
    asked: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    refuse: Callable[[Melody], str] = lambda melody: ""
    rather: Callable[[Tune], str] | None = None
    soft: Callable[[Melody], Mapping[str, tuple[Any, Any]]] = lambda melody: {}
    new: Callable[[Melody], Melody] | None = None
    redrawn: int = _MOST_REDRAWN


def draw(model: Model, plan: Plan, how: Drawing) -> list[Tune]:
    """The tunes of a plan, the best first where there is a choice.

    Raises:
        UsageError: if too few pass.
    """
    if how.rank in ranking.BY_BITS and _typical(model) is None:
        raise ranking.no_typical_bits()
    seed = secrets.randbits(32) if how.seed is None else how.seed
    how = replace(how, seed=seed)
    tunes: list[Tune] = []
    others: list[tuple[bool, str, Tune]] = []  # equal to one before; and why another is better
    seen: set[tuple[Note, ...]] = set()
    tried, why = 0, ""
    redrawn: Counter[str] = Counter()
    while len(tunes) < how.drawn and tried < plan.redrawn * how.drawn:
        if len(others) >= _MOST_REDRAWN * how.drawn:
            break  # what is asked leaves little else
        size = min(BATCH, how.drawn - len(tunes))
        generators = [np.random.default_rng([seed, tried + i]) for i in range(size)]
        for i, made in enumerate(plan.make(generators, _later(how.progress, len(tunes), how))):
            said, equal = plan.refuse(made.melody), made.melody.notes in seen
            if not said and plan.new is None and equal:
                said = _EQUAL
            if said:
                why = said
                redrawn[said] += 1
                continue
            seen.add(made.melody.notes)
            tune = _tune(model, plan, how, made, tried + i)
            better = (plan.rather(tune) or _EQUAL * equal) if plan.rather else ""
            if better:
                redrawn[better] += 1
                others.append((equal, better, tune))
            else:
                tunes.append(tune)
        tried += size
    others.sort(key=lambda other: other[0])
    for _, better, tune in others[: max(0, how.count - len(tunes))]:
        redrawn[better] -= 1
        tunes.append(tune)
    if len(tunes) < how.count:
        raise UsageError(
            f"only {len(tunes)} of {tried} tunes pass, and {how.count} are wanted: {why}",
            remedy="loosen that, or ask for fewer",
        )
    for tune in tunes:
        tune.receipt.update({"redrawn": dict(+redrawn)} if +redrawn else {})
    return _best(model, plan, tunes, how) if how.chooses else tunes


def _tune(model: Model, plan: Plan, how: Drawing, made: Made, index: int) -> Tune:
    melody = made.melody
    if how.tempo is not None:
        melody = replace(melody, tempo=how.tempo)
    if not melody.title:
        melody = replace(melody, title=f"Tune {how.seed}-{index + 1}")
    receipt = make_receipt(model, replace(made, melody=melody), plan.judged(melody), how.sampling)
    wished = {"style": how.style, "density": how.density, "tempo": how.tempo}
    asked = {**plan.asked, **{k: v for k, v in wished.items() if v is not None}}
    head = {"receipt": receipt.pop("receipt"), "verb": plan.verb}
    head |= {"seed": how.seed, "index": index, "count": how.drawn, "batch": BATCH, "asked": asked}
    receipt = head | receipt | dict(plan.about)
    soft = dict(plan.soft(melody))
    if how.density is not None:
        soft["density"] = (how.density, len(melody.notes) * TICKS_PER_QUARTER / melody.duration)
    if how.repetition:
        share = repetition_4(Line(melody))
        soft["repetition"] = (how.repetition, None if math.isnan(share) else round(share, 4))
    if how.style is not None:
        soft["style"] = (how.style, style_of(model, receipt["token_ids"]))
    receipt["constraints"] += [
        {"name": name, "kind": "soft", "wanted": wanted, "value": value}
        for name, (wanted, value) in soft.items()
    ]
    receipt["rules"] = rule_figures(melody)
    return Tune(melody, receipt)


def sample(
    model: Model,
    grammars: Sequence[Grammar],
    generators: Sequence[np.random.Generator],
    sampling: Sampling,
    progress: Progress | None,
) -> list[Any]:
    """`generate_ids` with a model."""
    return generate_ids(model.network, grammars, generators, sampling, progress=progress)


def _later(progress: Progress | None, before: int, how: Drawing) -> Progress | None:
    """A batch's progress as progress of the whole."""
    return progress and (lambda ended, _: progress(before + ended, how.drawn))


def _typical(model: Model) -> float | None:
    """The bits a note of the validation tunes."""
    bits: float | None = (model.checkpoint.provenance.get("scores") or {}).get("bits_per_note")
    return bits


def _longest_run(model: Model, tune: Tune, part: Melody) -> int | None:
    """Notes of the longest run that a part of a tune shares with a training tune."""
    if model.index and part is not tune.melody:
        return judge(model.index, part).longest_run.notes
    return (tune.receipt.get("originality") or {}).get("longest_run")


def _best(model: Model, plan: Plan, tunes: list[Tune], how: Drawing) -> list[Tune]:
    """The best tunes, the first the best; their receipts say how they were chosen."""
    rank = how.rank or ranking.RANKS[0]
    part = plan.new or (lambda melody: melody)
    candidates = [
        ranking.Candidate(
            tune.receipt["rules"],
            tune.receipt["bits_per_note"],
            _longest_run(model, tune, part(tune.melody)),
            sparse=comes_last(part(tune.melody)),
        )
        for tune in tunes
    ]
    typical = _typical(model)
    usual = usual_run(model.index, how.style or "") if model.index else None
    apart = how.apart
    if apart is None:
        apart = APART if plan.new else 0.0
    choice = ranking.choose_best(
        candidates, how.count, rank=rank, limits=how.min_rules, most_copied=how.max_copy,
        typical_bits=typical, usual_run=usual, apart=apart,
        distances=Distances([part(t.melody) for t in tunes]).to,
    )  # fmt: skip
    names = [tune.melody.title for tune in tunes]
    why = ranking.reasons(candidates, choice, names)
    for reason, i in zip(why, choice.kept, strict=True):
        tunes[i].receipt["chosen"] = {
            "rank": rank, **reason, "from": len(tunes), "passed": choice.passed,
            "refused": dict(choice.refused), "typical_bits_per_note": typical,
            "usual_longest_run": usual,
            "min_rules": dict(how.min_rules or {}), "max_copy": how.max_copy,
            "apart": apart, "too_near": choice.too_near, "shortfall": choice.shortfall,
        }  # fmt: skip
    return [tunes[i] for i in choice.kept]
