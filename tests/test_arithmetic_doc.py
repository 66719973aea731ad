"""The page on the arithmetic says what the code does: its tables, and its steps written anew from the page alone."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from gatecast import covariates, modelfile, scaling
from gatecast.config import DIRECT_HORIZON, QUANTILES, NetworkConfig
from gatecast.covariates import Widths
from gatecast.network import Network, export
from gatecast.runtime import OUTPUTS

PAGE = Path(__file__).parents[1] / "docs" / "arithmetic.md"
GOLDEN = Path(__file__).parent / "golden"


def table(head):
    """The rows of the table whose first column is called ``head``, as lists of cells."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


# ------------------------------------------------------------------------------------------- the tables


def test_the_channels_are_those_of_the_code_in_their_order():
    assert [(int(number), name) for number, name, _ in table("channel")] == list(enumerate(scaling.CHANNELS))


def test_the_constants_are_those_of_the_code():
    rows = table("constant")
    assert len(rows) == 11
    for name, value, _ in rows:
        assert float(value) == getattr(covariates if name == "MOST_CATEGORIES" else scaling, name), name
    assert scaling.REACH == DIRECT_HORIZON
    rates = {scaling.change_rate((length,)) for length in (1, 11)}, {scaling.change_rate((n,)) for n in (12, 52)}
    assert rates == ({0.1}, {0.05})
    assert "0.05 if *m₁* ≥ 12" in PAGE.read_text(encoding="utf-8")


def test_the_quantiles_candidates_and_features_are_as_many_as_in_the_code():
    assert [float(value) for _, value in table("quantile")] == list(QUANTILES)
    assert [int(number) for number, *_ in table("candidate")] == list(range(scaling.CANDIDATES))
    assert [int(number) for number, _ in table("feature")] == list(range(scaling.FEATURES))
    assert table("role") == [
        ["past-only", str(scaling.INPUT_CHANNELS), "0"],
        ["known-future", str(scaling.INPUT_CHANNELS), str(scaling.KNOWN_FEATURES)],
        ["static", str(scaling.STATIC_CHANNELS), "0"],
    ]
    text = PAGE.read_text(encoding="utf-8")
    last_step, last_path = OUTPUTS - 1, "₀₁₂₃₄₅₆₇₈₉"[scaling.PATH - 1]
    assert f"Outputs 0–{scaling.CANDIDATES - 1} are the logits" in text
    assert f"Outputs {scaling.CANDIDATES + 1}–{last_step} become steps outward" in text
    assert f"T₀ … T{last_path}" in text


@pytest.mark.parametrize("widths", [Widths(), Widths(2), Widths(1, 3, 5)])
def test_the_arrays_have_the_names_and_shapes_of_the_code(widths):
    units = 7
    arrays = export(Network(NetworkConfig(units=units, layers=2), widths))
    letters = {"D": units, "P": widths.past, "J": widths.known, "G": widths.static, "": 1}

    def size(text):
        terms = [re.fullmatch(r"(\d*) ?([DPJG]?)", term.strip()).groups() for term in text.split("+")]
        return sum(int(number or 1) * letters[letter] for number, letter in terms)

    written = {name: tuple(size(part) for part in shape.split(",")) for name, shape in table("array")}
    assert written == {name: array.shape for name, array in arrays.items()}
    assert f"`{modelfile.WIDENING}`, with one row per step ahead and {len(QUANTILES)} columns" in " ".join(
        PAGE.read_text(encoding="utf-8").split()
    )


def test_the_header_is_as_the_page_says():
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"`gatecast_format` ({modelfile.FORMAT})" in text
    channels, features, candidates = modelfile.EARLIER[1]
    assert modelfile.EARLIER[2] == modelfile.EARLIER[1]
    assert f"know {channels} channels, {features} features and the candidates 0–{candidates - 1};" in text
    channels, features, candidates = modelfile.EARLIER[3]
    assert f"of format 3 know {channels}, {features} and the candidates 0–{candidates - 1}." in text
    assert f"rows of zeros for the channels that are missing, up to {len(scaling.CHANNELS) - 1}, before" in text
    assert f"rows of zeros for the features that are missing, up to {scaling.FEATURES - 1}, before" in text
    assert f"candidates that are missing, up to {scaling.CANDIDATES - 1}: no weights, and −10⁴, which" in text
    assert modelfile.NEVER == -1e4
    described = text[text.index("`columns` is a list of objects") :]
    for name in covariates.Column("x", "past").as_dict():
        assert f"`{name}`" in described
    for role in ("past", "known", "static"):
        assert f"`{role}`" in described


