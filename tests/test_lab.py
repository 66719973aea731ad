"""The lab measures what it says, and its sentences are the numbers': others, and they say the opposite."""

import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from gatecast import cli, drills, lab, lab_gradient, lab_leaks, lab_memory, lab_pictures
from gatecast.cell import LayerWeights, State, lstm_backward, lstm_forward
from gatecast.config import TrainingConfig
from gatecast.drills import TASKS, Effort, answer, learn, practise, weights_of
from gatecast.errors import OutputError, SettingsError
from gatecast.lab_charts import curves
from gatecast.lab_console import ask_prediction
from gatecast.lab_gradient import LSTM_0, LSTM_1, LSTM_3, RNN_ORTHOGONAL, lstm_gradient_by_lag, rnn_gradient_by_lag
from gatecast.lab_leaks import HONEST, NAMES, Prepared, prepare, walk
from gatecast.lab_memory import BIAS_0, BIAS_1, BIAS_3, LEFT, NO_FORGET, RNN, STARTS
from gatecast.lab_results import Lines, Row, apart, readable, signed
from gatecast.variants import CELLS, Start, orthogonal

SMALL = Effort(steps=12, updates=3, units=4, batch=4)
SEEDS = 4


def rng(seed=0):
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------- the tasks


def test_recall_asks_at_the_end_for_the_first_number_and_nothing_happens_in_between():
    x, y, asked = TASKS["recall"].draw(rng(), 5, 9)
    assert (y[:, -1] == x[:, 0]).all() and not x[:, 1:].any()
    assert asked[:, -1].all() and not asked[:, :-1].any()


def test_reset_asks_for_the_sum_since_the_last_sign():
    x, y, asked = TASKS["reset"].draw(rng(), 4, 60)
    assert asked.all() and 5 < x[..., 1].sum() < 60
    for b in range(4):
        for t in range(60):
            begin = max((s for s in range(t + 1) if x[b, s, 1]), default=0)
            assert y[b, t, 0] == pytest.approx(x[b, begin : t + 1, 0].sum())


def test_adding_marks_two_numbers_in_the_first_half_and_asks_for_their_sum():
    x, y, asked = TASKS["adding"].draw(rng(), 300, 30)
    for b in range(300):
        marked = np.flatnonzero(x[b, :, 1] == 1)
        assert len(marked) == 2 and marked.max() < 15 and marked.min() < 10
        assert y[b, -1, 0] == pytest.approx(0.5 + x[b, marked, 0].sum() / 4)
        assert x[b, -1, 1] == -1 and (x[b, 0, 1] == -1 or (0 in marked and x[b, 0, 0] == 0))
    assert asked.sum() == 300


def test_temporal_order_hides_two_letters_and_asks_for_their_order():
    x, y, _ = TASKS["temporal_order"].draw(rng(), 200, 40)
    letters = x.argmax(-1)
    assert (x.sum(-1) == 1).all() and (letters[:, 0] == 6).all() and (letters[:, -1] == 7).all()
    for b in range(200):
        first, second = np.flatnonzero(np.isin(letters[b], (4, 5)))
        assert 4 <= first < 8 and 20 <= second < 24
        assert y[b, -1].argmax() == 2 * (letters[b, first] - 4) + letters[b, second] - 4
    assert set(y[:, -1].argmax(-1)) == {0, 1, 2, 3}


@pytest.mark.parametrize(("name", "noise"), [("sine", 0.0), ("noisy_sine", 0.3)])
def test_a_sine_is_asked_for_its_next_value_without_noise(name, noise):
    x, y, asked = TASKS[name].draw(rng(), 200, 40)
    assert not asked[:, :20].any() and asked[:, 20:].all()
    assert np.abs(y).max() <= 1
    assert (x[:, 1:, 0] - y[:, :-1, 0]).std() == pytest.approx(noise, rel=0.05)


# ------------------------------------------------------------------------------------------- training together


