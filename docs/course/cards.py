"""Ten misconceptions, each measured: writes cards.md and the picture of every card.

Run it as ``python docs/course/cards.py``; it takes some seconds and always gives the same.  Nothing is trained here:
every claim is shown by arithmetic, on the S&P 500, on a random walk, or on an untrained cell.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
from figures import COLOURS, GREY, INK, Rows, colour_of, table, typical, write_chart

from gatecast.cell import Array, State, initial_state, layer_forward, lstm_forward
from gatecast.lab_gradient import LSTM_0, LSTM_1, LSTM_3, RNN_ORTHOGONAL, gradients_by_lag, start_as_keras
from gatecast.lab_leaks import CONTEXT, HONEST, TRAINED, prepare, walk
from gatecast.lab_results import readable, signed
from gatecast.metrics import rmse
from gatecast.sources import load
from gatecast.windows import split_steps

HERE = Path(__file__).parent
PICTURES = HERE / "cards"
BLUE, ORANGE, GREEN = COLOURS["input"], COLOURS["forget"], COLOURS["candidate"]
LAG, SEEDS = 50, 5
DAYS = 60
TWO_WINDOWS = """import numpy as np

from gatecast.cell import LayerWeights, lstm_forward

rng = np.random.default_rng(0)
weights = LayerWeights(rng.normal(size=(1, 16)), rng.normal(size=(4, 16)), rng.normal(size=16))
first, second = rng.normal(size=(2, 1, 20, 1))
from_zeros, _, _ = lstm_forward(second, [weights])
_, state, _ = lstm_forward(first, [weights])
handed_on, _, _ = lstm_forward(second, [weights], state)
assert not np.allclose(from_zeros, handed_on)"""


class Card(NamedTuple):
    """One card: what is heard, what is so, its picture, and the command that shows it."""

    key: str
    heard: str
    so: str
    seen: str  # the picture in words
    command: str
    chart: Callable[[], Any]


# ============================================================================================== what is measured


@cache
def prices() -> tuple[Array, Array]:
    """The test part of the S&P 500: each close, and the one before it."""
    panel = load("sp500").panel
    values, split = panel.series_values(0), split_steps(int(panel.lengths[0]), 0.1, 0.1)
    return values[split.validation :], values[split.validation - 1 : -1]


def r_squared(truth: Array, said: Array) -> float:
    """One minus the squared error over the variance of the truth."""
    return float(1 - np.mean((truth - said) ** 2) / np.var(truth))


def overlap() -> dict[str, float]:
    """How a forecast that is yesterday's value looks, and what its moves are."""
    truth, last = prices()
    return {
        "with_truth": float(np.corrcoef(last, truth)[0, 1]),
        "moves_with_truth": float(np.corrcoef(np.diff(last), np.diff(truth))[0, 1]),
        "moves_with_last": 1.0,
    }


def price_skill() -> dict[str, float]:
    """R² of repeating yesterday's price, on the price and on its change."""
    truth, last = prices()
    return {"of_price": r_squared(truth, last), "of_change": r_squared(truth - last, np.zeros_like(truth))}


@cache
def influence() -> dict[str, Array]:
    """How strongly the last output feels older inputs, by cell; the geometric mean of the seeds."""
    return {name: typical(rows) for name, rows in gradients_by_lag(SEEDS).items()}


def memory() -> dict[str, float]:
    """How far back an LSTM as Keras starts it feels a tenth, and what is left at the other end of a window of 50."""
    by_lag = influence()[LSTM_1]
    return {"a_tenth_at": float(np.argmax(by_lag < 0.1)), "left": float(by_lag[LAG - 1])}


