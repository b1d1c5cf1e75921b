"""Compose eight bars in D dorian with a trained model and write them for a DAW.

python examples/compose.py RUN OUT
"""

import sys

import tunesmith


def main(run: str, out: str) -> None:
    model = tunesmith.load_model(run)
    for i, tune in enumerate(
        tunesmith.generate(model, count=2, seed=1, bars=8, key="D", mode="dorian", tempo=96)
    ):
        tunesmith.write(tune.melody, f"{out}/idea-{i}.mid")
        print(tune.melody, f"{tune.receipt['bits_per_note']:.2f} bits a note")


if __name__ == "__main__":
    main(*sys.argv[1:])
