"""The documents do what they say: their Python runs, their commands exist, their links lead somewhere."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gatecast import errors
from gatecast.cli import app
from gatecast.config import DataConfig, RunConfig, TrainingConfig
from gatecast.run import run
from test_architecture import LADDER

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *(ROOT / "benchmarks").glob("*.md")]
NOT_RUN = "<!-- not run:"  # before a Python block, followed by the reason
ERROR = "gatecast: "
MACHINE = (f"{ROOT}/", f"{tempfile.gettempdir()}/", "/home/", "/root/", "/Users/", "C:\\")


def name(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, *kinds):
    """The code blocks of a page that are of one of these kinds, but for those marked as not run."""
    text = page.read_text(encoding="utf-8")
    pattern = r"^```(\w*)\n(.*?)^```$"
    for block in re.finditer(pattern, text, flags=re.DOTALL | re.MULTILINE):
        if block[1] in kinds and NOT_RUN not in text[: block.start()].rstrip().rpartition("\n")[2]:
            yield block[2]


def commands(page):
    """Every command shown, and the lines shown below it."""
    found = []
    for block in blocks(page, "console", "sh", "bash", "text", ""):
        prompted = "\n$ " in f"\n{block}"
        for line in block.splitlines():
            if line.startswith("$ ") or (not prompted and line.startswith(("gatecast ", "python ", "make "))):
                found.append((line.removeprefix("$ ").split("  ")[0], []))
            elif found and prompted:
                found[-1][1].append(line)
    return found


ALL_COMMANDS = sorted({(name(page), command) for page in PAGES for command, _ in commands(page)})


@pytest.mark.parametrize("page", [page for page in PAGES if list(blocks(page, "python"))], ids=name)
def test_its_python_blocks_run(page, tmp_path, monkeypatch):
    """In one empty folder, in their order, a page at a time."""
    monkeypatch.chdir(tmp_path)
    whole = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", whole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_commands_to_check():
    assert len(ALL_COMMANDS) > 20


@pytest.mark.parametrize(("page", "command"), ALL_COMMANDS)
def test_every_command_shown_exists_with_its_options(page, command):
    first, *rest = shlex.split(command)
    first = first.removeprefix(".venv/bin/")
    if first == "make":
        assert f"\n{rest[0]}:" in (ROOT / "Makefile").read_text()
    elif first == "gatecast" or (first == "python" and rest[0] == "src/run_lstm.py"):
        group = get_command(app)
        assert set(rest[1:]) or rest
        verb = rest[0] if first == "gatecast" else "run"
        assert verb.startswith("-") or verb in group.commands, f"{page}: {command}"
        if verb in group.commands:
            group.commands[verb].make_context(verb, rest[1:])
    elif first == "python":
        script = ROOT / rest[0]
        assert script.exists(), f"{page}: {command}"
        options = [word for word in rest[1:] if word.startswith("--")]
        assert all(f'"{option}"' in script.read_text(encoding="utf-8") for option in options)
    else:
        assert first in {"pip", "head", "OMP_NUM_THREADS=1"}, f"{page}: {command}"


def test_every_error_shown_is_the_one_printed(tmp_path, monkeypatch):
    """The messages are promises: they are compared letter by letter."""
    monkeypatch.chdir(tmp_path)
    page, seen = ROOT / "docs" / "course" / "part2.md", 0
    for block in blocks(page, "python"):
        if "write_text" in block or "to_csv" in block:
            subprocess.run([sys.executable, "-c", block], check=True)
    for command, shown in commands(page):
        if len(shown) == 1 and shown[0].startswith(ERROR):  # a note has the forecast below it
            result = CliRunner().invoke(app, shlex.split(command)[1:])
            assert result.stderr == shown[0] + "\n", command
            assert result.exit_code in {2, 3}
            seen += 1
    assert seen >= 6


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_resolves(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)", text):
        linked = page.parent / target if target else page
        assert linked.exists(), f"{name(page)}: {target}"
        if anchor and linked.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, f"{name(page)}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_a_place_on_somebodys_machine(page):
    text = page.read_text(encoding="utf-8")
    assert not [place for place in MACHINE if place in text]


def test_pictures_of_the_readme_exist_are_small_and_are_described():
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown
    for words, picture in shown:
        assert len(words) > 40
        assert 0 < (ROOT / picture).stat().st_size < 150 * 1024


def keys_of(value, prefix=""):
    """The keys of a JSON value as docs/json.md writes them."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from keys_of(item, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from keys_of(item, f"{prefix}[]")
    else:
        yield prefix


def test_every_key_of_the_json_object_is_documented_and_every_key_documented_is_printed():
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE))
    printed = json.loads(
        json.dumps(run(RunConfig(data=DataConfig(source="sine"), training=TrainingConfig(updates=2))).as_dict())
    )
    printed["files"] = {"report": "runs/x/report.html"}
    assert printed["verdict_ahead"].keys() == printed["verdict"].keys()
    printed["verdict_ahead"], printed["verdict"]["worse_than"] = None, []
    kinds = {
        r"^verdict\.p_worse\.\w+$": "verdict.p_worse.<model>",
        r"^(free_run\.\w+)\.\d+$": r"\1.<cycles>",
        r"^files\.\w+$": "files.<name>",
        r"^left_out\..+$": "left_out.<name>",
    }
    found = set()
    for key in keys_of(printed):
        for pattern, general in kinds.items():
            key = re.sub(pattern, general, key)  # noqa: PLW2901
        found.add(key)
    assert found == documented


def test_the_exit_codes_of_the_readme_are_those_of_the_errors():
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    tree = [errors.GatecastError, *errors.GatecastError.__subclasses__()]
    assert {int(code) for code in rows} == {0, errors.INTERRUPTED, *(kind.exit_code for kind in tree)}


def test_the_ladder_of_the_decision_is_the_one_that_is_tested():
    text = (ROOT / "docs" / "decisions" / "0004-ladder-rows.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.*) \|$", text, flags=re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == LADDER


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/course/part2.md", "docs/zeroshot.md"])
def test_the_outputs_shown_are_still_printed_in_these_words(page, tmp_path):
    spec = importlib.util.spec_from_file_location("refresh_docs", ROOT / "scripts" / "refresh_docs.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    _, wrong = script.refreshed((ROOT / page).read_text(encoding="utf-8"), tmp_path)
    assert wrong == []
