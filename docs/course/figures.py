"""Draws every figure of part1.md from real computations, and prints every number its text quotes.

Run it as ``python docs/course/figures.py``; it takes a few seconds and always gives the same pictures and numbers.  The
LSTM is the hand-written one in ``gatecast.cell``; gradients are measured as in the lab (``gatecast lab gradient``).

Key: B batch, T step, C input channels, D hidden units, K the four gates' 4·D.
"""

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import vl_convert

from gatecast.cell import Array, LayerWeights, State, lstm_forward, lstm_step, sigmoid
from gatecast.lab_gradient import (
    BATCH,
    LSTM_0,
    LSTM_1,
    LSTM_3,
    RNN_ORTHOGONAL,
    RNN_UNIFORM,
    STEPS,
    UNITS,
    gradients_by_lag,
    lstm_gradient_by_lag,
    question,
    rnn_gradient_by_lag,
    start_as_keras,
    uniform,
)
from gatecast.lab_results import readable
from gatecast.variants import orthogonal

__all__ = ["question", "rnn_gradient_by_lag"]  # a test of the course looks for them here

FIGURES = Path(__file__).parent / "figures"

# ============================================================================================== what is measured

SEEDS = 10


def typical(rows: Array) -> Array:
    """The geometric mean over seeds, which are rows."""
    return np.asarray(np.exp(np.log(rows).mean(axis=0)))


def start_as_pytorch(rng: np.random.Generator, forget_bias: float) -> LayerWeights:
    """An LSTM with PyTorch's small uniform weights; biases zero but the forget gate's."""
    limit = 1 / np.sqrt(UNITS)
    bias_K = np.repeat([0, forget_bias, 0, 0], UNITS).astype(float)
    return LayerWeights(uniform(rng, limit, 1, 4 * UNITS), uniform(rng, limit, UNITS, 4 * UNITS), bias_K)


def start_gate_by_gate(rng: np.random.Generator, forget_bias: float) -> LayerWeights:
    """As Keras starts it, except that each gate gets an orthogonal (D, D) matrix of its own: twice the size."""
    blocks = [orthogonal(rng, UNITS, UNITS) for _ in range(4)]
    return start_as_keras(rng, forget_bias)._replace(hidden_DK=np.concatenate(blocks, axis=1))


def lstm_over_seeds(start: Callable[[np.random.Generator], LayerWeights], seeds: int = SEEDS) -> Array:
    """`typical` gradient by lag of an LSTM started by ``start``."""
    generators = [np.random.default_rng(seed) for seed in range(seeds)]
    return typical(np.stack([lstm_gradient_by_lag(rng, start(rng)) for rng in generators]))


def wiped(forget_bias: float, seeds: int = SEEDS) -> dict[str, Array]:
    """Set h or c to zero once, read on, and compare the output with that of the undisturbed run, step by step.

    The distance is relative to the size of the undisturbed output; the mean over seeds.
    """
    distances: dict[str, list[Array]] = {"h": [], "c": []}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        weights = start_as_keras(rng, forget_bias)
        x_BTC = rng.normal(size=(BATCH, 2 * STEPS, 1))
        _, [state], _ = lstm_forward(x_BTC[:, :STEPS], [weights])
        undisturbed, _, _ = lstm_forward(x_BTC[:, STEPS:], [weights], [state])
        size = np.sqrt((undisturbed**2).mean(axis=(0, 2)))
        without_h = State(np.zeros_like(state.h_BD), state.c_BD)
        without_c = State(state.h_BD, np.zeros_like(state.c_BD))
        for name, damaged in (("h", without_h), ("c", without_c)):
            output, _, _ = lstm_forward(x_BTC[:, STEPS:], [weights], [damaged])
            distances[name].append(np.sqrt(((output - undisturbed) ** 2).mean(axis=(0, 2))) / size)
    return {name: np.mean(rows, axis=0) for name, rows in distances.items()}


# The till: one unit whose weights are set by hand so that its account counts coins.
COIN = 0.02  # so small that tanh is still almost a straight line
COINS = {1: 3, 3: 2, 4: 5, 6: 4, 10: 3, 12: 2, 16: 2, 18: 6, 19: 4, 21: 1}
NOT_OURS = (4, 18)  # coins that must not be counted
FORGET = {8: 0.5, 14: 1.0}  # how much of the account is to be forgotten
ASKED = (7, 13, 22)  # steps at which the till is read
TILL_STEPS = 24