# ------------------------------------------------------------------------------------------- written anew
#
# Plain Python from the page alone: no array, nothing from the package.  It is held to the golden vectors.


class Smooth:
    def __init__(self, rate):
        self.rate, self.v, self.n = rate, 0.0, 0

    def take(self, x):
        if x is not None:
            self.v, self.n = (1 - self.rate) * self.v + self.rate * x, self.n + 1

    @property
    def mean(self):
        return self.v / (1 - (1 - self.rate) ** self.n) if self.n else 0.0


def squash(x, unit):
    return math.asinh(x / unit) if unit else 0.0


def ratio(p, q):
    return max(-7.0, min(7.0, math.log(p / q))) / 3 if p and q else 0.0


def difference(y, t, lag):
    return y[t] - y[t - lag] if t >= lag and y[t] is not None and y[t - lag] is not None else None


def words_by_the_page(words, listed, seen):
    """A column of words as columns of zeros and ones, one for each word found among ``seen``."""
    frequent = sorted((w for w in listed if w in seen), key=lambda w: (-seen.count(w), listed.index(w)))[:32]
    kept = [w for w in listed if w in frequent] or listed[:1]
    return [[None if w is None else float(w == each) for w in words] for each in kept]


def numbers_by_the_page(numbers, seen):
    """A column of numbers, centred and scaled by those observed among ``seen``."""
    seen = [x for x in seen if x is not None]
    centre = sum(seen) / len(seen) if seen else 0.0
    spread = math.sqrt(sum((x - centre) ** 2 for x in seen) / len(seen)) if seen else 1.0
    if seen and spread <= 1e-12 * max(abs(x) for x in seen):
        spread = 1.0
    return [None if x is None else (x - centre) / spread for x in numbers]


