"""neuralforecast's LSTM and DeepAR on the tasks of accuracy.py, in an environment of their own.

    make peers                                         the environment, once
    .venv/bin/python benchmarks/accuracy.py --validation --tasks M1-yearly --models LSTM,NF-LSTM,NF-DeepAR@equal

``accuracy.py`` calls ``ask``, which hands series over in a file to a fresh process of that environment and gets
quantiles back in another.  This file is also what runs there: at its top it imports nothing but the standard library
and NumPy.  As it is, a model has the settings its library gives it; ``@equal`` it trains for as many seconds as our
LSTM took, fit and forecast together, on the same series in the same run.

Key: S series, H horizon step, Q quantile.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from record import HOME, ONE_THREAD

PYTHON = str(HOME / ".peers" / "neuralforecast" / "bin" / "python")  # where ``make peers`` puts it
EQUAL = "@equal"
PEERS = ("NF-LSTM", "NF-DeepAR", f"NF-LSTM{EQUAL}", f"NF-DeepAR{EQUAL}")
LEVELS = (95, 90, 80, 60, 40, 20)  # with the median our quantiles, from the outermost in
UNENDING = 1_000_000  # updates, where the clock ends the training


class Missing(Exception):  # noqa: N818 (a peer that is not there is skipped)
    """The environment, or the library in it, is not there."""


class Said(NamedTuple):
    """What a peer says, and what it took."""

    quantiles_SHQ: np.ndarray
    seconds: float  # of fit and forecast, imports left out


def ask(
    model: str, known: list[np.ndarray], horizon: int, seed: int, seconds: float | None, python: str = PYTHON
) -> Said:
    """Train one of ``PEERS`` on series and forecast them.

    Args:
        model: its name.
        known: what is known of each series.
        horizon: steps ahead.
        seed: of its random numbers.
        seconds: how long it trains; None leaves its usual number of updates.
        python: the Python of an environment with neuralforecast.

    Raises:
        Missing: there is none.
        RuntimeError: the model failed; the end of what it printed is in the message.
    """
    if shutil.which(python) is None:
        raise Missing(f"there is no {Path(python).name} with neuralforecast; make peers installs one")
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "asked.npz", Path(folder) / "answer.npz"
        lengths = np.array([len(values) for values in known])
        np.savez(asked, values=np.concatenate(known), lengths=lengths)
        words = [python, __file__, model.removesuffix(EQUAL), str(horizon), str(seed), str(seconds or 0.0)]
        done = subprocess.run(
            [*words, str(asked), str(answer)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **ONE_THREAD, "CUDA_VISIBLE_DEVICES": ""},
        )
        if "No module named 'neuralforecast'" in done.stderr:
            raise Missing("neuralforecast cannot be imported there; make peers installs it")
        if done.returncode:
            raise RuntimeError(f"{model} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        with np.load(answer) as found:
            return Said(found["quantiles_SHQ"], float(found["seconds"]))


# ====================================================================================================================
# What runs in the other environment
# ====================================================================================================================


def quantiles_of(said: Any, name: str) -> list[np.ndarray]:
    """The columns of a table of forecasts in the order of our quantiles."""
    low, high = (
        [said[next(each for each in said.columns if is_level(each, f"{name}-{side}-", level))] for level in LEVELS]
        for side in ("lo", "hi")
    )
    return [np.asarray(column, np.float64) for column in (*low, said[f"{name}-median"], *reversed(high))]


def is_level(column: str, prefix: str, level: int) -> bool:
    """Whether a column is a bound of this level: the library writes 80 and 80.0."""
    return column.startswith(prefix) and float(column.removeprefix(prefix)) == level


def in_this_process(model: str, horizon: int, seed: int, seconds: float, files: tuple[Path, Path]) -> None:
    """Train and forecast with the library's defaults, and write the quantiles."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import DistributionLoss, MQLoss
    from neuralforecast.models import LSTM, DeepAR

    with np.load(files[0]) as asked:
        values, lengths = asked["values"], asked["lengths"]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(lengths)), lengths),
            "ds": np.concatenate([np.arange(lengths.max() - steps, lengths.max()) for steps in lengths]),
            "y": values,
        }
    )
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    limits = {"max_steps": UNENDING, "max_time": {"seconds": seconds}} if seconds else {}
    usual = {"h": horizon, "random_seed": seed, "start_padding_enabled": True, **limits, **quiet}
    begin = time.perf_counter()
    if model == "NF-LSTM":
        network = LSTM(loss=MQLoss(level=list(LEVELS)), **usual)
    else:
        network = DeepAR(loss=DistributionLoss("StudentT", level=list(LEVELS)), **usual)
    trained = NeuralForecast([network], freq=1)
    trained.fit(frame)
    said = trained.predict().sort_values(["unique_id", "ds"])
    took = time.perf_counter() - begin
    columns = quantiles_of(said, model.removeprefix("NF-"))
    made = np.sort(np.stack(columns, axis=-1), axis=-1).reshape(len(lengths), horizon, -1)  # theirs may cross
    np.savez(files[1], quantiles_SHQ=made, seconds=took)


if __name__ == "__main__":
    in_this_process(
        sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), (Path(sys.argv[5]), Path(sys.argv[6]))
    )