def till() -> tuple[Array, LayerWeights]:
    """The sequence (1, T, 4) of coins, "count it", "forget" and "show"; and weights that do as they are told."""
    x_BTC = np.zeros((1, TILL_STEPS, 4))
    for step, coins in COINS.items():
        x_BTC[0, step - 1, :2] = coins, step not in NOT_OURS
    for step, share in FORGET.items():
        x_BTC[0, step - 1, 2] = share
    for step in ASKED:
        x_BTC[0, step - 1, 3] = 1
    input_CK = np.array(
        [  # input, forget, candidate, output
            [0, 0, COIN, 0],  # coins: offered as candidate
            [16, 0, 0, 0],  # count it: opens the input gate
            [0, -16, 0, 0],  # forget: closes the forget gate
            [0, 0, 0, 16],  # show: opens the output gate
        ],
        float,
    )
    return x_BTC, LayerWeights(input_CK, np.zeros((1, 4)), np.array([-8.0, 8.0, 0.0, -8.0]))


def one_step() -> dict[str, Array]:
    """One step of four units in full: weights drawn at random, the seed picked because its units act differently."""
    rng = np.random.default_rng(190)
    weights = LayerWeights(rng.normal(size=(1, 16)), rng.normal(size=(4, 16)), rng.normal(size=16))
    x_BTC = np.sin(0.6 * np.arange(8))[None, :, None]
    _, [before], _ = lstm_forward(x_BTC[:, :-1], [weights])
    after, gates = lstm_step(x_BTC[:, -1], before, weights)
    return {"before": before.c_BD[0], "c": after.c_BD[0], "h": after.h_BD[0]} | {
        name: gate[0] for name, gate in gates._asdict().items()
    }


def signed(value: float) -> str:
    """Two decimals and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def in_brackets(value: float) -> str:
    """The same, a negative factor in brackets."""
    return f"({signed(value)})" if value < 0 else signed(value)


def row(*cells: Any) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def gradient_rows() -> list[str]:
    """Gradient 10, 50 and 99 steps back: the cells of the figure, then other starts of the LSTM."""
    measured = {name: typical(rows) for name, rows in gradients_by_lag(SEEDS).items()}
    measured["LSTM, forget gate held at 1"] = lstm_over_seeds(lambda rng: start_as_keras(rng, forget_bias=50))
    for bias in (0, 1, 3):
        name = f"LSTM as PyTorch starts it, forget bias {bias}"
        measured[name] = lstm_over_seeds(lambda rng, bias=bias: start_as_pytorch(rng, bias))
    measured["LSTM, forget bias 1, a full matrix for each gate"] = lstm_over_seeds(
        lambda rng: start_gate_by_gate(rng, 1)
    )
    measured["LSTM, forget bias 1, recurrent weights × 4"] = lstm_over_seeds(
        lambda rng: start_as_keras(rng, 1, larger=4)
    )
    return [row(name, *(readable(gradient[lag]) for lag in (10, 50, 99))) for name, gradient in measured.items()]


def gate_rows() -> list[str]:
    """What a forget bias alone does to the gate, and to 50 gates in a row."""
    gates = {bias: float(sigmoid(np.array(float(bias)))) for bias in (0, 1, 3, 5)}
    return [row(bias, f"{gate:.3f}", readable(gate**50)) for bias, gate in gates.items()]


def size_rows() -> list[str]:
    """How many weights a layer has."""
    lstm = sum(array.size for array in start_as_keras(np.random.default_rng(0), 1))
    return [row("plain RNN", f"{UNITS * (1 + UNITS + 1):,}"), row("LSTM", f"{lstm:,}")]


def wiped_rows() -> list[str]:
    """How far the output is off after one state was wiped."""
    return [
        row(name, bias, *(f"{distance[step - 1]:.0%}" for step in (1, 10, 50)))
        for bias in (1, 3)
        for name, distance in wiped(bias).items()
    ]


def till_rows() -> list[str]:
    """The till's account and reading beside the sum done by hand."""
    x_BTC, weights = till()
    _, _, [trace] = lstm_forward(x_BTC, [weights])
    by_hand, rows = 0.0, []
    for step in range(1, TILL_STEPS + 1):
        by_hand = (1 - FORGET.get(step, 0.0)) * by_hand + (COINS.get(step, 0) if step not in NOT_OURS else 0)
        if step in ASKED:
            account, reading = trace.c_BTD[0, step - 1, 0] / COIN, trace.h_BTD[0, step - 1, 0] / COIN
            rows.append(row(step, f"{by_hand:g}", signed(account), signed(reading)))
    return rows


