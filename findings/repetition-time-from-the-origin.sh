#!/usr/bin/env bash
# MONAI 1.6.1 reads the repetition time of a functional MRI scan from where the scanner stood.
#
# LoadImage and NibabelReader check that pixdim fits the affine (monai/data/utils.py, correct_nifti_header_if_necessary).
# For a file of four axes they take the length of all four columns of the 4 × 4 affine. The fourth holds the place of the
# first voxel, and is compared with, and written over, pixdim[4]: the seconds between two volumes. So meta["pixdim"][4]
# (and "original_pixdim") becomes sqrt(x² + y² + z² + 1) of the origin in mm, without a warning, for every 4D NIfTI whose
# sform, qform and pixdim agree; a scan that lies 10 mm further on has another repetition time. Files of three axes are
# right. Whoever filters in time, or corrects for slice timing, by this header does so at a wrong rate.
#
# What is seen: TR 0.8 s in the file, 0.8 s in nibabel 5.4.2; 170.77 s in MONAI, and 175.22 s with the origin moved.
# Right: the three columns of space against pixdim[1:4] alone; pixdim[4] as it is in the file.
#
# Usage: findings/repetition-time-from-the-origin.sh [PYTHON]. Exits 0 where the behaviour is as told, 1 where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${1:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet monai==1.6.1 nibabel==5.4.2 numpy==2.4.6 torch==2.13.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math
import sys

import monai
import nibabel
import numpy as np
from monai.transforms import LoadImage


def times(origin, *more):
    """Return the repetition time of one valid file: by nibabel, by MONAI, and MONAI's of the header as it was."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = origin
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4, *more), np.float32), affine)
    image.header.set_zooms((2.0, 2.0, 2.0, *[0.8] * len(more)))
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.to_filename("scan.nii")
    there = nibabel.load("scan.nii").header["pixdim"][4]
    meta = LoadImage(image_only=True)("scan.nii").meta
    return float(there), float(meta["pixdim"][4]), float(meta["original_pixdim"][4])


print("monai", monai.__version__, "nibabel", nibabel.__version__)
seen = True
for origin in ((-90, -126, -72), (-90, -126, -82)):
    file, read, original = times(origin, 5)
    far = math.sqrt(sum(x * x for x in origin) + 1)
    print(f"origin {origin}: {file:.2f} s in the file; MONAI {read:.2f} s, original {original:.2f} s; sqrt: {far:.2f}")
    seen &= math.isclose(file, 0.8, rel_tol=1e-6) and all(math.isclose(t, far, rel_tol=1e-5) for t in (read, original))
plain = times((-90, -126, -72))
print("three axes:", plain)
seen &= plain[0] == plain[1] == plain[2]
print("as told" if seen else "CHANGED")
sys.exit(not seen)
PYTHON