def test_networks_trained_side_by_side_become_what_each_becomes_alone():
    tasks = [TASKS["recall"], TASKS["reset"]]
    starts = [Start("lstm", 0.0), Start("lstm", 3.0)]
    together = practise(starts, tasks, 2, SMALL)
    assert together.left.shape == (2, 2, 2)
    alone = practise(starts[1:], tasks, 2, SMALL)
    np.testing.assert_allclose(together.left[1], alone.left[0], rtol=1e-4)
    assert np.ptp(together.left[:, 0, 0]) > 1e-4  # starts differ
    assert np.isnan(together.wrong).all()


def test_the_loop_is_adam_with_clipping_as_torch_has_it():
    weights = weights_of([Start("coupled")], 1, 1, (1, 3, 1))
    reference = [torch.nn.Parameter(each.detach().clone()) for each in weights]
    optimiser = torch.optim.Adam(reference, lr=0.02)
    drawn = [TASKS["recall"].draw(rng(seed), 6, 5) for seed in range(8)]
    batches = [(x[None], y[None], asked[None, ..., None].astype(float)) for x, y, asked in drawn]
    effort = Effort(updates=8, rate=0.02)
    for update, (x, y, asked) in enumerate(batches):
        optimiser.param_groups[0]["lr"] = drills.one_cycle(update, 8, 0.02)
        optimiser.zero_grad()
        missed = (drills._said("coupled", reference, torch.from_numpy(x).float()) - torch.from_numpy(y)) ** 2
        (missed * torch.from_numpy(asked)).sum().div(asked.sum()).backward()
        torch.nn.utils.clip_grad_norm_(reference, 1.0)
        optimiser.step()
    queue = iter(batches)
    learn("coupled", weights, lambda: next(queue), effort)
    for own, theirs in zip(weights, reference, strict=True):
        np.testing.assert_allclose(own.detach(), theirs.detach(), atol=1e-5)


def test_what_is_left_is_1_for_the_mean_and_0_for_the_truth():
    _, y, asked = TASKS["temporal_order"].draw(rng(), 50, 12)
    there = np.repeat(asked[..., None], 4, axis=-1).astype(float)
    mean = np.broadcast_to(y[:, -1].mean(0), y.shape)
    assert drills._left(mean, y, there) == pytest.approx(1)
    assert drills._left(y, y, there) == 0
    off = y.copy()
    off[:10, -1, 2] += 0.31
    assert drills._wrong(off, y, there, 0.3) == pytest.approx(0.2)


def test_the_lab_gives_the_same_numbers_again():
    first, second = (lab.recall(SEEDS, effort=SMALL) for _ in range(2))
    assert first.rows == second.rows
    assert len({row.values for row in first.rows}) == len(STARTS)


# ------------------------------------------------------------------------------------------- gradient


def test_the_gradient_of_the_lstm_equals_finite_differences():
    generator = rng(3)
    weights = lab_gradient.start_as_keras(generator, 1.0)
    by_lag = lstm_gradient_by_lag(rng(4), weights, steps=7, batch=1)
    x, d_h = lab_gradient.question(rng(4), 7, 1)

    def asked(x):
        return float((lstm_forward(x, [weights])[0][:, -1] * d_h).sum())

    slopes = []
    for lag in range(7):
        nudge = np.zeros_like(x)
        nudge[0, 6 - lag, 0] = 1e-6
        slopes.append(abs(asked(x + nudge) - asked(x - nudge)) / 2e-6)
    assert by_lag == pytest.approx(np.array(slopes) / slopes[0], rel=1e-6)


def test_a_linear_rnn_passes_back_its_factor_to_the_power_of_the_lag(monkeypatch):
    """At rest the slope of tanh is 1: h = a h + x W, and a lag of k costs a to the k."""
    monkeypatch.setattr(
        lab_gradient, "question", lambda _, steps, batch: (np.zeros((batch, steps, 1)), np.ones((1, 64)))
    )
    for a in (0.5, 0.9, 1.1):
        by_lag = rnn_gradient_by_lag(rng(), np.ones((1, 64)), a * orthogonal(rng(1), 64, 64) @ np.eye(64), 40, 1)
        straight = rnn_gradient_by_lag(rng(), np.ones((1, 64)), a * np.eye(64), 40, 1)
        np.testing.assert_allclose(straight, a ** np.arange(40), rtol=1e-12)
        assert by_lag[1] != pytest.approx(a)  # turned, so seen from one direction it is another number


