"""The import ladder: a module imports only from rows above its own, and heavy packages only where they are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gatecast

PACKAGE = Path(gatecast.__file__).parent
LADDER = [
    {"errors", "constants", "arrow", "calendars", "wording", "covariates", "phases", "cell", "durations"},
    {
        "notebook",
        "config",
        "frequency",
        "layouts",
        "numerals",
        "scaling",
        "significance",
        "gains",
        "copies",
        "tablefiles",
        "synthetic",
        "limits",
        "adam",
        "variants",
        "sealed",
        "manners",
        "lab_questions",
    },
    {
        "conformal",
        "metrics",
        "detectors",
        "dates",
        "findings",
        "runtime",
        "skill",
        "spacing",
        "variance",
        "windows",
        "guard",
        "wire",
        "workers",
        "recurrent",
        "checkpoint",
    },
    {"adaptive", "postprocess", "columns", "coverage", "reading_of_times", "bulk", "ledger"},
    {"reading", "rows", "folder", "leakage", "following", "answering"},
    {"panel", "judgement", "readout"},
    {"frames"},
    {
        "sources",
        "future",
        "network",
        "modelfile",
        "baselines",
        "placing",
        "seasons",
        "supply",
        "symptoms_of_columns",
        "symptoms_of_times",
        "symptoms_of_values",
    },
    {
        "answers",
        "forecastability",
        "draft",
        "tables",
        "store",
        "stream",
        "training",
        "verdict",
        "modes",
        "engines",
        "volatility",
        "uploads",
        "likeness",
        "show",
        "tracing",
    },
    {
        "classical",
        "queues",
        "adapters",
        "points",
        "cards",
        "predictor",
        "mending_of_rows",
        "mending_of_text",
        "mending_of_values",
        "drills",
        "kernels",
        "statefiles",
        "export",
    },
    {"mending", "rolling", "widening", "kernels_of_network", "streaming", "jobs", "lab_runs", "hindsight"},
    {"zeroshot", "compiled"},
    {"fitting", "opening", "scoring", "budget", "picks", "server_streams"},
    {"streams", "server_meters"},
    {"forecaster", "wave", "combination", "stream_command", "sktime_adapter", "contrast", "server_house"},
    {"run", "panel_run", "doctor", "forecasts", "judging", "charts_parts", "inside", "server_answers", "server_events"},
    {
        "explain",
        "evidence",
        "charts_errors",
        "tasks_light",
        "lab_results",
        "space",
        "routes_pages",
        "routes_questions",
        "routes_models",
        "routes_streams",
    },
    {"console", "charts", "charts_panel", "tasks_backtest", "lab_charts", "lab_console", "tuned", "routes_lab"},
    {"captions", "lab_gradient", "lab_memory", "lab_pictures", "lab_leaks", "tuning"},
    {"report"},
    {"panel_report", "lab_page"},
    {"output", "lab"},
    {"server", "tasks_train", "tasks_lab"},
    {"serving"},
    {"cli_messages", "cli_options"},
    {"cli_data", "cli_doors", "cli_forecast", "cli_look", "cli_train"},
    {"cli"},
]
ROW = {module: row for row, modules in enumerate(LADDER) for module in modules}
WEB = ("fastapi", "uvicorn", "prometheus_client")
HEAVY = ("torch", "numba", "pandas", "polars", "scipy", "statsmodels", "statsforecast", "arch", "altair", *WEB)
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))


def imports_of(module):
    """The gatecast modules it imports, and whether the import stands inside a function."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    inner = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gatecast":
            names = [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
            for name in names:
                if name in ROW:
                    yield name, id(node) in inner
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) in inner:
            yield "outside", True


def test_every_module_has_a_row():
    assert set(MODULES) == set(ROW)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_up_the_ladder(module):
    for imported, inside in imports_of(module):
        assert imported == "outside" or ROW[imported] < ROW[module], f"{module} imports {imported}"
        assert not inside or module.split("_")[0] == "cli", f"{module} imports {imported} inside a function"


def test_torch_is_imported_for_training_only():
    using = {m for m in MODULES if "import torch" in (PACKAGE / f"{m}.py").read_text()}
    assert using == {"adam", "drills", "network", "recurrent", "training"}


def loaded_after(*statements):
    code = ";".join(["import sys", *statements, f"print([m for m in {HEAVY} if m in sys.modules])"])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[
        -1
    ]


@pytest.mark.parametrize(
    "statements",
    [
        ("import gatecast",),
        ("from gatecast.cli import app", "app(['--help'], standalone_mode=False)"),
        ("from gatecast.cli import app", "app(['datasets'], standalone_mode=False)"),
        ("from gatecast.cli import app", "app(['check', 'co2'], standalone_mode=False)"),
        ("import gatecast.predictor, gatecast.sources, gatecast.tables",),
        ("import gatecast", "gatecast.open_stream([1.0, 2.0, 3.0, 4.0, 5.0]).update(6.0)"),
        ("from gatecast import stream_command as c", "c.answer_lines(['1', '2'], c.Asked(), len, len)"),
    ],
)
def test_light_things_load_nothing_heavy(statements):
    assert loaded_after(*statements) == "[]"


def test_the_server_and_its_light_workers_load_nothing_to_train_with():
    assert loaded_after("import gatecast.serving") == str(list(WEB))
    assert loaded_after("import gatecast.tasks_light") == "[]"


def test_public_names_are_complete_and_sorted():
    assert gatecast.__all__ == sorted(gatecast.__all__)
    for name in gatecast.__all__:
        assert getattr(gatecast, name).__name__ == name
        assert name in dir(gatecast)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gatecast.nothing