def sizes() -> dict[int, tuple[int, list[int]]]:
    """By number of units: the weights of a layer, and the lengths of the sequences that this one layer has read."""
    found = {}
    for units in (8, 32, 64):
        weights = start_as_keras(np.random.default_rng(0), 1.0)
        cut = np.r_[tuple(np.arange(gate * 64, gate * 64 + units) for gate in range(4))]
        layer = type(weights)(weights.input_CK[:, cut], weights.hidden_DK[:units][:, cut], weights.bias_K[cut])
        read = [lstm_forward(np.zeros((1, steps, 1)), [layer])[0].shape[1] for steps in (3, 50, 500)]
        found[units] = sum(part.size for part in layer), read
    return found


def seen_before() -> dict[str, float]:
    """Share of the test's targets that stand in a training window, after each way to split."""
    shares = {}
    for name, leak in (("in time", HONEST), ("shuffled first", "shuffle")):
        made = prepare(leak, walk(0))
        steps = np.arange(len(made.windows_NT))[:, None] + np.arange(CONTEXT + 1)  # of each window, its target last
        known = np.unique(steps[made.training_N])
        shares[name] = float(np.isin(steps[made.test_N, -1], known).mean())
    return shares


def shuffled_after() -> bool:
    """Whether an order of the training windows, drawn after a split in time, lets anything of the test part in."""
    made = prepare(HONEST, walk(0))
    order = np.random.default_rng(1).permutation(np.flatnonzero(made.training_N))
    return bool((order + CONTEXT >= TRAINED).any())


def moved_inputs() -> dict[str, float]:
    """By how many widths the training inputs move when nothing but the test part changes."""
    values = walk(0)
    other = np.where(np.arange(len(values)) >= TRAINED, values + 50, values)
    moved = {}
    for name, leak in (("of the training part", HONEST), ("of the whole series", "scaler")):
        one, two = (prepare(leak, each) for each in (values, other))
        moved[name] = float(np.abs(one.windows_NT[one.training_N] - two.windows_NT[two.training_N]).mean())
    return moved


def counter() -> tuple[Array, Array]:
    """The cell state and the output of one unit that adds a half at every step, all gates open."""
    weights = start_as_keras(np.random.default_rng(0), 1.0)
    one = type(weights)(np.zeros((1, 4)), np.zeros((1, 4)), np.array([50.0, 50.0, np.arctanh(0.5), 50.0]))
    _, trace = layer_forward(np.zeros((1, 20, 1)), one, initial_state(1, 1, np.float64))
    return trace.c_BTD[0, :, 0], trace.h_BTD[0, :, 0]


def scaled_losses() -> dict[str, float]:
    """The error of repeating yesterday's price, in the units that losses are printed in and in points."""
    truth, last = prices()
    whole = load("sp500").panel.series_values(0)
    width = float(np.ptp(whole))
    return {"scaled": float(np.mean(((truth - last) / width) ** 2)), "points": rmse(truth, last), "width": width}


def across_windows() -> dict[str, float]:
    """How far outputs move when the windows are read in another order, without and with the state handed on."""
    rng = np.random.default_rng(0)
    weights, windows = start_as_keras(rng, 1.0), rng.normal(size=(6, 1, 20, 1))
    order = [3, 0, 5, 1, 4, 2]

    def read(order: list[int], handed_on: bool) -> Array:
        state: State | None = None
        said = {}
        for window in order:
            out, [last], _ = lstm_forward(windows[window], [weights], [state] if state and handed_on else None)
            state, said[window] = last, out[0]
        return np.stack([said[window] for window in sorted(said)])

    size = float(np.abs(read(list(range(6)), False)).mean())
    return {
        name: float(np.abs(read(list(range(6)), kept) - read(order, kept)).mean()) / size
        for name, kept in (("from zeros", False), ("handed on", True))
    }


# ================================================================================================= what is drawn