def inputs_by_the_page(y, beside, settings):
    """Channels, level, scale, mean and spread of the known-future columns, and what is usual, at every step.

    ``beside`` holds the past-only columns, the known-future ones, and the values of the static ones.
    """
    past, known, static = beside
    seasons = settings["seasons"]
    first, second = seasons[0], seasons[1] if len(seasons) > 1 else None
    running = settings["kind"] == "running"
    rate = 0.05 if first >= 12 else 0.1
    short, long, size, fast, slow = Smooth(rate), Smooth(rate), Smooth(0.1), Smooth(0.3), Smooth(0.02)
    smooth, rise, season_rise, far = Smooth(0.2), Smooth(rate), Smooth(rate), Smooth(rate)
    kappa = dict.fromkeys((first, second))
    phases = {m: [Smooth(0.2) for _ in range(m)] for m in (first, second) if m}
    others = [(x, 0.0, Smooth(0.02), Smooth(0.02)) for x in past]
    others += [(x, 0.1, Smooth(0.02), Smooth(0.02)) for x in known]
    level, count, newest = (0.0 if running else settings["level"]), 0, None
    rows = []
    for t in range(len(y)):
        o, before = y[t] is not None, level
        d0, d1 = difference(y, t, 1), difference(y, t, first)
        d2 = difference(y, t, second) if second else None
        begun = count > 0
        if o:
            count, newest = count + 1, t
        surprises = [0.0, 0.0]
        for place, m in enumerate((first, second)):
            if o and m:
                window = [x for x in y[max(0, t - m + 1) : t + 1] if x is not None]
                kappa[m] = sum(window) / len(window)
                phase = phases[m][t % m]
                surprises[place] = y[t] - kappa[m] - phase.mean if m > 1 and phase.n else 0.0
                phase.take(y[t] - kappa[m])
        smooth.take(y[t])
        rise.take(d0)
        season_rise.take(d1)
        slope = season_rise.mean / first if season_rise.n else rise.mean
        if running:
            level = kappa[first] or 0.0
            for mean, x in ((short, d0), (long, d1), (far, d2), (size, y[t]), (fast, d0), (slow, d0)):
                mean.take(None if x is None else abs(x))
            scale = long.mean if long.n else short.mean
            if far.n and settings.get("nearest"):
                scale = min(scale, far.mean)
            scale = max(scale, 0.002 * size.mean)
            units = [scale] * 3
            rough = [ratio(fast.mean, scale), ratio(slow.mean, scale), ratio(scale, size.mean)]
        else:
            scale, rough = settings["scale"], [0.0] * 3
            units = [settings["change"], *settings["season_changes"], 1.0]
        row = [
            squash(y[t] - level, scale) if o else 0.0,
            squash(level - before, scale) if begun else 0.0,
            *(squash(d or 0.0, unit) for d, unit in zip((d0, d1, d2), units, strict=False)),
            *(r if o else 0.0 for r in rough),
            math.log(1 + min(count, 200)) / 5,
            math.log(1 + (min(t - newest, 256) if newest is not None else 0)) / 5,
            math.log(first) / 4,
            math.log(second or 1) / 4,
            *(float(x) for x in (o, d0 is not None, d1 is not None, d2 is not None)),
            squash(y[t] - smooth.mean, scale) if o else 0.0,
            *(squash(x, unit) for x, unit in zip(surprises, units[1:], strict=False)),
        ]
        moving = []
        for x, floor, mean, spread in others:
            mean.take(x[t])
            spread.take(None if x[t] is None else abs(x[t] - mean.mean))
            d, unit = difference(x, t, 1), max(spread.mean, 1e-9 * abs(mean.mean), floor)
            seen = x[t] is not None
            row += [squash(x[t] - mean.mean, unit) if seen else 0.0, squash(d or 0.0, unit), float(seen)]
            moving.append((mean.mean, unit))
        row += [0.0 if x is None else math.asinh(x) for x in static]
        usual = {m: (kappa[m], [phase.mean for phase in phases[m]]) for m in phases}
        row = [float(np.float32(x)) for x in row]
        rows.append((row, level, scale, moving[len(past) :], (smooth.mean, slope, usual)))
    return rows


def times(x, matrix):
    return [sum(a * row[column] for a, row in zip(x, matrix, strict=True)) for column in range(len(matrix[0]))]


