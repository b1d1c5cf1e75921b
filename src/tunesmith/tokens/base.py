"""What every vocabulary offers, so that training and generating know only ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.melody import Melody
from tunesmith.tokens.recall import LEVELS, Recall

Ids = NDArray[np.uint16]
State = Hashable


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tune as ids.

    Attributes:
        ids: (T,) the whole tune, from `bos` to `end`.
        moved: how many of its notes the grid moved or lengthened, by onset or end.
    """

    ids: Ids
    moved: int


class Vocabulary(ABC):
    """A small table of tokens and the ways between it and melodies.

    Attributes:
        kind: its name, as `--tokens` takes it.
        names: the tokens in words, in the order of their ids; fixed.
        styles: names of the style tokens in use, in order.
        bos, end: ids of the first and the last token of every tune.
        attributes: what a tune's header tells, in order.
        passes: how often training may go through its tunes before it only learns them by
            heart. Where every tune is transposed afresh each time, that takes long.
    """

    kind: ClassVar[str]
    passes: ClassVar[int] = 36
    attributes: ClassVar[tuple[str, ...]] = ()
    names: tuple[str, ...]
    styles: tuple[str, ...]
    bos: int
    end: int

    @abstractmethod
    def __init__(self, styles: tuple[str, ...] = ()) -> None: ...

    @property
    def size(self) -> int:
        """V, the number of tokens."""
        return len(self.names)

    @property
    def pad(self) -> int:
        """The id that fills rows of a batch; never a target there."""
        return self.bos

    @abstractmethod
    def encode(self, melody: Melody, style: str | None = None) -> Encoded:
        """A melody as ids.

        Raises:
            InputError: if the melody holds something that no token says.
        """

    @abstractmethod
    def decode(self, ids: Sequence[int] | Ids) -> Melody:
        """The melody of a whole tune's ids.

        Raises:
            InputError: if the ids break the grammar.
        """

    @abstractmethod
    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """The tune as training sees it this time: transposed, attributes dropped, and so on."""

    def turned(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """The tune turned into another one, and marked so, before it is augmented; or as it is."""
        return ids

    @abstractmethod
    def unconditional(self, ids: Ids) -> Ids:
        """The tune with nothing given beforehand: every attribute unknown."""

    @abstractmethod
    def charged(self, ids: Ids) -> NDArray[np.bool_]:
        """(T,) which ids are news: predicted in training, charged in every figure."""

    @abstractmethod
    def note_count(self, ids: Ids) -> int:
        """How many sounding notes the ids hold; the divisor of 'bits per note'."""

    @abstractmethod
    def recall(self, batch: int) -> Recall:
        """The memory of so many tunes, before they are read."""

    @property
    def recall_fields(self) -> dict[str, int]:
        """What the shape of a network must know about `recall`."""
        empty = self.recall(0)
        return {
            "recall_channels": empty.channels,
            "recall_levels": LEVELS,
            "recall_places": empty.places,
        }

    @abstractmethod
    def grammar(self, wishes: Mapping[str, Any] | None = None) -> Grammar:
        """What may follow what: in any tune, or in one generated with these wishes."""

    @abstractmethod
    def cut(self, ids: Ids, length: int) -> Ids:
        """The first bars that fit into `length` ids; all of them if they do."""

    def words(self, ids: Sequence[int] | Ids) -> list[str]:
        """The ids in words."""
        return [self.names[i] for i in ids]

    def to_dict(self) -> dict[str, Any]:
        """As kept in `vocabulary.json`."""
        return {
            "kind": self.kind, "styles": list(self.styles), "attributes": list(self.attributes),
            "tokens": list(self.names),
        }  # fmt: skip


class Planned(NamedTuple):
    """What a tune's own header has planned for the next id.

    Attributes:
        ids: (V,) the ids that keep to the plan.
        default: the one of them that has some weight however little the model believes in it, so
            that it is taken where the model believes in none of them; -1 for none.
        whole: the one of them, a length, with which no silence follows; all others are as unlikely
            as that is; -1 where nothing is known of it.
    """

    ids: NDArray[np.bool_]
    default: int = -1
    whole: int = -1


class Grammar(ABC):
    """Which token may come next. States are values: hashable, never changed.

    Attributes:
        alternatives: ids that say the same thing but for a number that may be asked for: where
            only some of them are allowed, these stand for all.
    """

    alternatives: ClassVar[tuple[slice, ...]] = ()

    @abstractmethod
    def start(self) -> State:
        """The state before the first id."""

    @abstractmethod
    def allowed(self, state: State) -> NDArray[np.bool_]:
        """(V,) which ids may come next; read-only. None at all once the tune has ended."""

    def planned(self, state: State) -> Planned | None:
        """What the tune's own header has planned for here; None if nothing."""
        return None

    @abstractmethod
    def advance(self, state: State, token: int) -> State:
        """The state after `token`.

        Raises:
            InputError: if the token may not come here.
        """

    @abstractmethod
    def ended(self, state: State) -> bool:
        """Whether the tune is complete."""