def bars(values: dict[str, float], title: str, subtitle: str, axis: str, shown: str = ".2f") -> Any:
    """One horizontal bar for each value, with its number beside it."""
    rows: Rows = [{"what": what, "value": value, "text": format(value, shown)} for what, value in values.items()]
    names = alt.Axis(title=None, labelLimit=300)
    base = alt.Chart(table(rows)).encode(y=alt.Y("what:N", sort=list(values), axis=names))
    x = alt.X(
        "value:Q", title=axis, axis=alt.Axis(tickCount=4), scale=alt.Scale(domainMax=1.2 * max(*values.values(), 0.01))
    )
    numbers = base.mark_text(align="left", dx=6, fontSize=19, color=INK).encode(x=x, text="text:N")
    drawn = base.mark_bar(color=BLUE, height=30).encode(x=x) + numbers
    return drawn.properties(width=330, height=60 * len(rows), title=alt.Title(title, subtitle=subtitle))


def lines(
    drawn: dict[str, Array], colours: dict[str, str], title: tuple[str, str], axes: tuple[str, str], log: bool = False
) -> Any:
    """One line for each name, with a legend."""
    rows: Rows = [
        {"what": what, "x": place, "y": float(value)}
        for what, values in drawn.items()
        for place, value in enumerate(values)
        if not log or value > 1e-12
    ]
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    colour = colour_of("what:N", colours)
    colour.legend = alt.Legend(
        title=None, orient="top", columns=2, labelFontSize=19, labelLimit=320, symbolStrokeWidth=4
    )
    ticks = alt.Axis(format=".0e", tickCount=5) if log else alt.Axis(tickCount=5)
    chart = (
        alt.Chart(table(rows))
        .mark_line(strokeWidth=3)
        .encode(
            x=alt.X("x:Q", title=axes[0], axis=alt.Axis(tickCount=6)),
            y=alt.Y("y:Q", title=axes[1], scale=scale, axis=ticks),
            color=colour,
        )
    )
    return chart.properties(width=520, height=260, title=alt.Title(title[0], subtitle=title[1]))


def draw_overlap() -> Any:
    """The truth and yesterday's value."""
    truth, last = prices()
    both = {"truth": truth[-DAYS:], "yesterday's value": last[-DAYS:]}
    title = ("A forecast that is one day late", "S&P 500, the last 60 days")
    return lines(both, {"truth": INK, "yesterday's value": ORANGE}, title, ("day", "close"))


def draw_price_skill() -> Any:
    """R² twice."""
    found = price_skill()
    values = {"of the price": found["of_price"], "of its change": found["of_change"]}
    return bars(values, "R² of repeating yesterday's price", "S&P 500, test part", "R²", ".3f")


def draw_memory() -> Any:
    """Influence by lag within a window of 50."""
    by_lag = influence()[LSTM_1][:LAG]
    title = ("What a window of 50 leaves of its oldest value", "LSTM as Keras starts it, relative to the newest")
    return lines({"influence": by_lag}, {"influence": GREEN}, title, ("steps back", ""), log=True)


def draw_sizes() -> Any:
    """Weights by units, for three lengths of sequence."""
    values = {f"{units} units, 3 to 500 steps": float(count) for units, (count, _) in sizes().items()}
    return bars(values, "Weights of a layer", "the length of the sequence is nowhere in them", "weights", ",.0f")


def draw_seen_before() -> Any:
    """Shares of test targets known from training."""
    return bars(seen_before(), "Test targets that stand in a training window", "by when the split was made", "share")


def draw_moved_inputs() -> Any:
    """How far training inputs move."""
    values = {f"scaler {name}": value for name, value in moved_inputs().items()}
    return bars(
        values, "The test part changes: training inputs move", "mean distance, in widths of the scaler", "widths"
    )


def draw_counter() -> Any:
    """Cell state and output of a counter."""
    c, h = counter()
    title = ("A unit that counts", "the state grows, the output cannot")
    names = {"cell state c": INK, "output h": COLOURS["output"]}
    return lines({"cell state c": c, "output h": h}, names, title, ("step", ""))


def draw_vanishing() -> Any:
    """Gradient by lag of three LSTMs and the plain RNN."""
    colours = {LSTM_0: ORANGE, LSTM_1: GREEN, LSTM_3: BLUE, RNN_ORTHOGONAL: GREY}
    found = influence()
    title = ("How much of an error comes back", "before training, relative to the newest input")
    return lines({name: found[name] for name in colours}, colours, title, ("steps back", ""), log=True)


