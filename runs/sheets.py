"""Draw tunes of the model in the package: eight a style and eight with no wish, for docs/model.md.

python runs/sheets.py [FOLDER] [SEED]
"""

from __future__ import annotations

import sys
from pathlib import Path

from tunesmith.api.composing import generate, load_model
from tunesmith.api.unwanted import MOST_SILENCE
from tunesmith.render.svg import to_png


def main(folder: Path, seed: int) -> None:
    model = load_model()
    folder.mkdir(parents=True, exist_ok=True)
    # A seed a sheet: of one seed all styles would have the same keys.
    for place, style in enumerate((*model.vocabulary.styles, None)):
        tunes = generate(model, count=8, seed=seed + place, style=style, most_silence=MOST_SILENCE)
        (folder / f"{style or 'any'}.png").write_bytes(to_png([t.melody for t in tunes], 0.8))
        for tune in tunes:
            m, r = tune.melody, tune.receipt
            print(
                f"{style or 'any'} {m.title}: {m.key}, {m.meters[0]}, {len(m.bars)} bars, "
                f"{r['bits_per_note']} bits a note, copied {r['originality']['longest_run']}"
            )


if __name__ == "__main__":
    main(Path((sys.argv[1:] or ["docs/sheets"])[0]), int((sys.argv[2:] or ["1"])[0]))
