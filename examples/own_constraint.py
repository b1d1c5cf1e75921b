"""A constraint of one's own: no note is lower than the one two before it.

python examples/own_constraint.py RUN OUT
"""

import sys

import tunesmith
from tunesmith.decoding.constraints import Constraints, Own, register


def climbs(state, event):
    """The last two pitches after an event; None if the event may not come."""
    if event.kind != "note":
        return state
    before, last = state
    return None if event.pitch < before else (last, event.pitch)


register("climbs", lambda: Own("climbs", climbs, start=(0, 0)))


def main(run: str, out: str) -> None:
    model = tunesmith.load_model(run)
    asked = Constraints(own=("climbs",), bars=4, meter="4/4", range="C4:C6", key="D")
    for tune in tunesmith.generate(model, asked, seed=1):
        tunesmith.write(tune.melody, f"{out}/climbing.mid")
        print(tune.melody.pitches)


if __name__ == "__main__":
    main(*sys.argv[1:])