def draw_scaled_losses() -> Any:
    """The truth in points, with the error that belongs to the small loss."""
    truth, last = prices()
    title = (
        f"The error behind a loss of {readable(scaled_losses()['scaled'])}",
        "S&P 500: yesterday less today, in points",
    )
    return lines({"error": (last - truth)[-250:]}, {"error": ORANGE}, title, ("day", "points"))


def draw_across_windows() -> Any:
    """How far outputs move."""
    values = {f"state {name}": value for name, value in across_windows().items()}
    return bars(values, "Windows read in another order: outputs move", "share of their size", "share")


# ================================================================================================== the cards


def cards() -> list[Card]:
    """The ten cards, their numbers measured now."""
    look, price, far, known, moved = overlap(), price_skill(), memory(), seen_before(), moved_inputs()
    size, loss, order, (c, h) = sizes(), scaled_losses(), across_windows(), counter()
    back = {name: readable(float(rows[LAG])) for name, rows in influence().items()}
    inside = "contains test values" if shuffled_after() else "contains no test value"
    return [
        Card(
            "overlap",
            "The prediction lies on the truth, so it predicts.",
            f"Yesterday's value lies on the S&P 500 too: its correlation with the truth is {look['with_truth']:.3f}. "
            f"Its *moves* have a correlation of {signed(look['moves_with_truth'])} with the truth's. A forecast that "
            "is one step late looks right wherever steps are small beside the range of the chart. Look at moves, or "
            "draw the forecast one step earlier: if it then fits better, it follows.",
            "The close of the S&P 500 over 60 days and the same line one day later: they nearly cover each other.",
            "gatecast lab modes",
            draw_overlap,
        ),
        Card(
            "r_squared",
            "An R² of 0.99 on a price is skill.",
            f"Repeating yesterday's price has an R² of {price['of_price']:.3f} on the price and of "
            f"{signed(price['of_change'])} on its change. R² compares with always saying the mean of the test part, "
            "which nobody would do with a price. Compare with the last value.",
            "Two bars: R² of repeating yesterday's price is almost 1 on the price and 0 on its change.",
            "gatecast backtest sp500 --models Drift,LastValue",
            draw_price_skill,
        ),
        Card(
            "memory",
            "A window of 50 is a memory of 50.",
            "The window is what the cell is shown, not what it keeps. An untrained LSTM as Keras starts it feels less "
            f"than a tenth of an input {far['a_tenth_at']:.0f} steps back, and {readable(far['left'])} of the oldest "
            "in a window of 50. Training may lengthen that; measure it, and do not read it off the window.",
            "Influence of an input by steps back on a logarithmic axis, falling in an almost straight line.",
            "gatecast lab gradient",
            draw_memory,
        ),
        Card(
            "units",
            "Units are time steps.",
            f"Layers of 8, 32 and 64 units have {size[8][0]:,}, {size[32][0]:,} and {size[64][0]:,} weights, and each "
            f"read sequences of {size[8][1][0]}, {size[8][1][1]} and {size[8][1][2]} steps here without another one. "
            "Units are how many numbers are carried along; the same weights are used at every step.",
            "Three bars: the weights of a layer grow with its units and are the same for 3 to 500 steps.",
            "gatecast run sine --units 8 --context 100 --updates 50",
            draw_sizes,
        ),
        Card(
            "shuffling",
            "Shuffling is leakage.",
            "It depends on when. Windows shuffled before the split: "
            f"{100 * known['shuffled first']:.0f} % of the test's targets stand in a training window. Split in time: "
            f"{100 * known['in time']:.0f} %, and the training part, shuffled afterwards, {inside}. The order in which "
            "training windows are drawn is free.",
            "Two bars: none of the test targets stand in training windows after a split in time, nearly all after "
            "shuffling first.",
            "gatecast lab leak",
            draw_seen_before,
        ),
        Card(
            "scaling",
            "Normalising the whole series is harmless.",
            "Change nothing but the test part, and the training inputs move: by "
            f"{moved['of the whole series']:.2f} widths on average with a scaler of the whole series, by "
            f"{moved['of the training part']:.0f} with one of the training part. How much that flatters a score "
            "differs: on a random walk next to nothing, and the score is no longer one of a forecast either way.",
            "Two bars: with a scaler of the training part nothing moves, with one of the whole series the inputs do.",
            "gatecast lab leak",
            draw_moved_inputs,
        ),
        Card(
            "output",
            "The cell state is the output.",
            f"A unit that adds a half at every step holds {c[-1]:.1f} after 20 steps and shows {h[-1]:.3f}: what it "
            "shows is the tanh of what it holds, through a gate. And h is no forecast either; a read-out turns it "
            "into one.",
            "The cell state rises in a straight line to 10; the output bends and stays below 1.",
            "gatecast run sine --updates 50 --explain",
            draw_counter,
        ),
        Card(
            "vanishing",
            "An LSTM cannot have vanishing gradients.",
            f"Before training, of an error {LAG} steps back, {back[LSTM_0]} comes back with forget bias 0, "
            f"{back[LSTM_1]} with forget bias 1 and {back[LSTM_3]} with forget bias 3; through a plain RNN with "
            f"orthogonal weights {back[RNN_ORTHOGONAL]}. It is the forget gate near 1 that keeps it, not the name.",
            "Gradient by steps back: level with forget bias 3, falling with 1, gone after 30 steps with 0.",
            "gatecast lab gradient --predict lstm",
            draw_vanishing,
        ),
        Card(
            "loss",
            "A low loss means a good forecast.",
            f"Repeating yesterday's price has a mean squared error of {loss['scaled']:.5f} on prices scaled to "
            f"0 to 1. That is {loss['points']:.1f} points a day: the prices span {loss['width']:,.0f} points, and "
            "squaring a small share makes it tiny. A loss means something beside another forecast's on the same data.",
            "Daily errors of repeating yesterday's S&P 500 price over 250 days, often 20 points and up to 100.",
            "gatecast run sp500 --updates 50",
            draw_scaled_losses,
        ),
        Card(
            "windows",
            "The network remembers from one window to the next.",
            "Only if someone hands the state on. Read in another order, windows that each start from zeros give "
            f"outputs that move by {order['from zeros']:.0f}; with the state handed on they move by "
            f"{100 * order['handed on']:.0f} % of their size. gatecast reads a series once and hands the state on, in "
            "forecasts and in streams.",
            "Two bars: outputs do not move when every window starts from zeros, and do when the state is handed on.",
            TWO_WINDOWS,
            draw_across_windows,
        ),
    ]


def page(shown: list[Card]) -> str:
    """The cards as Markdown."""
    parts = [
        "# Ten misconceptions, measured\n",
        "What learners of recurrent networks often believe, and what comes out when it is measured. The numbers and "
        "pictures are made by [`cards.py`](cards.py), and a test holds each claim. Guess before you read on; whether "
        "guessing helps learning was not measured.\n",
    ]
    for number, card in enumerate(shown, start=1):
        parts += [
            f"## {number}. “{card.heard}”\n",
            f"![{card.seen}](cards/{card.key}.png)\n",
            f"{card.so}\n",
            f"```{'python' if 'import' in card.command else 'console'}\n{card.command}\n```\n",
        ]
    return "\n".join(parts)


def main() -> None:
    """Write the page and draw the pictures."""
    PICTURES.mkdir(exist_ok=True)
    shown = cards()
    (HERE / "cards.md").write_text(page(shown), encoding="utf-8")
    for card in shown:
        write_chart(card.chart(), card.key, PICTURES)


if __name__ == "__main__":
    main()