def plus(*lists):
    return [sum(parts) for parts in zip(*lists, strict=True)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def silu(x):
    return [v * sigmoid(v) for v in x]


def states_by_the_page(rows, weights):
    """What the head sees at every step."""
    units = len(weights["head.path_DJ"])
    layers = sum(name.endswith(".input_CK") for name in weights)
    h, c = [[0.0] * units for _ in range(layers)], [[0.0] * units for _ in range(layers)]
    seen = []
    for row, *_ in rows:
        handed = row
        if row[8] > 0:  # the series has begun
            for layer in range(layers):
                part = {name: weights[f"layer.{layer}.{name}"] for name in ("input_CK", "hidden_DK", "bias_K")}
                z = plus(times(handed, part["input_CK"]), times(h[layer], part["hidden_DK"]), part["bias_K"])
                i, f, g, o = (z[gate * units : (gate + 1) * units] for gate in range(4))
                c[layer] = [sigmoid(f[u]) * c[layer][u] + sigmoid(i[u]) * math.tanh(g[u]) for u in range(units)]
                h[layer] = [sigmoid(o[u]) * math.tanh(c[layer][u]) for u in range(units)]
                handed = plus(handed, h[layer]) if layer else h[layer]
            seen.append(handed)
        else:
            seen.append([0.0] * units)
    return seen


def head_by_the_page(y, known, t, k, x, row, seasons, weights):
    """The quantiles of one step ahead, in original units."""
    _, level, scale, moving, (smooth, slope, usual) = row
    first, second = seasons[0], seasons[1] if len(seasons) > 1 else 1
    observed = [v for v in y[: t + 1] if v is not None]
    found = [level, observed[-1] if observed else None]
    for m in (first, second):
        phase = [y[u] for u in range(t + 1) if (t + k - u) % m == 0 and y[u] is not None]
        found.append(phase[-1] if m > 1 and phase else None)
    found.append(smooth if observed else None)
    for m, candidate in ((first, found[2]), (second, found[3])):
        found.append(None if candidate is None else usual[m][0] + usual[m][1][(t + k) % m])
    base = found[1] if found[5] is None else found[5]
    since = next((t - u for u in range(t, -1, -1) if y[u] is not None), 0)
    found.append(None if base is None else base + (k + min(since, 256)) * slope)
    newest = t - since
    for m, candidate in ((first, found[5]), (second, found[6])):
        found.append(None if candidate is None else found[1] + usual[m][1][(t + k) % m] - usual[m][1][newest % m])
    for m, candidate in ((first, found[2]), (second, found[3])):
        before = y[newest - m] if newest >= m else None
        found.append(None if candidate is None or before is None else candidate + y[newest] - before)
    normal = [max(-1000.0, min(1000.0, (v - level) / scale)) if v is not None and scale else 0.0 for v in found]
    turns = [f(2 * math.pi * k / m) if m > 1 else 0.0 for m in (first, second) for f in (math.sin, math.cos)]
    logs = [math.log(first) / 4, math.log(second) / 4]
    there = [float(v is not None) for v in found[1:4]]
    squashed = [math.asinh(v) for v in normal]
    features = [*squashed[1:4], *there, math.log(k) / 4, k / 64, *turns, *logs, *squashed[4:]]
    for column, (mean, unit) in zip(known, moving, strict=True):
        then = column[t + k] if t + k < len(column) else None
        features += [0.0, 0.0] if then is None else [math.asinh(then), squash(then - mean, unit)]
    w = {name.removeprefix("head."): array for name, array in weights.items()}
    e = silu(plus(times(x, w["state_DE"]), times(features, w["question_FE"]), w["bias_E"]))
    out = plus(times(silu(plus(times(e, w["middle_ED"]), w["middle_bias_D"])), w["out_DO"]), w["out_bias_O"])
    powers = [math.exp(out[a]) if found[a] is not None else 0.0 for a in range(12)]
    mixture = sum(p * v for p, v in zip(powers, normal, strict=True)) / sum(powers)
    angle = math.acos(2 * k / 64 - 1)
    path = plus(times(x, w["path_DJ"]), w["path_bias_J"])
    median = mixture + sum(p * math.cos(j * angle) for j, p in enumerate(path)) + out[12]
    outward = [math.log1p(math.exp(v)) for v in out]
    below = [median - sum(outward[n:19]) for n in range(13, 19)]
    above = [median + sum(outward[19 : n + 1]) for n in range(19, 25)]
    return [level + scale * q for q in (*below, median, *above)]


def brought_up_by_the_page(weights, version):
    """The weights of an earlier format as those of format 4."""
    channels, features, last = (19, 18, 8) if version == "v3" else (16, 14, 4)
    new = dict(weights)
    for name, at, count in (
        ("layer.0.input_CK", channels, 19 - channels),
        ("head.question_FE", features, 22 - features),
    ):
        rows = weights[name]
        new[name] = rows[:at] + [[0.0] * len(rows[0])] * count + rows[at:]
    more, bias = 12 - last, weights["head.out_bias_O"]
    new["head.out_DO"] = [row[:last] + [0.0] * more + row[last:] for row in weights["head.out_DO"]]
    new["head.out_bias_O"] = bias[:last] + [-1e4] * more + bias[last:]
    return new


def forecast_by_the_page(y, beside, settings, weights, widening, direct, horizon):
    steps = len(y)
    hidden = [None] * ((horizon - 1) // direct * direct)
    past, known, static = beside
    y, past = y + hidden, [x[:steps] + hidden for x in past]
    rows = inputs_by_the_page(y, (past, known, static), settings)
    seen = states_by_the_page(rows, weights)
    made = []
    for k in range(1, horizon + 1):
        t = steps - 1 + (k - 1) // direct * direct
        made.append(head_by_the_page(y, known, t, (k - 1) % direct + 1, seen[t], rows[t], settings["seasons"], weights))
    away = [
        [abs(q - row[6]) * widening[min(k, len(widening) - 1)][place] for place, q in enumerate(row)]
        for k, row in enumerate(made)
    ]
    for k, row in enumerate(away):
        for place in (4, 3, 2, 1, 0):
            row[place] = max(row[place], row[place + 1])
        for place in (8, 9, 10, 11, 12):
            row[place] = max(row[place], row[place - 1])
        if k >= direct:
            row[:] = [max(pair) for pair in zip(row, away[k - 1], strict=True)]
    return [
        [row[6] + (-1 if place < 6 else 1) * a for place, a in enumerate(far)]
        for row, far in zip(made, away, strict=True)
    ]


@pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4"])
@pytest.mark.parametrize("name", ["running", "running_no_season", "fixed"])
def test_the_page_alone_gives_the_golden_forecasts(version, name):
    with safe_open(GOLDEN / f"{version}.safetensors", framework="numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a dict)
        settings = json.loads(file.metadata()[name])
    weights = {key.removeprefix("weights."): a.tolist() for key, a in arrays.items() if key.startswith("weights.")}
    if version != "v4":
        weights = brought_up_by_the_page(weights, version)

    def plain(values):
        return [float(v) if np.isfinite(v) else None for v in values]

    for row in range(2):
        y, past = plain(arrays["values_BT"][row]), arrays["further_PBT" if version == "v1" else "past_PBT"][:, row]
        known, static = (arrays.get(key, np.zeros((0, 2))) for key in ("known_JBT", "static_GB"))
        beside = ([plain(x) for x in past], [plain(x) for x in known[:, row]], plain(static[:, row]))
        rows = inputs_by_the_page(y, beside, settings)
        # the first value of a past-only column less its mean is nothing but rounding, in units of 1e-9 of it
        inputs_TC = np.array([r[0] for r in rows])
        if version in ("v1", "v2"):
            inputs_TC = np.delete(inputs_TC, slice(16, 19), axis=1)
        np.testing.assert_allclose(inputs_TC, arrays[f"{name}.inputs_BTC"][row], rtol=1.2e-7, atol=2e-6)
        np.testing.assert_allclose([r[1] for r in rows], arrays[f"{name}.level_BT"][row], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose([r[2] for r in rows], arrays[f"{name}.scale_BT"][row], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(states_by_the_page(rows, weights), arrays[f"{name}.h_BTD"][row], atol=1e-6)
        made = forecast_by_the_page(y, beside, settings, weights, arrays["widening_KQ"].tolist(), 8, 20)
        expected = arrays[f"{name}.forecast_SHQ"][row]
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_the_page_alone_encodes_columns_as_the_code_does():
    rng = np.random.default_rng(0)
    labels = [f"word {place}" for place in rng.permutation(40)]
    codes = rng.choice([*range(38), 5, 5, 7, np.nan], 400)
    column = covariates.learn_column("x", "known", codes[:300], labels)
    words = [None if np.isnan(code) else labels[int(code)] for code in codes]
    made = covariates.encode(column, codes, labels)
    expected = words_by_the_page(words, labels, words[:300])
    assert len(made) == len(expected) == covariates.MOST_CATEGORIES
    np.testing.assert_array_equal(made, np.array(expected, float))
    numbers = np.where(rng.random(200) < 0.1, np.nan, 50 + 3 * rng.normal(size=200))
    constant, nothing = np.full(200, 0.1), np.full(200, np.nan)
    for values in (numbers, constant, nothing):
        told = [None if np.isnan(value) else float(value) for value in values]
        for role in ("known", "static"):
            made = covariates.encode(covariates.learn_column("x", role, values[:150]), values)[0]
            expected = np.array(numbers_by_the_page(told, told[:150]), float)
            np.testing.assert_allclose(made, expected, rtol=1e-9, atol=1e-9)
        past = covariates.encode(covariates.learn_column("x", "past", values[:150]), values)[0]
        np.testing.assert_array_equal(past, values)
