"""The page Inside computes in a real browser what the NumPy cell and torch compute, and answers when it is acted on."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from gatecast.config import MEDIAN, QUANTILES, NetworkConfig
from gatecast.covariates import widths_of
from gatecast.inside import NAME, PLAIN, SHOWN, Checkpoint, OpenNetwork, inside_of
from gatecast.network import Network, restore
from gatecast.panel import panel_from_frame
from gatecast.predictor import as_arrays, full_sequence, predict_many
from gatecast.report import inside_page, write_inside
from gatecast.runtime import weights_to_arrays
from gatecast.tracing import GATES, Mute, Pin, arrays_of, trace
from helpers_inside import Case, cases, random_model, series
from helpers_pages import Watched

pytestmark = pytest.mark.browser

CASES = cases()
PARTS = {"lstm": (*GATES, "c", "h"), "rnn": ("h",)}
CLOSE = 1e-5
TRACE = """() => {
  const trace = gatecastInside.trace();
  const packed = table => {
    let text = "";
    const bytes = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
  const named = table => Object.fromEntries(Object.entries(table).map(([name, part]) => [name, packed(part)]));
  return {layers: trace.layers.map(named), fan: packed(Float64Array.from(gatecastInside.fan().flat())),
          ...named({head: trace.head, level: trace.level, scale: trace.scale, values: trace.values})};
}"""
FREE = """
  for (const {muted, ...gates} of now.held) {
    muted.fill(0);
    for (const gate of Object.values(gates)) gate.fill(NaN);
  }"""
each_case = pytest.mark.parametrize("name", CASES)


class Opened(Watched):
    """A page that was opened."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
        super().__init__(browser, width, scheme)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#inside[data-drawn]")

    def act(self, script: str) -> None:
        """Change something and compute anew."""
        self.page.evaluate(f"() => {{ const inside = gatecastInside, now = inside.now; {script}; inside.compute(); }}")

    def traced(self) -> dict:
        """Everything the page has computed, as arrays; the forecast is (H, Q)."""
        found = self.page.evaluate(TRACE)
        layers = [{name: unpacked(text) for name, text in layer.items()} for layer in found.pop("layers")]
        arrays = {name: unpacked(text) for name, text in found.items()}
        return arrays | {"layers": layers, "fan": arrays["fan"].reshape(-1, len(QUANTILES))}

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.wait_for_selector("#inside:not([aria-busy=true])")


@pytest.fixture(scope="module")
def open_case(browser, tmp_path_factory) -> Iterator:
    opened: dict[str, Opened] = {}

    def give(name: str) -> Opened:
        if name not in opened:
            path = tmp_path_factory.mktemp("inside") / "inside.html"
            write_inside(CASES[name].panel, path, CASES[name].model)
            opened[name] = Opened(browser, path)
        return opened[name]

    yield give
    for each in opened.values():
        each.close()


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f8")


def same_forecast(one: dict, other: dict) -> bool:
    return np.array_equal(one["fan"], other["fan"])


def truth(case: Case, **held):
    values, more = arrays_of(case.panel, case.model)
    return trace(case.model, values, more, since=max(0, len(values) - SHOWN), **held)


def distance(page: dict, traced) -> float:
    """The largest difference between the page's numbers and the trace's, over every step, unit, gate and state."""
    apart = [page["head"] - traced.head_TD.ravel()]
    for place, layer in enumerate(page["layers"]):
        assert set(layer) == set(PARTS[traced.model.weights.cell])
        for part in layer:
            mine, theirs = layer[part], traced.gate(part, place).ravel()
            assert (np.isnan(mine) == np.isnan(theirs)).all() or part in "ch"
            apart.append(np.where(np.isnan(mine) & np.isnan(theirs), 0, mine - theirs))
    return float(max(np.abs(each).max() for each in apart))


def assert_same_forecast(page: dict, quantiles_HQ) -> None:
    size = max(1.0, np.abs(quantiles_HQ).max())
    np.testing.assert_allclose(page["fan"], quantiles_HQ, rtol=0, atol=CLOSE * size)


# ------------------------------------------------------------------------------------------- the same numbers


@each_case
def test_every_gate_and_state_at_every_step_is_the_numpy_cells(open_case, name):
    page, traced = open_case(name).traced(), truth(CASES[name])
    assert distance(page, traced) < CLOSE
    np.testing.assert_allclose(page["level"], traced.scaled.level_BT[0, traced.since :], rtol=1e-9)
    np.testing.assert_allclose(page["scale"], traced.scaled.scale_BT[0, traced.since :], rtol=1e-9)


@each_case
def test_the_state_at_every_step_is_torchs(open_case, name):
    case = CASES[name]
    traced = truth(case)
    layers = len(case.model.weights.layers)
    shape = NetworkConfig(units=case.model.weights.units, layers=layers, cell=case.model.weights.cell)
    network = Network(shape, widths_of(case.model.columns))
    restore(
        network, {key: np.asarray(array, np.float32) for key, array in weights_to_arrays(case.model.weights).items()}
    )
    first = int(np.argmax(np.isfinite(case.panel.values)))  # torch reads from the first value on
    with torch.no_grad():
        inputs = torch.from_numpy(traced.scaled.inputs_BTC[:, first:]).double()
        h_TD = network.double().read(inputs)[0].numpy()
    page = open_case(name).traced()["head"].reshape(-1, h_TD.shape[1])
    begin = max(first, traced.since)
    np.testing.assert_allclose(page[begin - traced.since :], h_TD[begin - first :], rtol=0, atol=CLOSE)


@each_case
def test_the_forecast_is_that_of_the_package(open_case, name):
    case = CASES[name]
    values_ST, more = as_arrays(case.panel, case.model.columns)
    model = case.model
    end = values_ST.shape[1] - 1
    horizon = model.direct_horizon
    for back in (0, 5, 40):
        opened = open_case(name)
        opened.act(f"now.from = 'cursor'; now.cursor = {end - back}")
        expected = predict_many(model, values_ST, np.array([end - back]), horizon, more)[0, 0]
        assert_same_forecast(opened.traced(), expected)
        np.testing.assert_allclose(truth(case).forecast(horizon, end - back), expected, rtol=1e-5, atol=1e-5)
    open_case(name).act("now.from = 'end'")


@each_case
def test_it_reads_its_own_output_as_the_full_sequence_does(open_case, name):
    case = CASES[name]
    values_ST, more = as_arrays(case.panel, case.model.columns)
    steps, own = values_ST.shape[1], values_ST.shape[1] - 9
    opened = open_case(name)
    opened.act(f"now.own = {own}")
    page = opened.traced()
    opened.act("now.own = Infinity")
    cut = None if more is None else more.until(own + 1, steps - own - 1)
    expected = full_sequence(case.model, values_ST[0, : own + 1], steps - own - 1, 1, cut)
    np.testing.assert_allclose(page["values"][own + 1 :], expected, rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------------------- it is computed there


SWAP = """
  for (const layer of inside.reader(now.moment).weights.layers) for (const table of Object.values(layer)) {
    const D = inside.model.D, K = 4 * D;
    for (let row = 0; row < table.length / K; row++) for (let d = 0; d < D; d++) {
      const one = row * K + d, other = one + D;
      [table[one], table[other]] = [table[other], table[one]];
    }
  }
  inside.readers.length = 0"""
DROP = """
  for (const layer of inside.reader(now.moment).weights.layers) layer.bias_K.fill(0);
  inside.readers.length = 0"""


@pytest.mark.parametrize("damage", [SWAP, DROP], ids=["gates in another order", "no bias"])
@pytest.mark.parametrize("name", ["running", "fixed, two layers, two seasons"])
def test_damaged_weights_do_not_pass_for_the_truth(browser, tmp_path, name, damage):
    path = tmp_path / "inside.html"
    write_inside(CASES[name].panel, path, CASES[name].model)
    opened = Opened(browser, path)
    before = opened.traced()
    opened.act(damage)
    after = opened.traced()
    opened.close()
    assert distance(before, truth(CASES[name])) < CLOSE
    assert distance(after, truth(CASES[name])) > 100 * CLOSE
    assert np.abs(before["fan"] - after["fan"]).max() > 100 * CLOSE


def test_a_weight_of_the_head_moves_the_forecast_and_nothing_else(browser, tmp_path):
    path = tmp_path / "inside.html"
    write_inside(CASES["running"].panel, path, CASES["running"].model)
    opened = Opened(browser, path)
    before = opened.traced()
    opened.act("inside.reader(now.moment).weights.head.path_bias_J[0] += 1")
    after = opened.traced()
    opened.close()
    scale = before["scale"][-1]
    np.testing.assert_allclose(after["fan"], before["fan"] + scale, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(after["head"], before["head"])


# ------------------------------------------------------------------------------------------- acting on it

HELD = {
    "all forget gates shut": ("now.held[0].forget.fill(0)", {"pins": [Pin("forget", 0.0)]}),
    "one forget gate open": ("now.held[0].forget[2] = 1", {"pins": [Pin("forget", 1.0, (2,))]}),
    "input gates open, one shut": (
        "now.held[0].input.fill(1); now.held[0].input[1] = 0",
        {"pins": [Pin("input", 1.0), Pin("input", 0.0, (1,))]},
    ),
    "output gates shut": ("now.held[0].output.fill(0)", {"pins": [Pin("output", 0.0)]}),
    "a candidate held": ("now.held[0].candidate[0] = -0.5", {"pins": [Pin("candidate", -0.5, (0,))]}),
    "units muted": ("now.held[0].muted[0] = now.held[0].muted[2] = 1", {"mutes": [Mute((0, 2))]}),
}


@pytest.mark.parametrize("name", ["running", "two layers, two seasons", "long"])
@pytest.mark.parametrize("what", HELD)
def test_a_pinned_gate_and_a_muted_unit_are_the_same_ablation_in_python(open_case, name, what):
    script, held = HELD[what]
    opened, traced = open_case(name), truth(CASES[name], **held)
    opened.act(script)
    page = opened.traced()
    opened.act(FREE)
    assert distance(page, traced) < CLOSE
    assert_same_forecast(page, traced.forecast(CASES[name].model.direct_horizon))
    free = truth(CASES[name])
    assert np.abs(traced.head_TD - free.head_TD).max() > 1e-3  # it made a difference
    assert distance(opened.traced(), free) < CLOSE  # and is undone


def test_a_pin_in_the_second_layer_is_the_same_ablation_in_python(open_case):
    name = "two layers, two seasons"
    traced = truth(CASES[name], pins=[Pin("forget", 1.0, (1,), layer=1)], mutes=[Mute((3,), layer=1)])
    opened = open_case(name)
    opened.act("now.held[1].forget[1] = 1; now.held[1].muted[3] = 1")
    page = opened.traced()
    opened.act("now.held[1].forget[1] = NaN; now.held[1].muted[3] = 0")
    assert distance(page, traced) < CLOSE


@each_case
def test_a_changed_past_value_is_read_as_python_reads_it(open_case, name):
    case = CASES[name]
    values_ST, more = as_arrays(case.panel, case.model.columns)
    at = values_ST.shape[1] - 20
    opened = open_case(name)
    opened.act(f"now.values[{at}] = 30")
    page = opened.traced()
    opened.act("now.values = inside.model.values.slice()")
    values_ST[0, at] = 30
    traced = trace(case.model, values_ST[0], more, since=max(0, values_ST.shape[1] - SHOWN))
    assert distance(page, traced) < CLOSE
    assert_same_forecast(page, traced.forecast(case.model.direct_horizon))


# ------------------------------------------------------------------------------------------- by hand and by keyboard


@pytest.fixture(scope="module")
def trained(browser, tmp_path_factory) -> Iterator[Opened]:
    """A page with checkpoints, two layers, and two seasons."""
    case, earlier = CASES["two layers, two seasons"], random_model(layers=2, seed=1)
    moments = [Checkpoint("random weights", weights_to_arrays(earlier.weights))]
    told = inside_of([OpenNetwork("<b>a network</b>", case.model, moments)], case.panel)
    path = tmp_path_factory.mktemp("inside") / "inside.html"
    path.write_text(inside_page("Inside", told), encoding="utf-8")
    opened = Opened(browser, path)
    yield opened
    opened.close()


def said(opened: Opened) -> str:
    opened.settle()
    return opened.page.locator("#inside-said").inner_text()


def test_the_cursor_moves_by_keyboard_and_by_pointer(trained):
    series = trained.page.locator("#inside-series")
    at = int(series.get_attribute("aria-valuenow") or 0)
    series.focus()
    trained.page.keyboard.press("ArrowLeft")
    said(trained)
    assert series.get_attribute("aria-valuenow") == str(at - 1)
    trained.page.keyboard.press("End")
    assert said(trained).startswith("At 159:")
    box = trained.page.locator("#inside-maps canvas").first.bounding_box()
    assert box is not None
    trained.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    assert not said(trained).startswith("At 159:")


def test_a_value_is_changed_by_dragging_and_by_keyboard_and_undone(trained):
    page = trained.page
    before = trained.traced()
    page.locator("#inside-series").focus()
    page.keyboard.press("End")
    page.keyboard.press("PageUp")
    said(trained)
    box = page.locator("#inside-handle").bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0], middle[1] - 40, steps=3)
    page.mouse.up()
    assert "truly" in said(trained) and "before your changes" in said(trained)
    dragged = trained.traced()
    assert dragged["values"][149] > before["values"][149]
    assert not same_forecast(dragged, before)
    page.keyboard.press("ArrowDown")
    said(trained)
    assert trained.traced()["values"][149] < dragged["values"][149]
    page.get_by_role("button", name="Undo all changes").click()
    assert "truly" not in said(trained)
    assert same_forecast(trained.traced(), before)


def test_a_unit_is_clicked_and_its_arithmetic_stands_there(trained):
    page = trained.page
    page.locator("#inside-series").focus()
    page.keyboard.press("End")
    box = page.locator("#inside-maps canvas").nth(3).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.9)
    said(trained)
    unit = int(page.locator("#inside-unit").input_value())
    assert page.locator("#inside-unit-title").inner_text() == f"Unit {unit} of layer 1"
    at = int(page.locator("#inside-series").get_attribute("aria-valuenow") or 0)
    traced = truth(CASES["two layers, two seasons"])
    numbers = {part: traced.gate(part)[at, unit] for part in PARTS["lstm"]}
    lines = [line.replace("−", "-") for line in page.locator("#inside-sums .math").all_inner_texts()]
    assert len(lines) == 7
    for line, part in zip(lines, ("forget", "input", "candidate", "c", "output", "h"), strict=False):
        assert line.strip().endswith(f"= {numbers[part]:.3f}"), (line, part)
    next_value = traced.forecast(1, at)[0, MEDIAN]
    assert float(lines[6].rsplit("= ", 1)[1]) == pytest.approx(next_value, rel=1e-4)
    page.locator("#inside-sums summary").first.click()
    assert page.locator("#inside-sums .terms").first.is_visible()