@pytest.mark.parametrize("bias", [0.0, 1.0, 3.0])
def test_a_frozen_forget_gate_passes_back_itself_to_the_power_of_the_lag(bias):
    """Without recurrent weights the cell state is the only road, and each step of it costs the forget gate."""
    input_CK, bias_K = np.zeros((1, 4)), np.array([0.3, bias, 0.0, 0.2])
    input_CK[0, 2] = 0.7  # the candidate alone sees the input
    weights, x = LayerWeights(input_CK, np.zeros((1, 4)), bias_K), np.zeros((1, 60, 1))
    _, _, traces = lstm_forward(x, [weights])
    end = [State(np.zeros((1, 1)), np.ones((1, 1)))]
    back = lstm_backward(np.zeros((1, 60, 1)), x, [weights], traces, d_finals=end).x_BTC[0, ::-1, 0]
    gate = 1 / (1 + np.exp(-bias))
    np.testing.assert_allclose(back / back[0], gate ** np.arange(60), rtol=1e-12)


def test_gradient_says_what_holds_before_training():
    result = lab.gradient()
    assert result.answer.choice == "rnn"
    found = {row.what: row for row in result.rows if row.measure == "50 steps back"}
    assert found[LSTM_0].high < found[LSTM_1].low < found[LSTM_1].high < found[RNN_ORTHOGONAL].low
    assert found[LSTM_3].low > 0.3
    for row in (found[LSTM_1], found[RNN_ORTHOGONAL], found[LSTM_3], found[LSTM_0]):
        assert readable(row.median) in result.sentence


# ------------------------------------------------------------------------------------------- sentences


def rows_with(values, measure=LEFT, spread=0.05):
    return [
        Row(name, measure, tuple(value * (1 + spread * place) for place in range(-2, 3)))
        for name, value in values.items()
    ]


GRADIENT = {RNN_ORTHOGONAL: 0.006, LSTM_0: 1e-11, LSTM_1: 2e-4, LSTM_3: 1.1}
RECALL = {BIAS_0: 1.0, BIAS_1: 1.0, BIAS_3: 0.001, NO_FORGET: 0.001, RNN: 0.002}
RESET = {BIAS_0: 0.01, BIAS_1: 0.01, BIAS_3: 0.02, NO_FORGET: 0.1, RNN: 0.06}
LEAK = {NAMES[HONEST]: 1.0, NAMES["scaler"]: 1.0, NAMES["smoothing"]: 0.6, NAMES["shuffle"]: 1.0, NAMES["gap"]: 0.7}
MODES = {lab_pictures.CHANGES_TODAY: 0.99, lab_pictures.CHANGES_TOMORROW: -0.05, lab_pictures.WITH_TOMORROW: 0.99}


def of_modes(today=0.99, tomorrow=0.05, own=17.5, last=17.0):
    values = MODES | {lab_pictures.CHANGES_TODAY: today, lab_pictures.CHANGES_TOMORROW: tomorrow}
    rows = [Row("LSTM", measure, (value,) * 5) for measure, value in values.items()]
    return [*rows, Row("LSTM", lab_pictures.ERROR, (own,) * 5), Row(lab_pictures.LAST, lab_pictures.ERROR, (last,) * 5)]


def ablated(**more):
    whole = {cell.title: 0.01 for cell in CELLS.values()}
    changed = {CELLS[name].title: value for name, value in more.items()}
    return [row for task in ("a", "b") for row in rows_with(whole | changed, task)]


