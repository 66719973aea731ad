"""A model warns of series wildly unlike its own, and of none that follow on those that it was trained on."""

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from gatecast.cards import card_of
from gatecast.likeness import MORE, TIMES, shares_of
from gatecast.modelfile import Model
from gatecast.panel import panel_from_arrays, panel_from_frame
from gatecast.predictor import unlike_training
from gatecast.scaling import Running, fixed_from
from gatecast.sources import DATASETS, load
from gatecast.windows import split_steps
from test_modelfile import make_model


def model_of(panel, scaling=None):
    """A model that says it was trained on a panel; its weights are never asked."""
    return replace(make_model(scaling or Running((7,))), card={"data": card_of(panel)})


def series(values):
    return panel_from_arrays(np.asarray(values, float))


RNG = np.random.default_rng(0)
PLAIN = 50 + 10 * np.sin(np.arange(400) * 2 * np.pi / 7) + RNG.normal(size=400)


@pytest.mark.parametrize("kind", ["running", "fixed"])
@pytest.mark.parametrize("name", DATASETS)
def test_no_bundled_set_is_unlike_its_own_training_part(name, kind):
    source = load(name)
    panel, values = source.panel, source.panel.series_values(0)
    split = split_steps(len(values))
    seasons = source.season_length or (1,)
    scaling = Running(seasons) if kind == "running" else fixed_from(values[: split.training], seasons)
    model = model_of(panel.head(split.training), scaling)
    for end in np.linspace(split.training, split.total, 12).astype(int):
        assert unlike_training(model, panel.head(int(end))) == []
    test_part = replace(
        panel.head(split.total), values=np.where(np.arange(split.total) < split.training, np.nan, values)
    )
    assert [each for each in unlike_training(model, test_part) if "missing" not in each] == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (PLAIN - 200, "trained on values from"),
        (np.where(RNG.random(400) < 0.5, 0, PLAIN), r"at most 0% are zero, of series 4\d% are|5\d% are"),
        (np.diff(PLAIN), r"at most 0% are negative, of series"),
        (np.where(RNG.random(400) < 0.6, np.nan, PLAIN), r"at most 0% are missing"),
        (50 + 10 * np.sin(np.arange(400) * 2 * np.pi / 24), "with a season of 7 steps, these series repeat after 24"),
    ],
)
def test_what_is_wildly_other_is_said(values, said):
    model = model_of(series(PLAIN))
    assert unlike_training(model, series(PLAIN)) == []
    (sentence,) = [each for each in unlike_training(model, series(values)) if re.search(said, each)]
    assert sentence.startswith("the model was trained")


@pytest.mark.parametrize("factor", [1 / 200, 200])
def test_changes_of_another_size_are_said_where_the_scale_is_fixed(factor):
    fixed = model_of(series(PLAIN), fixed_from(PLAIN, (7,)))
    other = series(50 + factor * (PLAIN - 50))
    assert any("scale is fixed to changes of about" in each for each in unlike_training(fixed, other))
    running = model_of(series(PLAIN))
    assert not any("scale is fixed" in each for each in unlike_training(running, other))
    near = series(50 + (PLAIN - 50) * min(3, TIMES))
    assert not any("scale is fixed" in each for each in unlike_training(fixed, near))


def test_a_little_more_of_something_is_no_reason_to_warn():
    shares = [MORE - 0.05, MORE + 0.05]
    for share, warned in zip(shares, [False, True], strict=True):
        values = np.where(np.arange(400) % 20 < 20 * share, 0.0, PLAIN)
        found = unlike_training(model_of(series(PLAIN)), series(values))
        assert any("are zero" in each for each in found) == warned


def test_one_strange_series_of_a_panel_is_named():
    names, steps = np.repeat(["calm", "wild"], 200), np.tile(np.arange(200), 2)
    frame = pl.DataFrame({"unique_id": names, "ds": steps, "y": np.concatenate([PLAIN[:200], -PLAIN[:200]])})
    panel = panel_from_frame(frame)
    found = unlike_training(model_of(series(PLAIN)), panel)
    assert found and all("wild" in each for each in found)
    np.testing.assert_allclose(shares_of(panel)["negative"], [0, 1])


def test_a_card_of_an_earlier_version_says_less_and_warns_of_less():
    model = model_of(series(PLAIN))
    data = {name: value for name, value in model.card["data"].items() if name in {"lowest", "highest", "frequency"}}
    older = replace(model, card={"data": data})
    assert unlike_training(older, series(np.where(RNG.random(400) < 0.6, np.nan, PLAIN))) == []
    assert unlike_training(Model(model.weights, model.scaling), series(-PLAIN)) == []