def step_rows() -> list[str]:
    """The update of four cells, and what they show, with all numbers."""
    step, rows = one_step(), []
    for unit in range(4):
        at = {name: in_brackets(values[unit]) for name, values in step.items()}
        update = f"{at['forget']} · {at['before']} + {at['input']} · {at['candidate']} = {signed(step['c'][unit])}"
        shown = f"{at['output']} · tanh({signed(step['c'][unit])}) = {signed(step['h'][unit])}"
        rows.append(row(unit + 1, update, shown))
    return rows


def quoted() -> dict[str, list[str]]:
    """Every table of measured numbers in part1.md, row by row as it stands there; a test looks for each row."""
    return {
        "gradient 10, 50 and 99 steps back": gradient_rows(),
        "forget bias, gate, gate to the power of 50": gate_rows(),
        f"weights of a layer with 1 channel and {UNITS} units": size_rows(),
        "wiped state, forget bias, output off 1, 10 and 50 steps on": wiped_rows(),
        "step, coins by hand, account, reading": till_rows(),
        "unit, update, shown": step_rows(),
    }


# ================================================================================================= what is drawn

# Colours that people with colour-blindness can tell apart (after Okabe and Ito); one for each gate in every picture.
COLOURS = {"forget": "#d55e00", "input": "#0072b2", "candidate": "#00805c", "output": "#a8408a"}
INK, GREY, PALE = "#222222", "#6b6b6b", "#e2e2e2"
WIDTH = 640  # narrow pictures with large type: at half this width, on a phone, they must still be readable
LARGE, NORMAL = 21, 19
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
Rows = list[dict[str, Any]]


def write(png: bytes, name: str, folder: Path = FIGURES) -> None:
    """Write a PNG, its pixels packed again as tightly as zlib can: a third of the size."""
    packed, pixels, place = png[:8], b"", 8
    while place < len(png):
        size, kind = struct.unpack(">I4s", png[place : place + 8])
        chunk = png[place : place + 12 + size]
        place += len(chunk)
        if kind == b"IDAT":
            pixels += chunk[8:-4]
            continue
        if kind == b"IEND":
            body = b"IDAT" + zlib.compress(zlib.decompress(pixels), 9)
            packed += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        packed += chunk
    (folder / f"{name}.png").write_bytes(packed)


def write_chart(chart: Any, name: str, folder: Path = FIGURES) -> None:
    """Write an Altair chart in the course's looks."""
    axis = {"labelFontSize": NORMAL, "titleFontSize": NORMAL, "titleFontWeight": "normal", "titlePadding": 8}
    colours = {"labelColor": INK, "titleColor": INK, "gridColor": PALE, "domainColor": GREY, "tickColor": GREY}
    title = {"fontSize": LARGE, "subtitleFontSize": NORMAL, "subtitleColor": GREY, "subtitlePadding": 6}
    looks = (
        chart.configure(background="white", font=FONT, padding=10)
        .configure_axis(**axis, **colours)
        .configure_view(stroke=None)
        .configure_title(anchor="start", frame="bounds", color=INK, offset=14, **title)
    )
    picture = io.BytesIO()
    looks.save(picture, format="png", scale_factor=2)
    write(picture.getvalue(), name, folder)


def words(text: str, x: float, y: float, colour: str = INK, align: str = "left") -> alt.Chart:
    """A bold label at a place in the plot's own units."""
    label = alt.Chart(table([{"x": x, "y": y, "text": text}]))
    return label.mark_text(align=align, color=colour, fontSize=NORMAL, fontWeight="bold").encode(
        x="x:Q", y="y:Q", text="text:N"
    )


def table(rows: Rows) -> alt.Data:
    """Rows for a chart, without a data frame."""
    return alt.Data(values=rows)


def colour_of(field: str, colours: dict[Any, str]) -> alt.Color:
    """One colour per name, no legend: every line carries its label."""
    return alt.Color(field, scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=None)


