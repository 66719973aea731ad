"""The course's reading copy: learn a series with an LSTM, in a handful of short functions.

Read it from top to bottom in ten minutes; then change something in ``build`` and run

    python src/run_lstm.py sine

which uses the functions below.  The work itself is done by the package beside this file: ``gatecast.cell`` is the LSTM
step written out by hand, ``gatecast.training`` the loop.
"""

from __future__ import annotations

import numpy as np

from gatecast.config import RunConfig, with_defaults
from gatecast.forecaster import LSTMForecaster
from gatecast.opening import Source, open_source
from gatecast.panel import Panel
from gatecast.run import Report
from gatecast.scaling import Floats
from gatecast.windows import Split, split_steps


def load_and_split(config: RunConfig) -> tuple[Source, Split]:
    """Load a series and cut it in time order: first the training part, then 10 % validation, the last 10 % is the test.

    Nothing is shuffled across a border.  What is learned, and every scale, comes from the training part.
    """
    data = config.data
    source = open_source(data)
    steps = len(source.panel.series_values(0))
    return source, split_steps(steps, test=data.test, validation=data.validation)


def target(series: Panel, origin: int, horizon: int) -> tuple[Floats, Floats]:
    """What the network has read at an origin, and what it must answer there: the next ``horizon`` values.

    A window of the classic tutorial has one target, the value after its last; here every step of a window has one.
    """
    values = series.series_values(0)
    return values[: origin + 1], values[origin + 1 : origin + 1 + horizon]


def build(config: RunConfig) -> LSTMForecaster:
    """The architecture, and how its weights are found.  Change a number here and look at what the run prints.

    A number given on the command line (``--units 32``) or in a settings file goes before the one here.
    """
    network = with_defaults(
        config.network,
        units=48,  # numbers in the cell state of a layer; not the number of time steps
        layers=1,  # each layer after the first adds to the one before
        dropout=0.0,  # noise against overfitting; a noise-free sine is hurt by it
        forget_bias=1.0,  # above 0 the forget gates start out open: what is in the cell stays
    )
    training = with_defaults(
        config.training,
        context=128,  # past steps a training window shows
        batch=16,  # windows in an update
        learning_rate=0.01,  # its peak: it rises, then falls to almost nothing
    )
    return LSTMForecaster(network, training, season_length=config.data.season_length)


def train(model: LSTMForecaster, series: Panel, split: Split, progress: Report | None = None) -> LSTMForecaster:
    """Learn from the training part; the validation part chooses which weights are kept.  The test part is cut off."""
    before_test = series.head(split.validation)
    return model.fit_panel(before_test, split.validation - split.training, progress)


def predict_point_by_point(model: LSTMForecaster, series: Panel, split: Split) -> Floats:
    """One step ahead from every origin of the test part; each forecast has read the true values up to its origin."""
    origins = np.arange(split.validation - 1, split.total - 1)
    return np.asarray(model.predict_many(series, origins, horizon=1)[0])


def predict_multi_sequence(model: LSTMForecaster, series: Panel, split: Split, horizon: int) -> Floats:
    """``horizon`` steps ahead from every ``horizon``-th origin: no true value is read in between."""
    origins = np.arange(split.validation - 1, split.total - horizon, horizon)
    return np.asarray(model.predict_many(series, origins, horizon)[0])


def predict_full_sequence(model: LSTMForecaster, series: Panel, split: Split, block: int) -> Floats:
    """The whole test part from its first origin: the model reads its own output, ``block`` steps at a time."""
    origin, steps = split.validation - 1, split.total - split.validation
    return model.full_sequence(series, origin, steps, block)
