#!/usr/bin/env bash
# Pillow 13.0.0: a TIFF that is not compressed and whose tag Orientation says that the picture was turned by a quarter
# (5 to 8) comes in scrambled, without a word: rows are cut at the height, not at the width. Its LZW twin comes in right.
# Also read otherwise than written: 8 bits signed (as unsigned), 32 bits unsigned beyond 2^31 (negative), 16 bits with
# 0 as white (not inverted, where 8 bits are). Seen on 3 x 4 pixels: 180 120 60 0 in place of 160 80 0.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
from PIL import Image

picture = (np.arange(12, dtype=np.uint8) * 20).reshape(3, 4)
right = np.rot90(picture, -1)
found = {}
for name in (None, "tiff_lzw"):
    path = f"{sys.argv[1]}/{name}.tif"
    Image.fromarray(picture).save(path, tiffinfo={274: 6}, compression=name)
    with Image.open(path) as image:
        image.load()
        found[name] = np.asarray(image)
    print(name, found[name].tolist(), "as it lay" if np.array_equal(found[name], right) else "scrambled")
sys.exit(not (np.array_equal(found["tiff_lzw"], right) and not np.array_equal(found[None], right)))
PY
