"""Part 1 of the course says what the code does: its headings, pictures, line references, numbers and main claim."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "course" / "part1.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = ["1", "2", "3a", "3b", "4a", "4b"]


@pytest.fixture(scope="module")
def figures():
    """The script that draws the figures, as a module."""
    spec = importlib.util.spec_from_file_location("course_figures", PAGE.parent / "figures.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def without_code_blocks(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def test_it_has_one_heading_for_each_question_and_no_other():
    headings = re.findall(r"^(#+) (\S+?)\.? ", without_code_blocks(TEXT), flags=re.MULTILINE)
    assert headings[0] == ("#", "Part")
    assert headings[1:] == [("##", number) for number in HEADINGS]


def test_each_answer_is_short_first_then_long_and_has_a_picture():
    for answer in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        assert answer.index("**In short.**") < answer.index("**At length.**")
        assert re.search(r"!\[[^\]]{40,}\]\(figures/", answer), "each answer has a picture, described in words"


def test_every_picture_shown_exists_is_small_and_is_drawn_by_the_script(figures):
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    assert sorted(shown) == sorted(path.relative_to(PAGE.parent).as_posix() for path in figures.FIGURES.iterdir())
    for picture in shown:
        assert 0 < (PAGE.parent / picture).stat().st_size < 150 * 1024


def test_every_line_reference_points_at_what_it_names():
    references = re.findall(r"\[`([^`]+)`\]\(\.\./\.\./(src/[^)#]+)#L(\d+)\)", TEXT)
    assert len(references) >= 8
    for named, file, number in references:
        line = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(number) - 1].strip()
        if named.isidentifier():
            assert line.startswith((f"def {named}(", f"class {named}(")), f"{file}:{number} is not {named}: {line}"
        else:
            assert line.split("  #")[0] == named, f"{file}:{number} reads: {line}"


def test_every_other_link_into_the_repository_leads_somewhere():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target


def test_every_table_row_is_what_the_script_measures(figures):
    tables = re.findall(r"^ *\|[^\n]*\n *\|[-|]+\|\n((?: *\|[^\n]*\n)+)", TEXT, flags=re.MULTILINE)
    shown = [[row.strip() for row in table.splitlines()] for table in tables]
    assert shown == list(figures.quoted().values())


def test_the_main_claim_holds(figures):
    """Over 50 steps an orthogonal RNN passes more back than an LSTM with forget bias 0 or 1; with 3 most passes."""
    measured = figures.gradients_by_lag(seeds=3, steps=51, batch=4)
    back = {name: rows[:, 50] for name, rows in measured.items()}
    assert back[figures.LSTM_0].max() < back[figures.LSTM_1].min()
    assert back[figures.LSTM_1].max() < back[figures.RNN_ORTHOGONAL].min()
    assert back[figures.RNN_ORTHOGONAL].max() < back[figures.LSTM_3].min()
    assert back[figures.RNN_UNIFORM].max() < 1e-8


def test_the_gradient_of_the_plain_rnn_equals_finite_differences(figures):
    """The RNN the claim leans on has a backward pass of its own; with linear-sized weights it must be the truth."""
    rng = np.random.default_rng(3)
    input_CD, hidden_DD = rng.normal(size=(1, figures.UNITS)) / 8, figures.orthogonal(rng, figures.UNITS, figures.UNITS)
    by_lag = figures.rnn_gradient_by_lag(np.random.default_rng(4), input_CD, hidden_DD, steps=6, batch=1)
    x_BTC, d_h_BD = figures.question(np.random.default_rng(4), 6, 1)

    def asked(x_BTC):
        h_BD = np.zeros((1, figures.UNITS))
        for t in range(6):
            h_BD = np.tanh(x_BTC[:, t] @ input_CD + h_BD @ hidden_DD)
        return float((h_BD * d_h_BD).sum())

    slopes = []
    for lag in range(6):
        nudge = np.zeros_like(x_BTC)
        nudge[0, 5 - lag, 0] = 1e-6
        slopes.append(abs(asked(x_BTC + nudge) - asked(x_BTC - nudge)) / 2e-6)
    assert by_lag == pytest.approx(np.array(slopes) / slopes[0], rel=1e-6)


def test_its_python_blocks_run():
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})
