"""Numbers that all of gatecast agrees on: plain, so that the network and ``scripts/pretrain.py`` need no settings.

``config`` gives them on beside the settings.
"""

from __future__ import annotations

QUANTILES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
MEDIAN = QUANTILES.index(0.5)
LEVELS = (20, 40, 60, 80, 90, 95)
USUAL_HORIZON = 50  # steps of a multi-sequence forecast when none is given
DIRECT_HORIZON = 64  # steps ahead that the head is asked for; beyond, the state runs on over hidden steps
FORMAT = 4  # of a model file: 1 knew past-only columns of numbers only; 1 and 2 had fewer channels, all before 4 fewer
# candidates, and one scale whatever the seasons
