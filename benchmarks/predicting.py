"""What ``predict`` of neuralforecast and of Darts takes for many series, in an environment of their own.

    make peers                                         the environments, once

``inference.py`` calls ``ask``, which starts a fresh process there.  This file is also what runs there: at its top it
imports nothing but the standard library and NumPy.  A model of the size asked for is trained for one update, which is
all that its speed depends on, and then asked for the quantiles of the steps after every series.

neuralforecast: LSTM with a direct head and MQLoss.  Darts: BlockRNNModel of LSTM cells with QuantileRegression, whose
quantiles are asked for as they are, without sampling.  Both read the newest 176 values of each series.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from record import HOME, ONE_THREAD

LIBRARIES = ("neuralforecast", "darts")
LEVELS = (95, 90, 80, 60, 40, 20)  # with the median our quantiles
QUANTILES = (0.025, 0.05, *(step / 10 for step in range(1, 10)), 0.95, 0.975)


def python_of(library: str) -> Path:
    """Where ``make peers`` puts its Python."""
    return HOME / ".peers" / library / "bin" / "python"


def ask(library: str, shape: tuple[int, int], values_ST: np.ndarray, horizon: int, rounds: int) -> dict[str, Any]:
    """What a library takes for its forecasts; a word about why, if it is not there.

    Args:
        library: one of ``LIBRARIES``.
        shape: layers and units.
        values_ST: the series.
        horizon: steps ahead.
        rounds: how often it is asked.

    Raises:
        RuntimeError: it failed; the end of what it printed is in the message.
    """
    python = python_of(library)
    if shutil.which(python) is None:
        return {"left_out": f"{library} is not there; make peers installs it"}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "values.npy", values_ST)
        words = [str(python), __file__, library, *map(str, (*shape, horizon, rounds)), folder]
        environment = {**os.environ, **ONE_THREAD, "CUDA_VISIBLE_DEVICES": ""}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise RuntimeError(f"{library} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        found: dict[str, Any] = json.loads((Path(folder) / "said.json").read_text())
        return found


QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def in_neuralforecast(shape: tuple[int, int], values_ST: np.ndarray, horizon: int) -> Any:
    """A trained model as a function without arguments that forecasts."""
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import LSTM

    series, steps = values_ST.shape
    names = np.repeat([f"s{s:05d}" for s in range(series)], steps)
    table = pd.DataFrame({"unique_id": names, "ds": np.tile(np.arange(steps), series), "y": values_ST.reshape(-1)})
    layers, units = shape
    model = LSTM(
        h=horizon,
        input_size=steps - horizon,
        encoder_n_layers=layers,
        encoder_hidden_size=units,
        loss=MQLoss(level=list(LEVELS)),
        max_steps=1,
        **QUIET,
    )
    library = NeuralForecast(models=[model], freq=1)
    library.fit(table)
    return lambda: library.predict().to_numpy()


def in_darts(shape: tuple[int, int], values_ST: np.ndarray, horizon: int) -> Any:
    """A trained model as a function without arguments that forecasts."""
    from darts import TimeSeries
    from darts.models import BlockRNNModel
    from darts.utils.likelihood_models import QuantileRegression

    layers, units = shape
    series = [TimeSeries.from_values(values.astype(np.float32)) for values in values_ST]
    model = BlockRNNModel(
        input_chunk_length=values_ST.shape[1] - horizon,
        output_chunk_length=horizon,
        model="LSTM",
        hidden_dim=units,
        n_rnn_layers=layers,
        likelihood=QuantileRegression(list(QUANTILES)),
        batch_size=500,
        n_epochs=1,
        pl_trainer_kwargs=QUIET,
    )
    model.fit(series[:500])
    return lambda: model.predict(horizon, series=series, predict_likelihood_parameters=True, verbose=False)


def main() -> None:
    """Forecast in this process, and write down what it took."""
    library, *numbers, folder = sys.argv[1:]
    layers, units, horizon, rounds = map(int, numbers)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    import torch

    torch.set_num_threads(1)
    values_ST = np.load(Path(folder) / "values.npy")
    make = {"neuralforecast": in_neuralforecast, "darts": in_darts}[library]
    forecast = make((layers, units), values_ST, horizon)
    wall, cpu = [], []
    for _ in range(rounds):
        begin, used = time.perf_counter(), time.process_time()
        made = forecast()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    assert len(made) in {len(values_ST), horizon * len(values_ST)}
    said = {"seconds": wall, "cpu_seconds": cpu, "version": version(library)}
    (Path(folder) / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
