"""A process that forks one fit for every line it reads, so that each can be killed without loading torch again.

A line is JSON: ``folder`` (of the checkpoint), ``kind`` (of series), ``die`` (when the fit kills itself, if at all),
``training`` (settings that are others).  It answers with the process id of the fit, then with its exit status; a fit
that ends writes ``weights`` and its settings.
"""

import hashlib
import itertools
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from gatecast import budget, sealed, supply
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.panel import panel_from_arrays, panel_from_frame

UPDATES = 70  # past the first renewal of a pool of crops


def panel_of(kind):
    rng = np.random.default_rng(3)
    if kind == "one":
        return panel_from_arrays(10 + rng.normal(size=140).cumsum())
    names, steps = np.repeat(["a", "b", "c", "d"], 140), np.tile(np.arange(140), 4)
    return panel_from_frame(pa.table({"unique_id": names, "ds": steps, "y": 10 + rng.normal(size=560).cumsum()}))


def fit(folder, kind, progress=None, **changes):
    """A fit of every stage: trials of two scalings and a training, or a panel's training and its second one."""
    if kind == "crops":
        supply.WHOLE, supply.CROPS = 100, 12
    usual = {"updates": UPDATES, "context": 16, "horizon": 4, "batch": 3, "origins": 3, "steps": 3}
    training = TrainingConfig(**{**usual, "checkpoint_seconds": 0.0, "seed": 5, **changes})
    network = NetworkConfig(units=5, layers=2, dropout=0.2)  # dropout draws torch's random numbers
    forecaster = LSTMForecaster(network, training, season_length=(7,), checkpoint=folder)
    return forecaster.fit_panel(panel_of(kind), 20, progress)


def weights_of(forecaster):
    """All that training leaves, as one word, with what Inside shows of the way there."""
    digest = hashlib.sha256(repr(forecaster.fitted_.trained._replace(arrays={}, snapshots=())).encode())
    for update, weights in forecaster.fitted_.trained.snapshots:
        for name, array in sorted(weights.items()):
            digest.update(f"{update} {name}".encode() + array.tobytes())
    for name, array in sorted(forecaster.fitted_.trained.arrays.items()):
        digest.update(name.encode() + array.tobytes())
    digest.update(forecaster.model_.widening_KQ.tobytes())
    return digest.hexdigest()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_write(number, how):
    """Kill this process in the middle of its ``number``-th write, or right before or after the file gets its name."""
    writes, fsync, replace = [0], os.fsync, Path.replace

    def half(descriptor):
        writes[0] += 1
        if writes[0] == number and how == "half":
            os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
            die()
        fsync(descriptor)

    def named(path, target):
        if writes[0] == number and how == "before":
            die()
        replace(path, target)
        if writes[0] == number and how == "after":
            die()

    sealed.os.fsync, Path.replace = half, named


def work(job):
    folder = Path(job["folder"]) if job["folder"] else None
    how, number = job.get("die", ["never", 0])
    seen = [0]

    def progress(_):
        seen[0] += 1
        if how == "update" and seen[0] == number:
            die()

    ticks = itertools.count()
    budget.now = lambda: float(next(ticks))  # a budget's clock: every look at it is a second later
    if how in {"half", "before", "after"}:
        die_at_write(number, how)
    forecaster = fit(folder, job["kind"], progress, **job.get("training", {}))
    ran = forecaster.model_.config.training
    Path(job["settings"]).write_text(json.dumps({"updates": ran.updates, "stop": ran.stop}))
    Path(job["weights"]).write_text(weights_of(forecaster))


def main():
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(json.loads(line))
                status = 0
            finally:
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
