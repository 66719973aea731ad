"""The page on the S&P 500 says what was measured, and what was measured is what this code measures."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arch.data import sp500 as daily_table

from gatecast.baselines import LastValue
from gatecast.config import QUANTILES
from gatecast.judging import backtest
from gatecast.sources import load
from gatecast.volatility import DECAY, EWMA, GARCH, HAR
from helpers_benchmarks import benchmark

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "sp500.md").read_text(encoding="utf-8")
RECORD = json.loads((ROOT / "benchmarks" / "results" / "sp500.json").read_text(encoding="utf-8"))
NUMBER = r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)"
STORY = benchmark("sp500")


@pytest.fixture(scope="module")
def daily():
    return daily_table.load()


def rows(part):
    return {row["model"]: row for row in RECORD[part]["rows"]}


def seeds(part, name="LSTM"):
    found = [row for model, row in rows(part).items() if model.startswith(f"{name}, seed ")]
    assert len(found) == len(RECORD["seeds"]) == 3
    return found


# ------------------------------------------------------------------------------------------- page and record


def shown_table(name):
    """The rows of a table of the page, by their first cell."""
    text = PAGE.partition(f"<!-- table: {name} -->\n")[2].partition("\n<!-- end -->")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {first: dict(zip(cells[0][1:], rest, strict=True)) for first, *rest in cells[2:]}


def test_the_tables_of_the_page_are_made_of_the_record():
    assert STORY.fill(PAGE, RECORD) == PAGE
    changed = json.loads(json.dumps(RECORD))
    changed["variance"]["rows"][0]["mse"] += 0.01
    assert STORY.fill(PAGE, changed) != PAGE


@pytest.mark.parametrize(
    ("part", "shown", "key", "digits"),
    [
        ("price", "MAE", "mae", 2),
        ("price", "RMSE", "rmse", 2),
        ("returns", "CRPS", "crps", 4),
        ("variance", "MSE", "mse", 3),
        ("variance", "QLIKE", "qlike", 3),
    ],
)
def test_every_figure_of_a_model_is_the_one_on_record(part, shown, key, digits):
    """Read from the page without the code that wrote it."""
    found, table = rows(part), shown_table(part)
    assert len(table) == len({name.split(", seed ")[0] for name in found})
    for name, cells in table.items():
        network, several, _ = name.partition(", one of 3")
        if several:
            figures = [row[key] for row in seeds(part, network)]
            expected = [np.mean(figures), min(figures), max(figures)]
        else:
            expected = [found[name][key]]
        assert re.findall(NUMBER, cells[shown]) == [f"{figure:.{digits}f}" for figure in expected], name


def test_what_intervals_held_is_what_is_on_record():
    for name, cells in shown_table("returns").items():
        network, several, _ = name.partition(", one of 3")
        of = seeds("returns", network) if several else [rows("returns")[name]]
        for place, level in enumerate(STORY.ASKED):
            held = np.mean([row["coverage"][place]["held"] for row in of])
            assert cells[f"{level} %"].split(" ")[0] == f"{100 * held:.1f}"


def test_every_year_shown_is_on_record():
    table = shown_table("years")
    assert table["GARCH"].keys() == {"2013", "2014", "2015", "2016", "2017", "2018"}
    for name, cells in table.items():
        assert cells == {year: f"{crps:.3f}" for year, crps in rows("returns")[name]["crps_by_year"].items()}


def prose():
    """The page without its tables, code and links."""
    text = re.sub(r"^```.*?^```$|<!-- table.*?<!-- end -->", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)


def test_a_figure_in_the_text_stands_in_a_table_or_is_a_known_one():
    """Whatever has a decimal point or a percent sign was measured, and is in a table or follows from the record."""
    tables = "".join(re.findall(r"<!-- table.*?<!-- end -->", PAGE, flags=re.DOTALL))
    measured = set(re.findall(NUMBER, tables)) | set(derived())
    asked = {f"{level} %" for level in (*STORY.ASKED, 30, 5)}
    in_text = re.findall(rf"{NUMBER}(?: %)?", prose())
    figures = {figure for figure in in_text if "." in figure or figure.endswith("%")} - asked
    assert figures
    assert {figure.removesuffix(" %") for figure in figures} <= measured


def derived():
    """Figures of the text that follow from the record."""
    variance, returns = rows("variance"), rows("returns")
    better = 100 * (1 - variance["LSTM, three averaged"]["mse"] / variance["HAR"]["mse"])
    narrower = 100 * (1 - returns["LSTM of the price, three averaged"]["crps"] / returns["ConstantWidth"]["crps"])
    return [f"{better:.1f}", f"{narrower:.1f}"]


# ------------------------------------------------------------------------------------------- what is concluded


def test_the_days_are_those_the_page_names():
    for part in ("price", "variance"):
        assert (RECORD[part]["days"], RECORD[part]["first"], RECORD[part]["last"]) == (1509, "2013-01-03", "2018-12-31")
    assert (RECORD["returns"]["days"], RECORD["returns"]["first"]) == (1510, "2013-01-02")
    assert "1,509 trading days" in PAGE and "1,510" in PAGE


def test_the_record_says_when_where_and_with_what_it_was_made():
    assert {"date", "device", "commit", "seconds"} <= RECORD.keys()
    assert RECORD["threads"] == "1"
    assert RECORD["settings"] == json.loads(json.dumps(STORY.settings()))