CASES = [
    (lab_gradient.answer, rows_with(GRADIENT, "50 steps back"), "rnn", "30 times as much. "),
    (lab_gradient.answer, rows_with(GRADIENT | {LSTM_1: 0.6}, "50 steps back"), "lstm", "the LSTM passes 100 times"),
    (lab_gradient.answer, rows_with(GRADIENT | {LSTM_1: 0.006}, "50 steps back"), "same", "about the same"),
    (lab_gradient.answer, rows_with(GRADIENT | {LSTM_3: 1e-5}, "50 steps back"), "rnn", "less, and not all of it"),
    (lab_gradient.answer, rows_with(GRADIENT | {LSTM_3: 2e-4}, "50 steps back"), "rnn", "makes no difference"),
    (lab_memory.answer_recall, rows_with(RECALL), "high", "by 5 with forget bias 3"),
    (lab_memory.answer_recall, rows_with(RECALL | {BIAS_0: 0.01, BIAS_1: 0.01}), "all", "the start does not matter"),
    (lab_memory.answer_recall, rows_with(RECALL | {BIAS_3: 1.0}), "no", "is in the way here"),
    (lab_memory.answer_recall, rows_with(RECALL | {NO_FORGET: 1.0}), "other", "not in one direction"),
    (lab_memory.answer_reset, rows_with(RESET), "worse", "errs 10 times as much"),
    (lab_memory.answer_reset, rows_with(RESET | {NO_FORGET: 0.001}), "better", "only in the way"),
    (lab_memory.answer_reset, rows_with(RESET | {NO_FORGET: 0.0101}), "same", "No difference"),
    (lab_memory.answer_ablate, ablated(no_forget=0.1), "no_forget", "Missed most is the forget gate"),
    (lab_memory.answer_ablate, ablated(no_input=0.1), "no_input", "Missed most is the input gate"),
    (
        lab_memory.answer_ablate,
        ablated(no_output=0.1, no_input=0.05),
        "no_output",
        "by the size of its errors, is the output gate",
    ),
    (lab_memory.answer_ablate, ablated(gru=0.001), "none", "a: GRU"),
    (
        lab_memory.answer_ablate,
        ablated(no_forget=0.001),
        "none",
        "better: a without forget gate, b without forget gate",
    ),
    (
        lab_leaks.answer_leak,
        rows_with(LEAK),
        "smoothing",
        "centred smoothing by 40 %, gaps filled from both sides by 30 %",
    ),
    (lab_leaks.answer_leak, rows_with(LEAK | {NAMES["scaler"]: 0.1}), "scaler", "scaler of the whole series by 90 %"),
    (lab_leaks.answer_leak, rows_with(dict.fromkeys(LEAK, 1.0)), "none", "No leak makes"),
    (lab_pictures.answer, of_modes(), "today", "one day late"),
    (lab_pictures.answer, of_modes(0.05, 0.6, own=12.0), "tomorrow", "it does forecast"),
    (lab_pictures.answer, of_modes(0.1, 0.1), "neither", "no seed is better"),
    (lab_pictures.answer, of_modes(own=16.0), "today", "every seed is better"),
]


@pytest.mark.parametrize(("said", "rows", "choice", "words"), CASES)
def test_the_answer_is_that_of_the_numbers(said, rows, choice, words):
    found = said(rows)
    assert found.choice == choice
    assert words in found.sentence


def test_every_choice_of_every_question_can_come_out():
    questions = {each.question.name: set(each.question.choices) for each in lab.EXPERIMENTS.values()}
    home = {
        lab_gradient.answer: "gradient",
        lab_memory.answer_recall: "recall",
        lab_memory.answer_reset: "reset",
        lab_memory.answer_ablate: "ablate",
        lab_leaks.answer_leak: "leak",
        lab_pictures.answer: "modes",
    }
    came = {name: {choice for said, _, choice, _ in CASES if home[said] == name} for name in questions}
    came["leak"] |= {"shuffle", "gap"}  # chosen by the same line as the other two
    assert came == questions


