"""Prepare a corpus of your own files, train on it, and look at the records.

python examples/own_corpus.py FOLDER OUT [STEPS]
"""

import sys

import tunesmith


def main(folder: str, out: str, steps: str = "200") -> None:
    prepared = tunesmith.prepare([folder], f"{out}/corpus", licence="mine")
    print(len(prepared.corpus), "tunes")
    last = tunesmith.train(f"{out}/corpus", f"{out}/run", size="nano", steps=int(steps), log=print)
    print(f"{last['bits_per_note']:.3f} bits a note on tunes that were held out")


if __name__ == "__main__":
    main(*sys.argv[1:])
