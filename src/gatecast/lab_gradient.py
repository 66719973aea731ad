"""Lab: how much of an error comes back over so many steps, through a plain RNN and through an LSTM, before training.

What is measured is how strongly the last output reacts to an input some steps earlier, relative to the newest input:
the derivative by the input, from the backward passes by hand.  It is the road an error takes back.

Key: B batch, T step, C input channel, D hidden unit, K the four gates' 4·D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatecast.cell import Array, LayerWeights, lstm_backward, lstm_forward
from gatecast.lab_charts import curves, ranges
from gatecast.lab_questions import GRADIENT, LAG, USUAL, checked_seeds
from gatecast.lab_results import Answer, LabResult, Lines, Row, apart, pick, readable, times
from gatecast.variants import Start, begin, orthogonal

UNITS, BATCH, STEPS = 64, 8, 100
LAGS = (10, LAG, 99)
WHOLE = 0.3  # a cell that passes back this much or more passes "all of it", give or take
MEASURE = f"{LAG} steps back"

METHOD = (
    f"Untrained layers of {UNITS} units read {STEPS} steps of noise. Shown is how strongly the last output reacts to "
    "an input so many steps earlier, relative to the newest input. LSTMs and the orthogonal RNN start with Keras's "
    "weights, the uniform RNN with PyTorch's. A number is exact for its weights: the backward passes are held to "
    "finite differences."
)


# -------------------------------------------------------------------------------------------------- what is measured


def uniform(rng: np.random.Generator, limit: float, *shape: int) -> Array:
    """Numbers spread evenly between -limit and limit."""
    return np.asarray(rng.uniform(-limit, limit, shape))


def start_as_keras(rng: np.random.Generator, forget_bias: float, larger: float = 1) -> LayerWeights:
    """An LSTM as Keras starts it: uniform input weights, one orthogonal (D, K) matrix; recurrent ones times ``larger``.

    Biases are zero but for the forget gate's.
    """
    weights = begin(rng, Start("lstm", forget_bias), 1, UNITS)
    return weights._replace(hidden_DK=larger * weights.hidden_DK)


def question(rng: np.random.Generator, steps: int, batch: int) -> tuple[Array, Array]:
    """Noise to read (B, T, 1), and one random direction of the last output to ask about (B, D), of length one."""
    d_h_BD = rng.normal(size=(batch, UNITS))
    return rng.normal(size=(batch, steps, 1)), d_h_BD / np.linalg.norm(d_h_BD, axis=1, keepdims=True)


def relative_to_now(d_x_BTC: Array) -> Array:
    """By lag 0, 1, 2 …: how much the last output reacts to the input that many steps back, where lag 0 counts as 1."""
    by_lag = np.sqrt((d_x_BTC[:, ::-1, 0] ** 2).mean(axis=0))
    return np.asarray(by_lag / by_lag[0])


def lstm_gradient_by_lag(
    rng: np.random.Generator, weights: LayerWeights, steps: int = STEPS, batch: int = BATCH
) -> Array:
    """Gradient of the LSTM's last output by each earlier input."""
    x_BTC, d_h_BD = question(rng, steps, batch)
    _, _, traces = lstm_forward(x_BTC, [weights])
    d_output_BTD = np.zeros((batch, steps, UNITS))
    d_output_BTD[:, -1] = d_h_BD
    return relative_to_now(lstm_backward(d_output_BTD, x_BTC, [weights], traces).x_BTC)


def rnn_gradient_by_lag(
    rng: np.random.Generator, input_CD: Array, hidden_DD: Array, steps: int = STEPS, batch: int = BATCH
) -> Array:
    """The same of a plain RNN, h = tanh(x W + h U), forward and backward by hand."""
    x_BTC, d_h_BD = question(rng, steps, batch)
    h_BD, outputs = np.zeros((batch, UNITS)), []
    for t in range(steps):
        h_BD = np.tanh(x_BTC[:, t] @ input_CD + h_BD @ hidden_DD)
        outputs.append(h_BD)
    d_x_BTC = np.empty_like(x_BTC)
    for t in reversed(range(steps)):
        d_z_BD = d_h_BD * (1 - outputs[t] ** 2)
        d_x_BTC[:, t] = d_z_BD @ input_CD.T
        d_h_BD = d_z_BD @ hidden_DD.T
    return relative_to_now(d_x_BTC)