def test_gates_are_pinned_units_muted_and_the_training_slides_by_keyboard(trained):
    page = trained.page
    base = trained.traced()
    shut = page.get_by_role("group", name="Forget gate of all units").get_by_role("button", name="shut")
    shut.focus()
    page.keyboard.press("Enter")
    assert "before your changes" in said(trained) and shut.get_attribute("aria-pressed") == "true"
    assert not any(trained.traced()["layers"][0]["forget"][-5:])
    page.get_by_role("group", name="Forget gate of this unit").get_by_role("button", name="open").click()
    said(trained)
    assert sorted(trained.traced()["layers"][0]["forget"][-5:]) == [0, 0, 0, 0, 1]
    mute = page.get_by_role("button", name="Mute this unit")
    mute.click()
    said(trained)
    assert mute.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Undo all changes").click()
    said(trained)
    assert same_forecast(trained.traced(), base)
    page.locator("#inside-moment").focus()
    page.keyboard.press("ArrowLeft")
    said(trained)
    assert page.locator("#inside-moment-name").inner_text() == "random weights"
    assert not same_forecast(trained.traced(), base)
    page.keyboard.press("ArrowRight")
    said(trained)
    assert same_forecast(trained.traced(), base)


def test_own_output_and_the_other_layer_are_one_click_away(trained):
    page = trained.page
    page.locator("#inside-series").focus()
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("PageUp")
    said(trained)
    page.get_by_role("button", name="its own output").click()
    said(trained)
    values = trained.traced()["values"]
    true = CASES["two layers, two seasons"].panel.values
    np.testing.assert_array_equal(values[:130], true[:130])
    assert not np.isclose(values[130:], true[130:]).any()
    page.get_by_role("button", name="the true values").click()
    page.locator("#inside-layer").select_option("1")
    said(trained)
    assert page.locator("#inside-unit-title").inner_text().endswith("of layer 2")
    page.locator("#inside-layer").select_option("0")
    for order in ("level", "slope", "season", "shock", "number", "half_life"):
        page.locator("#inside-sort").select_option(order)
    said(trained)