def draw_gradient() -> None:
    """Question 1: the gradient by lag, one line per cell, the range over the seeds behind it."""
    floor, ceiling = 1e-12, 1e3
    colours = {
        RNN_ORTHOGONAL: INK,
        RNN_UNIFORM: GREY,
        LSTM_0: COLOURS["forget"],
        LSTM_1: COLOURS["candidate"],
        LSTM_3: COLOURS["input"],
    }
    rows: Rows = []
    for cell, seeds in gradients_by_lag(SEEDS).items():
        middle, low, high = typical(seeds), seeds.min(axis=0), seeds.max(axis=0)
        for lag in np.flatnonzero(high > floor).tolist():
            rows.append({"cell": cell, "lag": lag, "low": low[lag], "gradient": middle[lag], "high": high[lag]})
    powers = {-12: "10⁻¹²", -9: "10⁻⁹", -6: "10⁻⁶", -3: "10⁻³", 0: "1", 3: "1000"}
    axis = alt.Axis(
        values=[10.0**power for power in powers],
        labelExpr=f"({json.dumps(powers, ensure_ascii=False)})[round(log(datum.value) / LN10)]",
        labelFont="DejaVu Sans",
        title=None,
    )
    scale = alt.Scale(type="log", domain=[floor, ceiling])
    base = alt.Chart(table(rows)).encode(
        x=alt.X("lag:Q", title="steps back", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(tickCount=5)),
        color=colour_of("cell:N", colours),
    )
    bands = base.mark_area(opacity=0.15, clip=True).encode(y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q")
    lines = base.mark_line(strokeWidth=3, clip=True).encode(y=alt.Y("gradient:Q", scale=scale, axis=axis))
    places = [(LSTM_3, 98, 150, "right"), (RNN_ORTHOGONAL, 98, 0.03, "right"), (LSTM_1, 66, 1e-6, "right")]
    places += [(LSTM_0, 58, 3e-10, "left"), (RNN_UNIFORM, 2, 1e-10, "left")]
    labels = [words(cell, x, y, colours[cell], align) for cell, x, y, align in places]
    title = alt.Title(
        "How strongly the last output feels an older input",
        subtitle=f"relative to the newest input, before any training; {SEEDS} seeds",
    )
    write_chart(alt.layer(bands, lines, *labels).properties(width=535, height=400, title=title), "gradient")


def draw_wiped() -> None:
    """Question 3a: what is lost when h or c is set to zero."""
    colours = {"c": INK, "h": COLOURS["output"]}
    rows: Rows = []
    for bias in (1, 3):
        for name, distance in wiped(bias).items():
            rows += [{"steps": n + 1, "off": distance[n], "wiped": name, "bias": bias} for n in range(50)]
    dashes = alt.Scale(domain=[3, 1], range=[[1, 0], [8, 5]])
    ticks = alt.Axis(values=[1, 10, 20, 30, 40, 50])
    lines = (
        alt.Chart(table(rows))
        .mark_line(strokeWidth=3)
        .encode(
            x=alt.X("steps:Q", title="steps after the wipe", scale=alt.Scale(domain=[0, 50]), axis=ticks),
            y=alt.Y("off:Q", title=None, axis=alt.Axis(format="%", values=[0, 0.5, 1]), scale=alt.Scale(domain=[0, 1])),
            color=colour_of("wiped:N", colours),
            strokeDash=alt.StrokeDash("bias:N", scale=dashes, legend=None),
        )
    )
    labels = [
        words("c wiped, forget bias 3", 49, 0.70, INK, "right"),
        words("c wiped, forget bias 1", 7.5, 0.34, INK),
        words("h wiped, either bias", 49, 0.10, COLOURS["output"], "right"),
    ]
    title = alt.Title(
        "How far the output strays once a state is wiped",
        subtitle="distance from the undisturbed run, as a share of its size",
    )
    write_chart(alt.layer(lines, *labels).properties(width=540, height=300, title=title), "wiped")


def draw_account() -> None:
    """Question 3b: the till's gates and its account."""
    x_BTC, weights = till()
    _, _, [trace] = lstm_forward(x_BTC, [weights])
    account, reading = trace.c_BTD[0, :, 0] / COIN, trace.h_BTD[0, :, 0] / COIN
    edges = [step + 0.5 for step in range(TILL_STEPS + 1)]  # a step reaches from half before to half after its number

    def held(values: Array) -> alt.Data:
        return table([{"step": e, "value": v} for e, v in zip(edges, [*values, values[-1]], strict=True)])

    def place(top: float, marked: list[float], field: str = "value:Q", last: bool = False) -> dict[str, Any]:
        axis = alt.Axis(values=[1, 6, 12, 18, 24], grid=False, labels=last, ticks=last, title="step" if last else None)
        return {
            "x": alt.X("step:Q", scale=alt.Scale(domain=[0.5, TILL_STEPS + 0.5], nice=False, padding=0), axis=axis),
            "y": alt.Y(
                field,
                scale=alt.Scale(domain=[0, top]),
                axis=alt.Axis(values=marked, format="d", title=None, minExtent=30),
            ),
        }

    def panel(chart: Any, height: float, title: str, colour: str = INK) -> Any:
        heading = alt.Title(title, fontSize=NORMAL, color=colour, offset=6, frame="group")
        return chart.properties(width=575, height=height, title=heading)

    coins: Rows = [{"step": s, "value": n, "counted": s not in NOT_OURS} for s, n in COINS.items()]
    bars = alt.Chart(table(coins)).mark_bar(width=15, stroke=COLOURS["candidate"], strokeWidth=2)
    colours = {True: COLOURS["candidate"], False: "white"}
    bars = bars.encode(**place(6, [0, 3, 6]), color=colour_of("counted:N", colours))
    panels = [panel(bars, 80, "candidate: the coins (white: not ours)", COLOURS["candidate"])]
    meanings = {"input": "write?", "forget": "keep?", "output": "show?"}
    for gate, meaning in meanings.items():
        look = {"color": COLOURS[gate], "line": {"color": COLOURS[gate], "strokeWidth": 3}}
        area = alt.Chart(held(getattr(trace, gate)[0, :, 0])).mark_area(interpolate="step-after", opacity=0.25, **look)
        panels.append(panel(area.encode(**place(1, [0, 1])), 50, f"{gate} gate: {meaning}", COLOURS[gate]))
    line = alt.Chart(held(account)).mark_line(interpolate="step-after", color=INK, strokeWidth=3)
    shown = alt.Chart(table([{"step": s, "h": reading[s - 1]} for s in ASKED]))
    layers = [
        shown.mark_bar(width=15, color=COLOURS["output"]).encode(**place(12, [0, 5, 10], "h:Q", last=True)),
        line.encode(**place(12, [0, 5, 10], last=True)),
        *(words(f"{reading[s - 1]:.1f}", s, account[s - 1] + 1.4, COLOURS["output"], "center") for s in ASKED),
        words("half kept", 8, 2.8, COLOURS["forget"]),
        words("none kept", 14, 4.2, COLOURS["forget"]),
    ]
    panels.append(panel(alt.layer(*layers), 170, "cell state c, in coins (purple: h when asked)"))
    write_chart(alt.vconcat(*panels, spacing=16), "account")


# ---- drawings made of plain SVG


def svg_text(x: float, y: float, text: str, colour: str = INK, anchor: str = "start", **more: Any) -> str:
    """A line of text; ``text`` may hold tspans."""
    look = {"font-size": NORMAL, "fill": colour, "text-anchor": anchor, "xml:space": "preserve"} | {
        key.replace("_", "-"): value for key, value in more.items()
    }
    return f'<text x="{x}" y="{y}" {attributes(look)}>{text}</text>'


def bold(text: str, colour: str) -> str:
    """A coloured piece of a line of text."""
    return f'<tspan fill="{colour}" font-weight="bold">{text}</tspan>'


def attributes(look: dict[str, Any]) -> str:
    """SVG attributes from a dictionary."""
    return " ".join(f'{key}="{value}"' for key, value in look.items())


def path(points: list[tuple[float, float]], colour: str = GREY, width: float = 3, head: bool = False) -> str:
    """Straight lines through the points, with an arrow head at the end if wanted."""
    (x0, y0), (x1, y1) = points[-2:]
    length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-9)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    size = min(3.2 * width, length) if head else 0.0
    *start, _ = points
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*start, (x1 - ux * size * 0.9, y1 - uy * size * 0.9)])
    drawn = f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
    if head:
        corners = [(x1, y1)] + [
            (x1 - ux * size + side * uy * size * 0.5, y1 - uy * size - side * ux * size * 0.5) for side in (1, -1)
        ]
        drawn += f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}" fill="{colour}"/>'
    return drawn


