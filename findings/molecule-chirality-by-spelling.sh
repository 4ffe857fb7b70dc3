#!/usr/bin/env bash
# torch-geometric 2.8.1 with rdkit 2026.9.1: from_smiles makes RDKit's chiral tag (clockwise or not) a feature of the
# atom. The tag is about the order in which the text names the neighbours, so that one molecule written in two ways has
# two sets of features, and the same set as its mirror image written in a third. Of L-alanine and D-alanine, whose
# difference it is meant to tell, it tells nothing; the CIP label (S, S, R) does.
# Seen: L written from the methyl group: CCW; L written from the nitrogen: CW; D written from the methyl group: CW.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 torch-geometric==2.8.1 rdkit==2026.9.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import rdkit
import torch_geometric
from rdkit import Chem
from torch_geometric.utils.smiles import from_smiles, x_map

column = list(x_map).index("chirality")
texts = {"L": "C[C@H](N)C(=O)O", "L again": "N[C@@H](C)C(=O)O", "D": "C[C@@H](N)C(=O)O"}
molecules = {name: Chem.MolFromSmiles(text) for name, text in texts.items()}
assert Chem.MolToSmiles(molecules["L"]) == Chem.MolToSmiles(molecules["L again"]) != Chem.MolToSmiles(molecules["D"])
tags = {}
for name, text in texts.items():
    found = [x_map["chirality"][place] for place in from_smiles(text).x[:, column].tolist()]
    tags[name] = next(tag for tag in found if tag != "CHI_UNSPECIFIED")
labels = {name: molecule.GetAtomWithIdx(1).GetProp("_CIPCode") for name, molecule in molecules.items()}
print("torch-geometric", torch_geometric.__version__, "rdkit", rdkit.__version__, tags, "CIP", labels)
sys.exit(not (tags["L"] != tags["L again"] == tags["D"] and labels == {"L": "S", "L again": "S", "D": "R"}))
PY
