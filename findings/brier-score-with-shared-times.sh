#!/usr/bin/env bash
# scikit-survival 0.28.0: integrated_brier_score weighs an event at T by 1 / G(T), G the Kaplan-Meier estimate of the
# time of censoring. A patient's event at T is seen if C >= T, so that the weight without bias is the left limit
# 1 / G(T-) (Gerds and Schumacher 2006). Where events and censorings share times, as in follow-up by visits or years,
# the score is not that of the data without censoring, which inverse weights promise: a constant 1/2 scores more than
# 1/4, and the curve that the data was drawn from loses to one that is too pessimistic. Without shared times: 1/4.
# Seen, on 20,000 patients seen once a year: constant 1/2 0.288; hazard 0.25 (true) 0.246, hazard 0.30 0.243.
# Without censoring: 0.222 and 0.227. The same times moved apart within their year: constant 1/2 0.250.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-survival==0.28.0 scikit-learn==1.9.1 numpy==2.4.6 pandas==2.3.3
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import sksurv
from sksurv.metrics import integrated_brier_score
from sksurv.util import Surv

rng = np.random.default_rng(0)
n, years = 20_000, np.arange(1.0, 6)
death, leave = rng.geometric(0.25, n).astype(float), rng.integers(1, 7, n).astype(float)
event, time = death <= leave, np.minimum(death, leave)  # who dies in the year of the last visit is seen to die


def score(survival, event, time):
    seen = Surv.from_arrays(event, time)
    return integrated_brier_score(seen, seen, np.broadcast_to(survival, (n, 5)), years)


def curve(hazard):
    return (1 - hazard) ** years


def uncensored(hazard):
    return np.trapezoid([np.mean((curve(hazard)[i] - (death > year)) ** 2) for i, year in enumerate(years)], years) / 4


half, true, gloomy = score(0.5, event, time), score(curve(0.25), event, time), score(curve(0.3), event, time)
apart = np.where(event, time - 0.2 - 0.7 * rng.random(n), time - 0.1 * rng.random(n))
half_apart = score(0.5, event, apart)
print(f"scikit-survival {sksurv.__version__}: constant 1/2 {half:.4f} (times apart {half_apart:.4f}),", end=" ")
print(f"true {true:.4f}, too pessimistic {gloomy:.4f}; uncensored {uncensored(0.25):.4f} and {uncensored(0.3):.4f}")
right = uncensored(0.25) < uncensored(0.3) and abs(half_apart - 0.25) < 0.005
sys.exit(not (right and half > 0.27 and gloomy < true))
PY
