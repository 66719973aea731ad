"""Forecasts of many series at once: gatecast in NumPy, and the same network in torch, a step at a time.

    OMP_NUM_THREADS=1 python benchmarks/inference.py            # some minutes; writes results/inference.json
    OMP_NUM_THREADS=1 python benchmarks/inference.py --quick    # to see that it runs: few series, writes nothing

10,000 series of 200 values, the quantiles of 24 steps after each.  gatecast: ``forecast_panel``, scaling and units
included.  torch: the network alone, fed a step at a time, in batches, from inputs and questions that were made
beforehand.  In turn, on one thread; the forecasts of the two are compared.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import numpy as np
import torch
from record import RESULTS, heading, note_start, say, state, write
from stream import model_of

from gatecast.config import NetworkConfig
from gatecast.modelfile import Model
from gatecast.network import Network, restore, to_tensors
from gatecast.panel import panel_from_frame
from gatecast.predictor import forecast_panel
from gatecast.runtime import in_units, weights_to_arrays
from gatecast.scaling import ask, scale_series

STEPS, HORIZON, BATCH = 200, 24, 500
SHAPES = {"1 x 32": (1, 32), "2 x 64": (2, 64)}


class InTorch:
    """The network in torch over series that were scaled beforehand."""

    def __init__(self, model: Model, values_ST: np.ndarray) -> None:
        self.network = Network(NetworkConfig(layers=len(model.weights.layers), units=model.weights.units))
        restore(self.network, weights_to_arrays(model.weights))
        self.network.eval()
        self.batches = []
        for begin in range(0, len(values_ST), BATCH):
            scaled = scale_series(values_ST[begin : begin + BATCH], model.scaling)
            rows = np.arange(len(scaled.level_BT))
            last = np.full(len(rows), STEPS - 1)
            asked = ask(scaled, rows, last, np.arange(1, HORIZON + 1), model.scaling.seasons)
            question = to_tensors(asked, torch.device("cpu"))
            around = scaled.level_BT[:, -1], scaled.scale_BT[:, -1]
            self.batches.append((torch.as_tensor(scaled.inputs_BTC), question, around))

    @torch.inference_mode()
    def forecast(self) -> np.ndarray:
        """Quantiles (S, H, Q)."""
        made = []
        for x_BTC, question, around in self.batches:
            states: list[Any] = [None] * len(self.network.layers)
            for t in range(STEPS):
                h_B1D, states[0] = self.network.layers[0](x_BTC[:, t : t + 1], states[0])
                for place, layer in enumerate(list(self.network.layers)[1:], 1):
                    out_B1D, states[place] = layer(h_B1D, states[place])
                    h_B1D = h_B1D + out_B1D
            made.append(in_units(self.network(h_B1D[:, 0], question).numpy(), *around))
        return np.concatenate(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    start, count, rounds = note_start(), 200 if quick else 10_000, 1 if quick else 3
    values_ST = np.random.default_rng(0).normal(size=(count, STEPS)).cumsum(axis=1) + 100
    names = np.repeat([f"s{s}" for s in range(count)], STEPS)
    table = {"unique_id": names, "ds": np.tile(np.arange(STEPS), count), "y": values_ST.reshape(-1)}
    panel, result = panel_from_frame(table), {}
    for name, (layers, units) in SHAPES.items():
        model = model_of(layers, units)
        peer = InTorch(model, values_ST)
        seconds: dict[str, list[float]] = {"gatecast": [], "torch, step by step": []}
        for each in range(rounds):
            say(f"{name}, round {each + 1} of {rounds}")
            begin = time.perf_counter()
            ours = forecast_panel(model, panel, HORIZON)
            middle = time.perf_counter()
            theirs = peer.forecast()
            seconds["gatecast"].append(middle - begin)
            seconds["torch, step by step"].append(time.perf_counter() - middle)
        difference = float(np.abs(ours - theirs).max() / values_ST.std())
        ratio = median(b / a for a, b in zip(*seconds.values(), strict=True))
        result[name] = {"seconds": seconds, "times_torch": ratio, "largest_difference_of_std": difference}
        told = ", ".join(f"{way} {median(taken):.2f} s" for way, taken in seconds.items())
        print(
            f"{name}, {count:,} series: {told}; {ratio:.2f} times as fast; largest difference {difference:.1g} of std"
        )
    if not quick:
        above = heading(start, "numpy", "torch")
        print(state(above))
        about = {"series": count, "steps": STEPS, "horizon": HORIZON}
        write({**above, **about, "figures": result}, RESULTS / "inference.json")


if __name__ == "__main__":
    main()
