"""Hard constraints at decoding: what must hold of a melody, holds; see docs/constraints.md."""

from tunesmith.decoding.constraints.asked import Constraints, KeptBars
from tunesmith.decoding.constraints.checking import Checked, check
from tunesmith.decoding.constraints.events import Constraint, Event, Own, Place, register
from tunesmith.decoding.constraints.explaining import Conflict, explain
from tunesmith.decoding.constraints.forced import Filling, Primed
from tunesmith.decoding.constraints.steering import Steered

__all__ = [
    "Checked",
    "Conflict",
    "Constraint",
    "Constraints",
    "Event",
    "Filling",
    "KeptBars",
    "Own",
    "Place",
    "Primed",
    "Steered",
    "check",
    "explain",
    "register",
]