def circle(x: float, y: float, radius: float, fill: str, stroke: str, sign: str = "") -> str:
    """A ring, a disc, or a circled sign."""
    drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{stroke}" stroke-width="3"/>'
    return drawn + (svg_text(x, y + 8, sign, stroke, "middle", font_size=24, font_weight="bold") if sign else "")


def box(x: float, y: float, width: float, name: str, colour: str, below: str = "") -> str:
    """A layer of the network: a rectangle centred on x, its top at y, with its name and its squashing function."""
    drawn = f'<rect x="{x - width / 2}" y="{y}" width="{width}" height="58" rx="8" fill="{colour}"/>'
    drawn += svg_text(x, y + 25, name, "white", "middle", font_weight="bold")
    return drawn + svg_text(x, y + 48, below, "white", "middle", font_size=17)


def write_svg(parts: list[str], height: float, name: str) -> None:
    """Write a drawing as PNG."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="{FONT}">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    write(vl_convert.svg_to_png(head + ground + "".join(parts) + "</svg>", scale=2), name)


def draw_modules() -> None:
    """Question 2: what is repeated at every step, in a plain RNN and in an LSTM."""
    heading = {"font_size": LARGE, "font_weight": "bold"}
    plain = [
        svg_text(16, 32, "Plain RNN: one layer rewrites all that is carried", **heading),
        path([(20, 80), (306, 80), (306, 128)], INK, 5, head=True),
        path([(382, 156), (450, 156), (450, 80), (620, 80)], INK, 5, head=True),
        path([(20, 156), (248, 156)], GREY, 3, head=True),
        box(316, 128, 132, "rewrite", INK, "tanh"),
        svg_text(20, 70, "last h"),
        svg_text(20, 146, "x"),
        svg_text(616, 70, "h", anchor="end"),
    ]
    lane, meet, boxes, bus = 316, 404, 466, 566  # the heights at which things lie in the lower drawing
    centres = {"forget": 84, "input": 226, "candidate": 368, "output": 526}
    written = (centres["input"] + centres["candidate"]) / 2
    forget, output = centres["forget"], centres["output"]
    lstm = [
        svg_text(16, 256, "LSTM: four layers, and a road past all of them", **heading),
        path([(20, lane), (620, lane)], INK, 7, head=True),
        svg_text(20, lane - 26, "last c"),
        svg_text((forget + written) / 2, lane - 26, "kept", anchor="middle"),
        svg_text(616, lane - 26, "c", anchor="end"),
        svg_text(written + 14, lane + 50, "written"),
        path([(forget, boxes), (forget, lane + 18)], COLOURS["forget"], 4, head=True),
        path(
            [(centres["input"], boxes), (centres["input"], meet), (written - 18, meet)], COLOURS["input"], 4, head=True
        ),
        path(
            [(centres["candidate"], boxes), (centres["candidate"], meet), (written + 18, meet)],
            COLOURS["candidate"],
            4,
            head=True,
        ),
        path([(written, meet), (written, lane + 18)], INK, 4, head=True),
        path([(output, lane), (output, meet - 18)], INK, 4, head=True),
        svg_text(output - 12, lane + 46, "tanh", anchor="end"),
        path([(output, boxes), (output, meet + 18)], COLOURS["output"], 4, head=True),
        path([(output, meet), (620, meet)], INK, 5, head=True),
        svg_text(616, meet - 12, "h", anchor="end"),
        circle(forget, lane, 17, "white", COLOURS["forget"], "×"),
        circle(written, lane, 17, "white", INK, "+"),
        circle(written, meet, 17, "white", INK, "×"),
        circle(output, meet, 17, "white", COLOURS["output"], "×"),
        path([(20, bus), (output, bus)], GREY),
        svg_text(20, bus + 28, "last h and x, read by all four"),
    ]
    for name, centre in centres.items():
        lstm.append(path([(centre, bus), (centre, boxes + 60)], GREY, 3, head=True))
        lstm.append(box(centre, boxes, 128, name, COLOURS[name], "tanh" if name == "candidate" else "sigmoid"))
    write_svg([*plain, *lstm], 612, "modules")


def rail(y: float) -> str:
    """A number line from -1 to 1."""
    drawn = path([(at(-1), y), (at(1), y)], PALE, 3)
    for value in (-1, -0.5, 0, 0.5, 1):
        drawn += path([(at(value), y - 7), (at(value), y + 7)], PALE, 3)
    return drawn


def at(value: float) -> float:
    """Where a value lies on the number line."""
    return 320 + 290 * value


def numbers_below(y: float) -> str:
    """The number line's labels."""
    return "".join(svg_text(at(v), y, f"{v:g}".replace("-", "−"), GREY, "middle") for v in (-1, -0.5, 0, 0.5, 1))


