"""Seconds of one value of a stream: read it, let widths follow, say all quantiles of the next 24 steps.

    OMP_NUM_THREADS=1 python benchmarks/stream.py            # a minute or two; writes results/stream.json
    OMP_NUM_THREADS=1 python benchmarks/stream.py --quick    # to see that it runs: few values, writes nothing

gatecast does the whole of it.  torch does the network's part alone: one step of the LSTM and the head for 24 steps, in
``inference_mode`` on one thread, with a question that was put beforehand; scaling and widths are not asked of it.  All
take turns, a block of values each, so that a busy machine slows them alike; every value has a clock of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import numpy as np
import torch
from record import RESULTS, heading, note_start, say, state, write

from gatecast import ForecastStream, ZeroShot
from gatecast.adaptive import Pace
from gatecast.config import NetworkConfig, RunConfig
from gatecast.modelfile import Model
from gatecast.network import Network, export, restore, to_tensors
from gatecast.runtime import weights_from_arrays, weights_to_arrays
from gatecast.scaling import Running, ask, scale_series
from gatecast.streaming import Manner

HORIZON, SEASON = 24, (24,)
SHAPES = {"1 x 32": (1, 32), "2 x 64": (2, 64)}
MUST = {"1 x 32": 60e-6, "2 x 64": 90e-6}  # seconds; the goal is half
TIMES = 8  # as fast as torch


def series(steps: int) -> np.ndarray:
    """An hourly series with a day and autocorrelated noise, and a few missing values."""
    rng = np.random.default_rng(0)
    values = 50 + 10 * np.sin(np.arange(steps) * 2 * np.pi / 24) + rng.normal(size=steps).cumsum() * 0.2
    values[rng.random(steps) < 0.02] = np.nan
    return values


def model_of(layers: int, units: int) -> Model:
    """A network with random weights of the size that training gives."""
    rng = np.random.default_rng(1)
    arrays = export(Network(NetworkConfig(layers=layers, units=units)))
    arrays = {name: rng.normal(scale=0.15, size=array.shape) for name, array in arrays.items()}
    return Model(weights_from_arrays(arrays, np.float32), Running(SEASON), RunConfig())


def torch_step(model: Model, values: np.ndarray) -> Callable[[float], Any]:
    """One step of the LSTM layers and the head for HORIZON steps, the state kept."""
    network = Network(NetworkConfig(layers=len(model.weights.layers), units=model.weights.units))
    restore(network, weights_to_arrays(model.weights))
    network.eval()
    scaled = scale_series(values[None], model.scaling)
    zero = np.zeros(1, np.int64)
    asked = ask(scaled, zero, zero + len(values) - 1, np.arange(1, HORIZON + 1), SEASON)
    question = to_tensors(asked, torch.device("cpu"))
    x_11C = torch.as_tensor(scaled.inputs_BTC[:, -1:])
    states: list[Any] = [None] * len(model.weights.layers)

    def step(value: float) -> Any:
        x_11C[0, 0, 0] = value if value == value else 0.0  # noqa: PLR0124 (NaN is missing)
        with torch.inference_mode():
            h_11D, states[0] = network.layers[0](x_11C, states[0])
            for place, layer in enumerate(list(network.layers)[1:], 1):
                out_11D, states[place] = layer(h_11D, states[place])
                h_11D = h_11D + out_11D
            return network(h_11D[:, 0], question).numpy()

    return step


def stream_of(model: Model, adapt: bool, compiled: bool) -> Callable[[float], Any]:
    return ForecastStream([model], "LSTM", Pace(), Manner(HORIZON, adapt, compiled), np.zeros(0)).update


def measure(ways: dict[str, Callable[[float], Any]], values: np.ndarray, block: int) -> dict[str, Any]:
    """Seconds a value of each way, in turn; the first block warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    blocks: dict[str, list[float]] = {name: [] for name in ways}
    for begin in range(0, len(values), block):
        for name, way in ways.items():
            taken = []
            for value in values[begin : begin + block].tolist():
                start = time.perf_counter()
                way(value)
                taken.append(time.perf_counter() - start)
            if begin:
                seconds[name] += taken
                blocks[name].append(median(taken))
    return {
        name: {
            "median": median(each),
            "p10": quantiles(each, n=10)[0],
            "p90": quantiles(each, n=10)[-1],
            "blocks": blocks[name],
        }
        for name, each in seconds.items()
    }


def show(name: str, found: dict[str, Any]) -> None:
    told = ", ".join(f"{way} {each['median'] * 1e6:.1f} (p90 {each['p90'] * 1e6:.0f})" for way, each in found.items())
    print(f"{name}: microseconds a value: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    start, count, block = note_start(), 300 if quick else 3000, 100 if quick else 200
    values, result, figures = series(count), {}, {}
    for name, (layers, units) in SHAPES.items():
        say(f"{name}: the compiled step is loaded, or compiled where it never was")
        model = model_of(layers, units)
        ways = {
            "compiled": stream_of(model, True, True),
            "compiled, widths held": stream_of(model, False, True),
            "NumPy": stream_of(model, True, False),
            "torch": torch_step(model, values),
        }
        result[name] = found = measure(ways, values, block)
        show(name, found)
        ratios = [a / b for a, b in zip(found["torch"]["blocks"], found["compiled"]["blocks"], strict=True)]
        figures[name] = {
            "seconds": found["compiled"]["median"],
            "must": MUST[name],
            "goal": MUST[name] / 2,
            "times_torch": median(ratios),
            "times_torch_must": TIMES,
        }
        print(f"  {median(ratios):.1f} times as fast as torch (must: {TIMES}); must: {MUST[name] * 1e6:.0f}")
    ensemble = ZeroShot(season_length=SEASON).stream(horizon=HORIZON, compiled=True)
    result["shipped, two networks of 2 x 64"] = found = measure({"compiled": ensemble.update}, values, block)
    show("shipped weights", found)
    if not quick:
        above = heading(start, "numpy", "numba", "torch")
        print(state(above))
        write({**above, "horizon": HORIZON, "figures": figures, "seconds": result}, RESULTS / "stream.json")


if __name__ == "__main__":
    main()