def test_nothing_went_wrong_and_a_name_is_text(trained):
    assert trained.problems == [] and len(trained.requests) == 1
    assert trained.page.locator("[data-told=name]").first.inner_text() == "<b>a network</b>"


# ------------------------------------------------------------------------------------------- two networks, some series


@pytest.fixture(scope="module")
def both(browser, tmp_path_factory) -> Iterator[Opened]:
    """An LSTM and a plain RNN over two series of a panel."""
    path = tmp_path_factory.mktemp("inside") / "inside.html"
    networks = [OpenNetwork(NAME, PAIR["lstm"]), OpenNetwork(PLAIN, PAIR["rnn"])]
    path.write_text(inside_page("Inside", inside_of(networks, TWO, series=["b", "a"])), encoding="utf-8")
    opened = Opened(browser, path)
    yield opened
    opened.close()


PAIR = {"lstm": random_model(seed=2), "rnn": random_model(seed=3, units=4, cell="rnn")}
SEEN = {"a": series(11, 120), "b": series(12, 140)}
TWO = panel_from_frame(
    {
        "id": [name for name, values in SEEN.items() for _ in values],
        "t": [t for values in SEEN.values() for t in range(len(values))],
        "y": np.concatenate(list(SEEN.values())),
    },
    time="t",
    target="y",
    series_id="id",
)