def draw_update() -> None:
    """Question 4a: four cells before and after one step."""
    step = one_step()
    forget, write_, new_ = COLOURS["forget"], COLOURS["input"], COLOURS["candidate"]
    stories = ("keeps and adds", "keeps and adds on the other side", "is almost cancelled", "forgets and starts anew")
    parts = [
        svg_text(16, 32, "One update of four cells", font_size=LARGE, font_weight="bold"),
        svg_text(
            16, 60, f"{bold('forget', forget)} × old c + {bold('input', write_)} × {bold('candidate', new_)} = new c"
        ),
    ]
    for unit, story in enumerate(stories):
        old, new = float(step["before"][unit]), float(step["c"][unit])
        kept = float(step["forget"][unit]) * old
        y = 100 + 118 * unit
        gates = {name: signed(step[name][unit]) for name in ("forget", "input", "candidate")}
        sum_ = f"{bold(gates['forget'], forget)} × {in_brackets(old)} + {bold(gates['input'], write_)} × "
        sum_ += f"{bold(in_brackets(step['candidate'][unit]), new_)} = {signed(new)}"
        parts += [
            svg_text(16, y, f"Unit {unit + 1} {story}", font_weight="bold"),
            svg_text(16, y + 26, sum_),
            rail(y + 62),
            path([(at(old), y + 45), (at(kept), y + 45)], forget, 6, head=True),
            path([(at(kept), y + 79), (at(new), y + 79)], write_, 6, head=True),
            circle(at(old), y + 62, 9, "white", INK),
            circle(at(new), y + 62, 9, INK, INK),
        ]
    parts += [numbers_below(558), svg_text(320, 586, "ring: old c; disc: new c", anchor="middle")]
    write_svg(parts, 600, "update")


