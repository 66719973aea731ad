"""Part 2 of the course says what the code does: its headings, line references, tables and measured claims."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "course" / "part2.md"
TEXT = PAGE.read_text(encoding="utf-8")
RESULTS = json.loads((PAGE.parent / "hyperparameters.json").read_text(encoding="utf-8"))
QUESTIONS = [
    "1. How is the data split?",
    "2. How is the target determined?",
    "3. How is the architecture defined?",
    "4. Which hyperparameters does each data set need?",
    "5. Does it work on a data set of your own?",
]


@pytest.fixture(scope="module")
def script():
    """The script that measured the tables, as a module."""
    spec = importlib.util.spec_from_file_location("hyperparameters", ROOT / "scripts" / "hyperparameters.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_it_has_one_heading_for_each_question_of_the_course():
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^## (.*)$", prose, flags=re.MULTILINE) == QUESTIONS


def test_each_answer_is_short_first_then_long():
    for answer in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        assert answer.index("**In short.**") < answer.index("**At length.**")


def test_every_line_reference_points_at_what_it_names():
    references = re.findall(r"\[`([^`]+)`\]\(\.\./\.\./(src/[^)#]+)#L(\d+)\)", TEXT)
    assert len(references) >= 10
    assert TEXT.count("#L") == len(references)
    for named, file, number in references:
        line = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(number) - 1].strip()
        if named.isidentifier():
            assert line.startswith(f"def {named}("), f"{file}:{number} is not {named}: {line}"
        else:
            assert line.split("  #")[0] == named, f"{file}:{number} reads: {line}"


def test_every_answer_points_at_a_line_or_shows_an_output():
    for answer in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        assert "#L" in answer or "```console\n$ " in answer or "<!-- hyperparameters -->" in answer


def test_the_tables_are_those_of_the_results(script):
    shown = TEXT.split("<!-- hyperparameters -->", 1)[1].split("<!-- /hyperparameters -->", 1)[0]
    assert shown.strip() == script.tables(RESULTS).strip()


@pytest.mark.parametrize(("source", "scaling"), [("sine", "fixed"), ("sp500", "running")])
def test_the_results_hold_every_change_at_every_seed(script, source, scaling):
    found = [(json.dumps(row["changed"]), row["seed"]) for row in RESULTS[source]]
    assert found == [(json.dumps(change), seed) for change in script.variants(scaling) for seed in script.SEEDS]


def figure(source, key, **changed):
    return median(row[key] for row in RESULTS[source] if row["changed"] == changed)


def test_what_the_text_says_of_the_sine_is_in_the_results():
    assert 0.02 < figure("sine", "rmse", readout=False) / 0.0444 < 0.03
    assert figure("sine", "phase_10", readout=False) > 60
    assert figure("sine", "phase_10", scaling="running") > 60
    assert figure("sine", "rmse", updates=1) < 1.5 * figure("sine", "rmse")
    assert figure("sine", "validation_loss", updates=1) > 200 * figure("sine", "validation_loss")
    assert 5 < figure("sine", "validation_loss", dropout=0.3) / figure("sine", "validation_loss") < 9
    fed = [row["blocks"] for row in RESULTS["sine"] if "blocks" in row]
    assert min(row["1"]["phase_10"] for row in fed) > 30
    assert max(row[block]["phase_100"] for row in fed for block in ("5", "10", "50")) < 1


def test_what_the_text_says_of_the_stock_index_is_in_the_results():
    ratios = [
        median(row["rmse_ratio"] for row in RESULTS["sp500"] if row["changed"] == changed)
        for changed in {json.dumps(row["changed"]): row["changed"] for row in RESULTS["sp500"]}.values()
    ]
    assert 0.985 < min(ratios) < max(ratios) < 1.015
    assert figure("sp500", "rmse_ratio", updates=0) == pytest.approx(1, abs=1e-4)
    assert figure("sp500", "crps_ratio", updates=0) > 1.1 and figure("sp500", "crps_ratio") < 0.97
    assert figure("sp500", "validation_loss", readout=False) == figure("sp500", "validation_loss")


def test_the_settings_measured_from_are_the_ones_a_run_uses(script):
    """A default that is changed makes the tables a thing of the past."""
    shown = dict(re.findall(r"^\| `(\w+)` (\S+) →", TEXT, flags=re.MULTILINE))
    now = {**script.NetworkConfig().model_dump(), **script.TrainingConfig().model_dump()}
    assert set(shown) == set(script.NETWORK) | set(script.TRAINING)
    for name in set(shown) - {"scaling", "updates"}:
        assert shown[name] == str(now[name]), f"{name} is {now[name]} now"
