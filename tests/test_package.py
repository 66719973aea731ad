"""The built wheel installs and runs in an environment that holds nothing of this checkout."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "gatecast/py.typed" in names
    assert "gatecast/web/report.html" in names
    weights = sorted(path.name for path in (ROOT / "src" / "gatecast" / "weights").glob("*.safetensors"))
    assert weights
    assert sorted(name.split("/")[-1] for name in names if name.startswith("gatecast/weights/")) == weights
    assert {name.split("/")[0].split("-")[0] for name in names} == {"gatecast"}


def test_the_wheel_runs_in_a_clean_environment(wheel, tmp_path):
    """A fresh environment that sees this one's dependencies but not the checkout."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    dependencies = tmp_path / "dependencies"
    dependencies.mkdir()
    for entry in Path(pytest.__file__).parent.parent.iterdir():
        if "gatecast" not in entry.name:
            (dependencies / entry.name).symlink_to(entry)
    (site / "dependencies.pth").write_text(str(dependencies))
    made = subprocess.run(
        [python, "-m", "gatecast", "run", "sine", "--updates", "5", "--units", "4", "--out", tmp_path / "run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "run" / "report.html").exists()
    ahead = [python, "-m", "gatecast", "forecast", "nile", "--horizon", "2"]
    said = subprocess.run(ahead, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "volume,1972-01-01," in said
    where = [python, "-c", "import gatecast; print(gatecast.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert str(site) in found
