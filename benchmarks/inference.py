"""Forecasts of many series at once: gatecast in NumPy, the same network in torch a step at a time, and two libraries.

    OMP_NUM_THREADS=1 python benchmarks/inference.py            # some minutes; writes results/inference.json
    OMP_NUM_THREADS=1 python benchmarks/inference.py --quick    # to see that it runs: few series, writes nothing

10,000 series of 200 values, the quantiles of 24 steps after each, on one thread.

gatecast: ``forecast_panel`` with a model as a file holds it, scaling and units included.  ``steep``: with a path so
steep in the state that gatecast reads the series in float64, as it does for signals almost without noise.  torch: the
same network, fed a step at a time in batches of 500; ``alone`` from inputs and questions that were made beforehand, and
``whole`` with gatecast's scaling, which it needs for a forecast.  These take turns, and their forecasts are compared.
Then ``predict`` of neuralforecast and of Darts with LSTMs of that size, see ``predicting``.

Seconds are of the clock; ``cpu_seconds`` are those of the processor, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import predicting
import torch
from record import RESULTS, heading, note_start, say, state, write
from stream import model_of

from gatecast.config import NetworkConfig
from gatecast.modelfile import Model
from gatecast.network import Network, restore, to_tensors
from gatecast.panel import panel_from_frame
from gatecast.predictor import forecast_panel
from gatecast.runtime import in_units, weights_to_arrays, with_dtype
from gatecast.scaling import ask, scale_series

STEPS, HORIZON, BATCH = 200, 24, 500
SHAPES = {"1 x 32": (1, 32), "2 x 64": (2, 64)}
GENTLE = 0.2  # share of its random path that makes a network one that is read in float32


def models_of(layers: int, units: int) -> tuple[Model, Model]:
    """A network as a file holds it, and one with a steep path."""
    steep = model_of(layers, units)
    head = steep.weights.head
    gentle = head._replace(path_DJ=head.path_DJ * GENTLE)
    made = [steep.weights._replace(head=each) for each in (gentle, head)]
    one, other = (replace(steep, weights=with_dtype(weights, np.float64)) for weights in made)
    return one, other


class InTorch:
    """The network in torch over many series."""

    def __init__(self, model: Model, values_ST: np.ndarray) -> None:
        self.model, self.values_ST = model, values_ST
        self.network = Network(NetworkConfig(layers=len(model.weights.layers), units=model.weights.units))
        restore(self.network, weights_to_arrays(model.weights))
        self.network.eval()
        self.batches = list(self.scaled())

    def scaled(self) -> Iterator[tuple[Any, Any, Any]]:
        """Inputs, questions, and what is around each series, a batch at a time."""
        for begin in range(0, len(self.values_ST), BATCH):
            scaled = scale_series(self.values_ST[begin : begin + BATCH], self.model.scaling)
            rows = np.arange(len(scaled.level_BT))
            last = np.full(len(rows), STEPS - 1)
            asked = ask(scaled, rows, last, np.arange(1, HORIZON + 1), self.model.scaling.seasons)
            question = to_tensors(asked, torch.device("cpu"))
            around = scaled.level_BT[:, -1], scaled.scale_BT[:, -1]
            yield torch.as_tensor(scaled.inputs_BTC), question, around

    def alone(self) -> np.ndarray:
        """Quantiles (S, H, Q) from what was made beforehand."""
        return self.forecast(iter(self.batches))

    def whole(self) -> np.ndarray:
        """Quantiles (S, H, Q) from the series."""
        return self.forecast(self.scaled())

    @torch.inference_mode()
    def forecast(self, batches: Iterator[tuple[Any, Any, Any]]) -> np.ndarray:
        """Quantiles (S, H, Q)."""
        made = []
        for x_BTC, question, around in batches:
            states: list[Any] = [None] * len(self.network.layers)
            for t in range(STEPS):
                h_B1D, states[0] = self.network.layers[0](x_BTC[:, t : t + 1], states[0])
                for place, layer in enumerate(list(self.network.layers)[1:], 1):
                    out_B1D, states[place] = layer(h_B1D, states[place])
                    h_B1D = h_B1D + out_B1D
            made.append(in_units(self.network(h_B1D[:, 0], question).numpy(), *around))
        return np.concatenate(made)


def timed(ways: dict[str, Callable[[], np.ndarray]], rounds: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Seconds of each way, in turn, and what it made last."""
    found: dict[str, Any] = {name: {"seconds": [], "cpu_seconds": []} for name in ways}
    made = {}
    for each in range(rounds):
        for name, way in ways.items():
            say(f"round {each + 1} of {rounds}: {name}")
            begin, used = time.perf_counter(), time.process_time()
            made[name] = way()
            found[name]["seconds"].append(time.perf_counter() - begin)
            found[name]["cpu_seconds"].append(time.process_time() - used)
    return found, made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peers", action="store_true", help="leave neuralforecast and Darts out")
    given = parser.parse_args()
    torch.set_num_threads(1)
    start, count, rounds = note_start(), 200 if given.quick else 10_000, 1 if given.quick else 3
    values_ST = np.random.default_rng(0).normal(size=(count, STEPS)).cumsum(axis=1) + 100
    names = np.repeat([f"s{s}" for s in range(count)], STEPS)
    table = {"unique_id": names, "ds": np.tile(np.arange(STEPS), count), "y": values_ST.reshape(-1)}
    panel, result = panel_from_frame(table), {}
    for name, shape in SHAPES.items():
        model, steep = models_of(*shape)
        peer = InTorch(model, values_ST)
        ways = {
            "gatecast": lambda model=model: forecast_panel(model, panel, HORIZON),
            "gatecast, steep": lambda steep=steep: forecast_panel(steep, panel, HORIZON),
            "torch, alone": peer.alone,
            "torch, whole": peer.whole,
        }
        found, made = timed(ways, rounds)
        difference = float(np.abs(made["gatecast"] - made["torch, whole"]).max() / values_ST.std())
        for library in () if given.no_peers else predicting.LIBRARIES:
            say(f"{name}: {library}")
            found[library] = predicting.ask(library, shape, values_ST, HORIZON, min(rounds, 2))
        ours = found["gatecast"]["cpu_seconds"]
        times = {
            way: median(each["cpu_seconds"]) / median(ours) for way, each in found.items() if "left_out" not in each
        }
        result[name] = {"ways": found, "cpu_times_gatecast": times, "largest_difference_of_std": difference}
        print(f"{name}, {count:,} series; gatecast and torch differ by {difference:.1g} of std at most")
        for way, each in found.items():
            took = each.get("left_out")
            if took is None:
                clock, processor = (median(each[which]) for which in ("seconds", "cpu_seconds"))
                took = f"{clock:.2f} s, processor {processor:.2f} s, {times[way]:.2f} times gatecast"
            print(f"  {way}: {took}")
    if not given.quick:
        above = heading(start, "numpy", "torch")
        print(state(above))
        about = {"series": count, "steps": STEPS, "horizon": HORIZON}
        write({**above, **about, "figures": result}, RESULTS / "inference.json")


if __name__ == "__main__":
    main()