def draw_output() -> None:
    """Question 4b: from the new cell to what is shown."""
    step = one_step()
    gate_colour = COLOURS["output"]
    parts = [
        svg_text(16, 32, "What the same four cells show", font_size=LARGE, font_weight="bold"),
        svg_text(16, 60, f"{bold('output', gate_colour)} × tanh(c) = h"),
    ]
    for unit in range(4):
        c, h = float(step["c"][unit]), float(step["h"][unit])
        squashed = float(np.tanh(c))
        y = 100 + 92 * unit
        gate = bold(signed(step["output"][unit]), gate_colour)
        sum_ = f"{gate} × tanh({signed(c)}) = {gate} × {in_brackets(squashed)} = {signed(h)}"
        parts += [
            svg_text(16, y, f"{bold(f'Unit {unit + 1}', INK)}   {sum_}"),
            rail(y + 36),
            path([(at(c), y + 20), (at(squashed), y + 20)], GREY, 6, head=True),
            path([(at(squashed), y + 52), (at(h), y + 52)], gate_colour, 6, head=True),
            circle(at(c), y + 36, 9, INK, INK),
            circle(at(h), y + 36, 9, gate_colour, gate_colour),
        ]
    parts += [
        numbers_below(452),
        svg_text(320, 480, f"black: c; grey: tanh; {bold('purple: h', gate_colour)}", anchor="middle"),
    ]
    write_svg(parts, 496, "output")


def main() -> None:
    """Print the numbers, draw the figures."""
    for title, rows in quoted().items():
        print(title, *rows, sep="\n", end="\n\n")
    FIGURES.mkdir(exist_ok=True)
    for draw in (draw_gradient, draw_modules, draw_wiped, draw_account, draw_update, draw_output):
        draw()


if __name__ == "__main__":
    main()