def test_two_cells_that_are_the_same_are_called_different_in_less_than_a_twentieth_of_repetitions():
    generator, different = rng(), 0
    for _ in range(2000):
        draws = generator.lognormal(size=(2, SEEDS))
        different += apart(Row("a", "", tuple(draws[0])), Row("b", "", tuple(draws[1])))
    assert 0.01 < different / 2000 < 0.05


def test_the_range_of_the_seeds_holds_the_median_as_often_as_is_said():
    draws = rng().lognormal(size=(4000, 5))
    held = ((draws.min(1) < 1) & (draws.max(1) > 1)).mean()
    said = int(re.search(r"chance of (\d+) %", lab.gradient(5).confidence)[1])
    assert 100 * held == pytest.approx(said, abs=1.5)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1.2e-11, "1.20 × 10⁻¹¹"), (0.0123, "0.0123"), (-4.741, "−4.74")]
)
def test_numbers_are_written_for_people(value, text):
    assert signed(value) == text


# ------------------------------------------------------------------------------------------- leaks and modes


def test_the_honest_pipeline_and_no_other_is_untouched_by_the_future():
    values = walk(0)
    values[lab_leaks.TRAINED - 1 : lab_leaks.TRAINED + 2] = np.nan, 90.0, 91.0
    changed = values.copy()
    changed[lab_leaks.TRAINED :] += 50
    moved = {}
    for leak in NAMES:
        one, other = (prepare(leak, each) for each in (values, changed))
        row = lab_leaks.TRAINED - lab_leaks.CONTEXT  # the window that ends with the training part
        fitted = [(each.windows_NT[each.training_N], each.targets_N[each.training_N]) for each in (one, other)]
        same = all(np.array_equal(a, b) for a, b in zip(*fitted, strict=True))
        moved[leak] = not (same and np.array_equal(one.windows_NT[row], other.windows_NT[row]))
    assert moved == {leak: leak != HONEST for leak in NAMES}


def test_pipelines_are_scored_in_the_units_of_the_series_against_the_last_value():
    made = prepare(HONEST, walk(1))
    assert isinstance(made, Prepared) and not (made.training_N & made.test_N).any()
    weights = weights_of([Start("lstm")], 1, 1, (1, 4, 1))
    with torch.no_grad():
        weights[3].zero_()  # a network that says "no move"
    filled = made.windows_NT[:, -1] * made.width + made.mean
    np.testing.assert_allclose(filled, made.last_N)
    assert lab_leaks._score(made, weights) == pytest.approx(1)
    assert answer("lstm", weights, made.windows_NT[None, :2, :, None]).shape == (1, 2, lab_leaks.CONTEXT, 1)


@pytest.mark.slow
def test_the_probe_catches_every_planted_leak_and_spares_the_honest_pipeline():
    assert lab_leaks.probe() == {leak: leak != HONEST for leak in NAMES}


def test_modes_on_its_own_numbers_finds_a_copy_and_a_prophet():
    truth = np.cumsum(rng(5).normal(size=300)) + 100
    ahead = np.lib.stride_tricks.sliding_window_view(truth[1:], lab_pictures.HORIZON)
    last = truth[: len(ahead)]
    copy, prophet = np.repeat(last[:, None], lab_pictures.HORIZON, axis=1), ahead
    for said, choice in ((copy, "today"), (prophet, "tomorrow")):
        rows = lab_pictures.rows_of(lab_pictures.Told(ahead, last, (said,) * SEEDS))
        assert lab_pictures.answer(rows).choice == choice
    assert lab_pictures.skill(lab_pictures.Told(ahead, last, (prophet, copy))).tolist()[0] == [100.0] * 20