def shown(opened: Opened) -> tuple[str, str]:
    opened.settle()
    lead = opened.page.locator("p.lead[data-cell]:visible")
    assert lead.count() == 1
    return tuple(lead.locator("[data-told]").all_inner_texts())


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_the_page_says_which_network_is_shown_and_its_trace_is_the_numpy_cells(both, cell):
    name = {"rnn": "plain RNN", "lstm": "trained LSTM"}[cell]
    button = both.page.get_by_role("group", name="Network that is shown").get_by_role("button", name=name)
    button.focus()
    both.page.keyboard.press("Enter")
    assert shown(both) == (f"the {name}", "the series b") and button.get_attribute("aria-pressed") == "true"
    titles = both.page.locator("#inside-maps h3").all_inner_texts()
    assert titles == (["State h"] if cell == "rnn" else list(TITLES))
    page, traced = both.traced(), trace(PAIR[cell], SEEN["b"])
    assert distance(page, traced) < CLOSE
    assert_same_forecast(page, traced.forecast(12))
    other = both.page.evaluate("InsideState.page.otherFan.map(row => row[6])")
    expected = trace(PAIR["lstm" if cell == "rnn" else "rnn"], SEEN["b"]).forecast(12)[:, MEDIAN]
    np.testing.assert_allclose(other, expected, rtol=0, atol=CLOSE * max(1, np.abs(expected).max()))
    assert f"{'trained LSTM' if cell == 'rnn' else 'plain RNN'} says " in said(both)
    assert not page["layers"][0].keys() ^ set(PARTS[cell])