RNN_ORTHOGONAL, RNN_UNIFORM = "tanh RNN, orthogonal", "tanh RNN, uniform"
LSTM_0, LSTM_1, LSTM_3 = "LSTM, forget bias 0", "LSTM, forget bias 1", "LSTM, forget bias 3"


def gradients_by_lag(seeds: int = USUAL, steps: int = STEPS, batch: int = BATCH) -> dict[str, Array]:
    """For each cell of the first figure, (seeds, steps): the gradient at each lag."""
    measured: dict[str, list[Array]] = {}
    glorot, small = np.sqrt(6 / (1 + UNITS)), 1 / np.sqrt(UNITS)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        plain = [
            (RNN_ORTHOGONAL, uniform(rng, glorot, 1, UNITS), orthogonal(rng, UNITS, UNITS)),
            (RNN_UNIFORM, uniform(rng, small, 1, UNITS), uniform(rng, small, UNITS, UNITS)),
        ]
        for name, input_CD, hidden_DD in plain:
            measured.setdefault(name, []).append(rnn_gradient_by_lag(rng, input_CD, hidden_DD, steps, batch))
        for name, bias in ((LSTM_0, 0), (LSTM_1, 1), (LSTM_3, 3)):
            gradient = lstm_gradient_by_lag(rng, start_as_keras(rng, bias), steps, batch)
            measured.setdefault(name, []).append(gradient)
    return {name: np.stack(rows) for name, rows in measured.items()}


# ----------------------------------------------------------------------------------------------------- the lab


def gradient(seeds: int = USUAL, predict: str | None = None) -> LabResult:
    """Measure how much of an error comes back over 10, 50 and 99 steps.

    Args:
        seeds: how many.
        predict: one of the question's choices, said before.

    Raises:
        SettingsError: too few seeds, or a prediction that is none of the choices.
    """
    predicted = GRADIENT.checked(predict)
    measured = gradients_by_lag(checked_seeds(seeds))
    rows = rows_of(measured)
    drawn = by_lag(measured)
    figures = (
        curves(drawn),
        ranges("at_lag", f"{LAG} steps back", [r for r in rows if r.measure == MEASURE], "passed back"),
    )
    return LabResult(GRADIENT, rows, answer(rows), METHOD, seeds, figures, predicted, lines=(drawn,))


def rows_of(measured: Mapping[str, Array]) -> tuple[Row, ...]:
    """What is passed back over some numbers of steps, from (seeds, steps) of every cell."""
    return tuple(
        Row(name, f"{lag} steps back", tuple(values[:, lag].tolist()))
        for name, values in measured.items()
        for lag in LAGS
    )


def answer(rows: Sequence[Row]) -> Answer:
    """Which cell passes more back, and whether a higher forget bias changes that."""
    rnn, lstm, high, none = (pick(rows, name, MEASURE) for name in (RNN_ORTHOGONAL, LSTM_1, LSTM_3, LSTM_0))
    if not apart(rnn, lstm):
        choice, compared = "same", "about the same, since the ranges over the seeds overlap"
    elif lstm.median < rnn.median:
        choice, compared = "rnn", f"{times(rnn.median, lstm.median)} as much"
    else:
        choice, compared = "lstm", f"the LSTM passes {times(lstm.median, rnn.median)} as much"
    text = (
        f"Before training, an LSTM with forget bias 1 passes {readable(lstm.median)} of an error {LAG} steps back, and "
        f"a plain RNN with orthogonal weights {readable(rnn.median)}: {compared}. "
        f"With forget bias 0 it is {readable(none.median)}, with forget bias 3 {readable(high.median)}: "
    )
    if high.low >= WHOLE and apart(high, lstm):
        text += "a forget gate that starts near 1 is what lets it through."
    elif apart(high, lstm):
        text += f"{'more' if high.median > lstm.median else 'less'}, and not all of it."
    else:
        text += "the bias makes no difference that the seeds agree on."
    return Answer(choice, text)


def by_lag(measured: Mapping[str, Array]) -> Lines:
    """The gradient at each lag; what is next to nothing is drawn at the bottom."""
    colours = {
        RNN_ORTHOGONAL: "ink",
        RNN_UNIFORM: "muted",
        LSTM_0: "LastValue",
        LSTM_1: "SeasonalNaive",
        LSTM_3: "LSTM",
    }
    return Lines(
        "by_lag",
        "How strongly the last output feels an older input",
        {name: np.maximum(values, 1e-12) for name, values in measured.items()},
        colours,
        ("steps back", "relative to the newest input"),
    )