def test_gains_and_losses_are_drawn_on_a_straight_axis_and_powers_of_ten_on_a_bent_one():
    def scale_of(values):
        figure = curves(drawn(values))
        return figure.chart.to_dict(validate=False)["layer"][1]["encoding"]["y"]["scale"]

    def drawn(values):
        return Lines("some", "Some", {"a": np.array([values])}, {"a": "LSTM"}, ("x", "y"))

    assert scale_of([-4.7, 0.004, 3.9]) == {"zero": False}
    assert scale_of([1.0, 0.1, 1e-5])["type"] == "log"
    assert [drawn(values).as_dict()["logarithmic"] for values in ([-4.7, 0.004], [1.0, 1e-5])] == [False, True]


def test_lines_are_told_as_the_median_and_the_range_of_the_seeds():
    told = lab_gradient.gradient(4).as_dict()["lines"]
    (by_lag,) = told
    assert by_lag["places"] == list(range(100)) and by_lag["logarithmic"]
    for line in by_lag["lines"]:
        assert all(
            low <= middle <= high for low, middle, high in zip(line["low"], line["median"], line["high"], strict=True)
        )


@pytest.mark.slow
def test_modes_of_the_sp500_follow_today():
    result = lab.modes(SEEDS, training=TrainingConfig(updates=60, horizon=20, scaling="running"))
    assert result.answer.choice == "today"


@pytest.mark.slow
def test_recall_and_reset_together_show_what_the_forget_gate_is_for():
    effort = Effort(steps=60, updates=300)
    assert lab.recall(effort=effort).answer.choice == "high"
    worse = lab.reset(effort=effort)
    assert worse.answer.choice == "worse"
    left = {row.what: row.median for row in worse.rows}
    assert left[NO_FORGET] > 3 * left[BIAS_1]


@pytest.mark.slow
def test_leak_finds_the_two_that_pay_on_a_random_walk():
    result = lab.leak()
    assert result.answer.choice in {"smoothing", "gap"}
    assert all(name in result.notes[0] for name in NAMES.values())


# ------------------------------------------------------------------------------------------- results and doors


@pytest.fixture(scope="module")
def some_result():
    return lab.ablate(SEEDS, effort=SMALL)


def test_a_result_is_json_with_its_charts(some_result):
    told = json.loads(json.dumps(some_result.after("none").as_dict(), allow_nan=False))
    assert {row["what"] for row in told["rows"]} == {cell.title for cell in CELLS.values()}
    assert len(told["rows"]) == len(CELLS) * len(TASKS) and len(told["charts"]) == len(TASKS)
    assert all("vega-lite" in chart["spec"]["$schema"] for chart in told["charts"])
    assert all(row["low"] <= row["median"] <= row["high"] and len(row["values"]) == SEEDS for row in told["rows"])
    assert told["sentence"] and told["predicted"] == "none" and told["answer"] in some_result.question.choices


def test_the_page_is_one_file_that_fetches_nothing_and_holds_the_answer(some_result, tmp_path):
    lab.write_page(some_result.after("none"), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="https?:', text)
    assert some_result.sentence.split(". ")[0] in text
    assert text.count('class="chart"') == len(TASKS)
    assert "74,000 sequences" in text


def test_the_command_asks_nothing_in_a_pipe_and_answers():
    result = CliRunner().invoke(cli.app, ["lab", "gradient"], input="")
    assert result.exit_code == 0
    assert "43 times as much" in result.stdout and "Your prediction" not in result.output
    assert "You predicted" not in result.output


def test_the_command_answers_a_prediction_and_writes_a_page(tmp_path):
    page = tmp_path / "gradient.html"
    result = CliRunner().invoke(cli.app, ["lab", "gradient", "--predict", "lstm", "--seeds", "4", "--out", str(page)])
    assert result.exit_code == 0
    assert "You predicted “the LSTM”; measured: “the plain RNN”." in result.stdout
    assert "(predicted)" in page.read_text(encoding="utf-8")


def test_the_command_prints_one_json_object():
    result = CliRunner().invoke(cli.app, ["lab", "gradient", "--predict", "rnn", "--json"])
    assert json.loads(result.stdout)["reply"] == "You predicted “the plain RNN”, and so it is."


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["lab", "gradeint"], 2, "Did you mean 'gradient'? There are: gradient, recall, reset"),
        (["lab", "gradient", "--predict", "lstn"], 2, "Did you mean 'lstm'? They are: lstm (the LSTM); rnn"),
        (["lab", "gradient", "--seeds", "2"], 2, "seeds is 2; give 4 to 50"),
        (["lab", "gradient", "--out", "page.pdf"], 5, "give a name that ends in .html"),
        (["lab", "gradient", "--out", "nowhere/page.html"], 5, "there is no folder nowhere"),
    ],
)
def test_the_command_refuses_what_cannot_work_and_says_what_can(arguments, code, words):
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == code and words in result.stderr


