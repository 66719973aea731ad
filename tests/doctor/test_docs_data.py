"""docs/data.md: its blocks run, its output is real, and its tables name every finding as it is."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gatecast import findings
from gatecast.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()


def test_every_python_block_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) > 3
    names = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"block {number} of docs/data.md", "exec"), names)


def test_every_finding_is_in_a_table_with_its_severity():
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (error|warning|note) \|", PAGE, flags=re.MULTILINE))
    assert rows == {code: severity for code, (severity, _) in findings.KINDS.items()}


@pytest.mark.parametrize("block", re.findall(r"```console\n\$ gatecast (.*?)```", PAGE, flags=re.DOTALL))
def test_the_output_shown_is_real(block):
    command, _, shown = block.partition("\n")
    if not shown:
        pytest.skip("a command on a file of the reader's own")
    assert CliRunner().invoke(app, command.split()).output == shown


@pytest.mark.parametrize("code", findings.KINDS)
def test_every_finding_has_a_test_file(code):
    assert (Path(__file__).parent / f"test_{code.replace('-', '_')}.py").exists()
