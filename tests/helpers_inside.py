"""Small models with random weights, over series that are hard to read, for the tests of the page Inside."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gatecast.config import QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Column, Widths
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.panel import Panel, panel_from_arrays
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Running, fixed_from
from gatecast.zeroshot import shipped


class Case(NamedTuple):
    """A network and the series it is opened over."""

    model: Model
    panel: Panel


def series(seed: int = 0, steps: int = 160, missing: float = 0.1, begin: int = 3) -> np.ndarray:
    """A wandering wave with holes, that begins late."""
    rng = np.random.default_rng(seed)
    values = 20 + rng.normal(size=steps).cumsum() + 3 * np.sin(np.arange(steps) * 2 * np.pi / 7)
    values[rng.random(steps) < missing] = np.nan
    values[: begin + 1] = [np.nan] * begin + [20.0]
    values[70:90] = np.nan
    return values


def random_model(
    kind: str = "running",
    seasons: tuple[int, ...] = (7,),
    layers: int = 1,
    units: int = 5,
    columns: tuple[Column, ...] = (),
    horizon: int = 12,
    seed: int = 0,
    cell: str = "lstm",
) -> Model:
    """A model with random weights of the size that training gives, in float32, and intervals that are widened."""
    rng = np.random.default_rng(seed)
    widths = Widths(*(sum(column.role == role for column in columns) for role in ("past", "known", "static")))
    shapes = export(Network(NetworkConfig(units=units, layers=layers, cell=cell), widths))
    arrays = {name: rng.normal(scale=0.3, size=array.shape).astype(np.float32) for name, array in shapes.items()}
    scaling = Running(seasons) if kind == "running" else fixed_from(series()[:100], seasons)
    config = RunConfig(training=TrainingConfig(horizon=horizon))
    widening = 1 + rng.random((2 * horizon, len(QUANTILES)))
    return Model(weights_from_arrays(arrays), scaling, config, widening, columns)


def cases() -> dict[str, Case]:
    """One for everything that the page has to be able to read."""
    columns = tuple(Column(role, role, centre=1.0, spread=2.0) for role in ("past", "known", "static"))
    beside = replace(
        panel_from_arrays(series(4), inputs={"past": series(5)}),
        known={"known": np.nan_to_num(series(6), nan=1.5)},
        static={"static": np.array([4.5])},
    )
    member = replace(shipped()[0], scaling=Running((7,)))
    return {
        "running": Case(random_model(), panel_from_arrays(series())),
        "no season, constant": Case(random_model(seasons=(1,)), panel_from_arrays(np.full(60, 3.0))),
        "two layers, two seasons": Case(random_model(seasons=(4, 28), layers=2), panel_from_arrays(series(1))),
        "fixed": Case(random_model("fixed", (1,)), panel_from_arrays(series(2))),
        "fixed, two layers, two seasons": Case(random_model("fixed", (12, 24), 2), panel_from_arrays(series(3))),
        "columns": Case(random_model(columns=columns), beside),
        "long": Case(random_model(units=3, seasons=(24, 168)), panel_from_arrays(series(7, 1300))),
        "plain RNN": Case(random_model(cell="rnn"), panel_from_arrays(series(9))),
        "plain RNN, fixed, two layers, columns": Case(
            random_model("fixed", layers=2, units=4, columns=columns, cell="rnn"), beside
        ),
        "zero-shot": Case(member, panel_from_arrays(series(8))),
    }