TITLES = ("Forget gate", "Input gate", "Candidate", "Cell state", "Output gate", "Output h")


def test_the_arithmetic_of_the_plain_rnn_stands_there_and_its_units_are_muted(both):
    page = both.page
    page.get_by_role("button", name="plain RNN").click()
    heat = page.locator("#inside-maps canvas")
    heat.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    said(both)
    unit = int(page.locator("#inside-unit").input_value())
    traced = trace(PAIR["rnn"], SEEN["b"])
    line = page.locator("#inside-sums .math").first.inner_text().replace("−", "-").strip()
    assert line.startswith("h = tanh(") and line.endswith(f"= {traced.gate('h')[-1, unit]:.3f}")
    assert heat.get_attribute("aria-valuetext").startswith(f"unit {unit}, 139: state h ")
    assert not page.locator("#inside-pins .field").count()
    page.get_by_role("button", name="Mute this unit").click()
    said(both)
    assert distance(both.traced(), trace(PAIR["rnn"], SEEN["b"], mutes=[Mute((unit,))])) < CLOSE
    page.get_by_role("button", name="Undo all changes").click()
    said(both)
    assert distance(both.traced(), traced) < CLOSE


def test_a_changed_value_is_there_for_both_networks_and_another_series_begins_anew(both):
    both.act("now.values[100] = 30")
    changed = {"a": SEEN["a"], "b": SEEN["b"].copy()}
    changed["b"][100] = 30
    for name, cell in (("trained LSTM", "lstm"), ("plain RNN", "rnn")):
        both.page.get_by_role("button", name=name).click()
        both.settle()
        assert distance(both.traced(), trace(PAIR[cell], changed["b"])) < CLOSE
    both.page.locator("#inside-which").select_option("1")
    assert shown(both) == ("the plain RNN", "the series a")
    assert distance(both.traced(), trace(PAIR["rnn"], SEEN["a"])) < CLOSE
    assert both.page.locator("#inside-which").locator("option").all_inner_texts() == ["b", "a"]
    both.page.locator("#inside-which").select_option("0")
    assert both.problems == [] and len(both.requests) == 1


# ------------------------------------------------------------------------------------------- for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_of_it(both, scheme):
    both.page.emulate_media(color_scheme=scheme)
    for name in ("trained LSTM", "plain RNN"):
        both.page.get_by_role("button", name=name).click()
        both.settle()
        found = Axe().run(both.page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser, tmp_path, scheme):
    path = tmp_path / "inside.html"
    write_inside(CASES["columns"].panel, path, CASES["columns"].model)
    opened = Opened(browser, path, 390, scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    assert opened.problems == [] and opened.requests == [path.as_uri()]
    opened.close()