def test_in_a_terminal_the_prediction_is_asked_for_until_it_is_one(monkeypatch):
    said = iter(["7", "nonsense", "2"])
    screen = io.StringIO()
    console = Console(file=screen)
    monkeypatch.setattr(console, "input", lambda _: next(said))
    assert ask_prediction(console, lab.EXPERIMENTS["gradient"].question) == "rnn"
    assert "'7' is none of these" in screen.getvalue() and "2  the plain RNN" in screen.getvalue()
    monkeypatch.setattr(console, "input", lambda _: "")
    assert ask_prediction(console, lab.EXPERIMENTS["gradient"].question) is None


def test_too_few_seeds_and_strange_predictions_are_refused_before_anything_runs():
    for name in ("gradient", "recall", "reset", "ablate", "modes", "leak"):
        run = getattr(lab, name)
        with pytest.raises(SettingsError, match="give 4 to 50"):
            run(3)
        with pytest.raises(SettingsError, match="none of the choices"):
            run(predict="maybe")
    with pytest.raises(OutputError):
        lab.write_page(None, Path("x.txt"))


# ------------------------------------------------------------------------------------------- record and page

ROOT = Path(__file__).parents[1]
RECORD = json.loads((ROOT / "benchmarks" / "results" / "lab.json").read_text(encoding="utf-8"))
ANSWERS = {
    "gradient": lab_gradient.answer,
    "recall": lab_memory.answer_recall,
    "reset": lab_memory.answer_reset,
    "ablate": lab_memory.answer_ablate,
    "modes": lab_pictures.answer,
    "leak": lab_leaks.answer_leak,
}


def recorded_rows(name):
    return [Row(row["what"], row["measure"], tuple(row["values"])) for row in RECORD[name]["rows"]]


@pytest.mark.parametrize("name", list(ANSWERS))
def test_the_record_says_what_its_numbers_say(name):
    found = ANSWERS[name](recorded_rows(name))
    assert (found.choice, found.sentence) == (RECORD[name]["answer"], RECORD[name]["sentence"])
    assert RECORD[name]["question"] == lab.EXPERIMENTS[name].question.text


def test_the_tables_of_the_page_are_made_of_the_record():
    spec = importlib.util.spec_from_file_location("lab_record", ROOT / "scripts" / "lab_record.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    assert script.fill(page, RECORD) == page
    assert all(f"<!-- lab: {name} -->\n> {RECORD[name]['sentence']}" in page for name in ANSWERS)
    changed = json.loads(json.dumps(RECORD))
    changed["reset"]["rows"][0]["median"] = 0.5
    assert script.fill(page, changed) != page


def test_the_recorded_gradients_are_measured_again():
    again = lab.gradient().rows
    for row, recorded in zip(again, recorded_rows("gradient"), strict=True):
        assert row[:2] == recorded[:2]
        np.testing.assert_allclose(row.values, recorded.values, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recall", "reset", "leak"])
def test_the_record_is_measured_again(name):
    """Small networks that learned are sensitive to the last digit: what is found holds, each number nearly."""
    again = lab.EXPERIMENTS[name].run(lab.USUAL, None)
    assert again.answer.choice == RECORD[name]["answer"]
    for row, recorded in zip(again.rows, recorded_rows(name), strict=True):
        assert row.median == pytest.approx(recorded.median, rel=0.5, abs=0.01)
