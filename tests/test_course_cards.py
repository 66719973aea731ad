"""Ten misconceptions: the page is what the script writes, and every claim on it holds."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from gatecast.drills import Effort
from gatecast.lab_gradient import LSTM_0, LSTM_1, LSTM_3, RNN_ORTHOGONAL
from gatecast.lab_memory import BIAS_0, recall

COURSE = Path(__file__).parents[1] / "docs" / "course"
TEXT = (COURSE / "cards.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script():
    """The script that writes the cards, as a module."""
    sys.path.insert(0, str(COURSE))
    spec = importlib.util.spec_from_file_location("course_cards", COURSE / "cards.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(COURSE))
    for name in (spec.name, "figures"):
        sys.modules.pop(name, None)


def test_the_page_is_what_the_script_measures(script):
    assert script.page(script.cards()) == TEXT


def test_there_are_ten_cards_each_with_its_picture_described_and_a_way_to_see_it(script):
    assert re.findall(r"^## (\d+)\. “.+”$", TEXT, flags=re.MULTILINE) == [str(number) for number in range(1, 11)]
    shown = dict(re.findall(r"!\[([^\]]{40,})\]\(cards/(\w+)\.png\)", TEXT))
    assert sorted(f"{name}.png" for name in shown.values()) == sorted(path.name for path in script.PICTURES.iterdir())
    assert len(set(shown.values())) == 10
    for name in shown.values():
        assert 0 < (script.PICTURES / f"{name}.png").stat().st_size < 100 * 1024
    assert len(re.findall(r"^```(?:console|python)$", TEXT, flags=re.MULTILINE)) == 10


def test_a_forecast_that_is_yesterdays_value_lies_on_the_truth_and_its_moves_do_not(script):
    found = script.overlap()
    assert found["with_truth"] > 0.99 and abs(found["moves_with_truth"]) < 0.1
    truth, last = script.prices()
    assert np.array_equal(truth[:-1], last[1:])


def test_a_high_r_squared_of_a_price_is_worth_nothing(script):
    found = script.price_skill()
    assert found["of_price"] > 0.99 and found["of_change"] <= 0
    truth, _ = script.prices()
    assert script.r_squared(truth, np.full_like(truth, truth.mean())) == pytest.approx(0)


def test_a_window_of_50_is_not_a_memory_of_50(script):
    found = script.memory()
    assert found["a_tenth_at"] < 25 and found["left"] < 0.001


def test_units_are_not_time_steps(script):
    for units, (weights, read) in script.sizes().items():
        assert weights == 4 * units * (1 + units + 1) and read == [3, 50, 500]


def test_shuffling_before_the_split_leaks_and_after_it_does_not(script):
    found = script.seen_before()
    assert found["in time"] == 0 and found["shuffled first"] > 0.9
    assert not script.shuffled_after()


def test_a_scaler_of_the_whole_series_lets_the_future_into_the_training_inputs(script):
    found = script.moved_inputs()
    assert found["of the training part"] == 0 and found["of the whole series"] > 0.1


def test_the_cell_state_is_not_the_output(script):
    c, h = script.counter()
    np.testing.assert_allclose(c, 0.5 * np.arange(1, 21))
    np.testing.assert_allclose(h, np.tanh(c))
    assert h.max() <= 1 < c.max()


def test_an_lstm_can_have_vanishing_gradients(script):
    back = {name: rows[script.LAG] for name, rows in script.influence().items()}
    assert back[LSTM_0] < 1e-9 < back[LSTM_1] < back[RNN_ORTHOGONAL] < 0.1 < back[LSTM_3]


def test_a_low_loss_is_no_good_forecast(script):
    found = script.scaled_losses()
    assert found["scaled"] < 1e-4 and found["points"] > 10
    assert np.sqrt(found["scaled"]) * found["width"] == pytest.approx(found["points"])


def test_only_a_state_that_is_handed_on_remembers_earlier_windows(script):
    found = script.across_windows()
    assert found["from zeros"] == 0 and found["handed on"] > 0.05


@pytest.mark.slow
def test_training_does_not_cure_what_vanishes_at_the_start():
    """The card speaks of a start; forget bias 0 does not learn to remember 59 steps either."""
    rows = {row.what: row for row in recall(effort=Effort(steps=60, updates=300)).rows}
    assert rows[BIAS_0].low > 0.9
