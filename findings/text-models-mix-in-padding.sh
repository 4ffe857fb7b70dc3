#!/usr/bin/env bash
# transformers 5.23.0: some text models answer otherwise where a text stands beside a longer one, though the longer
# part is masked. FNetModel takes attention_mask and does not look at it (its Fourier transform runs over the padding),
# and the last block of BigBird's sparse attention, which every word looks at, is that of the padded length: the
# embedding of a text hangs on the batch. Both say nothing; the documentation of attention_mask says that attention on
# padding is avoided. BERT beside them, for comparison.
# Seen: largest change of a hidden state: bert < 1e-5, fnet > 1 (100 % of the largest), big_bird > 1e-4.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 transformers==5.23.0 numpy==2.4.6
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import torch
import transformers

transformers.logging.set_verbosity_error()
size = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32}
size["max_position_embeddings"] = 1700
more = {"bert": {"num_attention_heads": 2}, "fnet": {}, "big_bird": {"num_attention_heads": 2}}
changes = {}
for kind, own in more.items():
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **size, **own)).eval()
    ids = torch.randint(5, 50, (1, 1600))
    seen = (torch.arange(1600) < 800).long()[None]  # the second half is padding
    with torch.no_grad():
        alone = model(input_ids=ids[:, :800], attention_mask=seen[:, :800]).last_hidden_state
        among = model(input_ids=ids, attention_mask=seen).last_hidden_state[:, :800]
    changes[kind] = float((alone - among).abs().max())
print("transformers", transformers.__version__, {kind: f"{change:.1e}" for kind, change in changes.items()})
sys.exit(not (changes["bert"] < 1e-5 and changes["fnet"] > 1 and changes["big_bird"] > 1e-4))
PY
