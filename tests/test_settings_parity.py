"""What the command line can do is in the TOML and in the Python calls, under the same names."""

import inspect
import json

import pytest
import tomli_w
import typer
from typer.testing import CliRunner

import gatecast
from gatecast import cli, cli_forecast, cli_train, doctor, forecasts, mending, panel, sources
from gatecast.config import (
    DataConfig,
    ForecastConfig,
    NetworkConfig,
    RunConfig,
    TrainingConfig,
    config_to_toml,
    read_config,
    settings_from,
)
from gatecast.errors import SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.opening import open_source

SHOWN = {"out", "no_save", "resume", "as_json", "explain", "open_report", "config"}  # how a result is shown, and where
GROUPS = {"data": DataConfig, "network": NetworkConfig, "training": TrainingConfig, "forecast": ForecastConfig}
COMMANDS = {
    "check": ["data"],
    "run": ["data", "network", "training", ""],
    "forecast": ["data", "forecast"],
}
CALLS = {  # of what each command does in Python
    "check": [doctor.check, mending.mend],
    "run": [sources.load, panel.panel_from_frame, mending.mend, LSTMForecaster, NetworkConfig, TrainingConfig],
    "forecast": [forecasts.forecast],
}
PLACED = {"source": {"table", "frame", "name_or_path"}, "fix": {"fix", "fixes"}}  # given by place in mend(table, fixes)
ONLY_ASKED_OF_A_RUN = {
    "adapt",
    "horizon",
    "verdict",
    "seconds",
    "inside",
}  # what is made and looked at beside a fit; RunConfig in Python


def command(name):
    return typer.main.get_command(cli.app).commands[name]


def options(name):
    """The parameters of a command that say what is done, as the settings call them."""
    names = [each.name for each in command(name).params if each.name not in {*SHOWN, "help"}]
    return ["source" if each == "data" else each for each in names]


def keys_of(groups):
    """Every key of some groups; the empty name stands for the keys that are in no group."""
    top = [name for name in RunConfig.model_fields if name not in GROUPS]
    return {key for group in groups for key in (GROUPS[group].model_fields if group else top)}


def parameters_of(calls):
    return {name for call in calls for name in inspect.signature(call).parameters}


EVERY = [(name, option) for name in COMMANDS for option in options(name)]


@pytest.mark.parametrize(("name", "option"), EVERY)
def test_every_option_is_a_key_of_the_settings(name, option):
    assert option in keys_of(COMMANDS[name])


@pytest.mark.parametrize(("name", "option"), EVERY)
def test_every_option_is_a_parameter_in_python(name, option):
    names = PLACED.get(option, {option})
    assert names & parameters_of(CALLS[name]) or option in ONLY_ASKED_OF_A_RUN


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_option_is_written_as_its_key(name):
    for each in command(name).params:
        if each.param_type_name == "option" and each.name not in {*SHOWN, "help"}:
            assert f"--{each.name.replace('_', '-')}" in each.opts


@pytest.mark.parametrize("key", [key for key in DataConfig.model_fields if key not in {"test", "validation"}])
def test_every_key_that_says_what_the_data_is_is_an_option_of_a_run(key):
    assert key in options("run")


@pytest.mark.parametrize("key", list(ForecastConfig.model_fields))
def test_every_key_of_a_forecast_is_an_option_and_a_parameter(key):
    assert key in options("forecast")
    assert key in inspect.signature(forecasts.forecast).parameters


@pytest.mark.parametrize("call", [sources.load, doctor.check, mending.mend])
def test_the_python_calls_name_the_columns_alike(call):
    asked = inspect.signature(call).parameters
    for name, parameter in inspect.signature(panel.panel_from_frame).parameters.items():
        if name in {"frame", "zone"}:
            continue
        assert asked[name].default == parameter.default
        assert asked[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_forecaster_is_fitted_with_the_same_names():
    asked = set(inspect.signature(LSTMForecaster.fit).parameters)
    assert asked <= {"self", "table", *inspect.signature(panel.panel_from_frame).parameters}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_names_every_option(name):
    text = CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).output
    for option in options(name):
        assert option == "source" or f"--{option.replace('_', '-')}" in text


# ------------------------------------------------------------------------------------------- the same settings

RUN = {  # every option of a run, and what it says in the file
    ("data", "source"): ("sales.csv", ["sales.csv"]),
    ("data", "time"): ("Date", ["--time", "Date"]),
    ("data", "target"): ("a,b", ["--target", "a,b"]),
    ("data", "series_id"): ("shop", ["--series-id", "shop"]),
    ("data", "inputs"): (["x", "y"], ["--inputs", "x", "--inputs", "y"]),
    ("data", "known"): (["price"], ["--known", "price"]),
    ("data", "static"): (["size"], ["--static", "size"]),
    ("data", "wide"): (True, ["--wide"]),
    ("data", "zone"): ("Europe/Berlin", ["--zone", "Europe/Berlin"]),
    ("data", "frequency"): ("h", ["--frequency", "h"]),
    ("data", "fix"): (["sort", "fill"], ["--fix", "sort", "--fix", "fill"]),
    ("data", "season_length"): ([24, 168], ["--season-length", "24", "--season-length", "168"]),
    ("network", "units"): (9, ["--units", "9"]),
    ("network", "layers"): (2, ["--layers", "2"]),
    ("network", "dropout"): (0.25, ["--dropout", "0.25"]),
    ("network", "cell"): ("gru", ["--cell", "gru"]),
    ("training", "scaling"): ("fixed", ["--scaling", "fixed"]),
    ("training", "start"): ("nothing", ["--start", "nothing"]),
    ("training", "context"): (33, ["--context", "33"]),
    ("training", "updates"): (7, ["--updates", "7"]),
    ("training", "budget"): ("1m30s", ["--budget", "90s"]),
    ("training", "learning_rate"): (0.02, ["--learning-rate", "0.02"]),
    ("training", "seed"): (3, ["--seed", "3"]),
    ("training", "device"): ("cuda", ["--device", "cuda"]),
    ("", "horizon"): (5, ["--horizon", "5"]),
    ("", "adapt"): (False, ["--no-adapt"]),
    ("", "verdict"): ("full", ["--verdict", "full"]),
    ("", "seconds"): (2.5, ["--seconds", "2.5"]),
    ("", "inside"): (True, ["--inside"]),
}
FORECAST = {
    **{pair: RUN[pair] for pair in RUN if pair[0] == "data"},
    ("forecast", "horizon"): (5, ["--horizon", "5"]),
    ("forecast", "model"): ("model.safetensors", ["--model", "model.safetensors"]),
    ("forecast", "level"): ([80, 90], ["--level", "80", "--level", "90"]),
    ("forecast", "future"): ("plan.csv", ["--future", "plan.csv"]),
    ("forecast", "what_if"): (["price=9", "day=rest"], ["--what-if", "price=9", "--what-if", "day=rest"]),
    ("forecast", "adapt"): (False, ["--no-adapt"]),
}
for key in ("inputs", "known", "static", "season_length"):  # the model says these
    del FORECAST["data", key]
SAME = {"run": (RUN, cli_train, "run_and_show"), "forecast": (FORECAST, cli_forecast, "forecast_and_show")}


@pytest.fixture
def settings_of_call(monkeypatch):
    """What a command would have done, as settings."""

    def caught(name, arguments):
        seen = []
        monkeypatch.setattr(*SAME[name][1:], lambda settings, **_: seen.append(settings))
        result = CliRunner().invoke(cli.app, [name, *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return seen[0]

    return caught


def written(path, pairs):
    """Settings as a TOML file."""
    values = {}
    for (group, key), value in pairs.items():
        (values.setdefault(group, {}) if group else values)[key] = value
    path.write_text(tomli_w.dumps(values))
    return path


@pytest.mark.parametrize("name", list(SAME))
def test_these_are_all_options_of_the_command(name):
    assert {key for _, key in SAME[name][0]} == set(options(name))


@pytest.mark.parametrize("name", list(SAME))
def test_all_options_and_a_file_give_the_same_settings(name, tmp_path, settings_of_call):
    asked = SAME[name][0]
    from_options = settings_of_call(name, [word for _, words in asked.values() for word in words])
    path = written(tmp_path / "settings.toml", {pair: value for pair, (value, _) in asked.items()})
    assert settings_of_call(name, ["--config", path]) == from_options == read_config(path)
    assert settings_from(json.loads(from_options.model_dump_json()), "JSON") == from_options


@pytest.mark.parametrize(("name", "pair"), [(name, pair) for name in SAME for pair in SAME[name][0]])
def test_one_option_and_one_line_of_a_file_give_the_same_settings(name, pair, tmp_path, settings_of_call):
    value, words = SAME[name][0][pair]
    source = [] if pair == ("data", "source") else ["sine"]
    chosen = {("data", "source"): "sine", pair: value}
    path = written(tmp_path / "settings.toml", chosen)
    assert settings_of_call(name, ["--config", path]) == settings_of_call(name, [*source, *words])


@pytest.mark.parametrize("name", list(SAME))
def test_an_option_comes_before_the_file(name, tmp_path, settings_of_call):
    path = written(tmp_path / "settings.toml", {("data", "source"): "sine", ("data", "time"): "k"})
    settings = settings_of_call(name, ["--config", path, "--time", "t"])
    assert settings.data.time == "t"
    assert settings.data.source == "sine"


def test_what_is_written_is_read_back(tmp_path):
    values = {}
    for (group, key), (value, _) in {**RUN, **FORECAST}.items():
        (values.setdefault(group, {}) if group else values)[key] = value
    settings = settings_from(values, "test")
    path = tmp_path / "config.toml"
    path.write_text(config_to_toml(settings))
    assert read_config(path) == settings


def test_the_settings_of_the_data_open_what_the_python_call_opens(tmp_path):
    path = tmp_path / "table.csv"
    rows = "\n".join(f"{1 + k % 2},{100 + 2 * (k // 2)},{k * 1.5},{k}" for k in range(40))
    path.write_text(f"shop,t,sold,price\n{rows}\n")
    chosen = {"time": "t", "target": "sold", "series_id": "shop", "known": ("price",), "frequency": "2"}
    one = open_source(DataConfig(source=str(path), **chosen)).panel
    two = gatecast.load(str(path), **chosen).panel
    assert one.ids == two.ids == ("1", "2")
    assert one.values.tolist() == two.values.tolist()
    assert one.known["price"].tolist() == two.known["price"].tolist()
    assert one.frequency == two.frequency


# ------------------------------------------------------------------------------------------- unknown keys


def misspelt(word):
    """A word with its last letter doubled: no key is called so, and one is near."""
    return word + word[-1]


@pytest.mark.parametrize(("group", "key"), [(group, key) for group in GROUPS for key in GROUPS[group].model_fields])
def test_an_unknown_key_is_refused_with_the_nearest_right_one(group, key, tmp_path):
    path = written(tmp_path / "settings.toml", {("data", "source"): "sine", (group, misspelt(key)): "1"})
    with pytest.raises(SettingsError) as caught:
        read_config(path)
    assert f"unknown key '{group}.{misspelt(key)}'. Did you mean '{key}'?" in str(caught.value)


@pytest.mark.parametrize("name", [*GROUPS, "horizon", "verdict", "seconds", "inside"])
def test_an_unknown_group_is_refused_with_the_nearest_right_one(name):
    with pytest.raises(SettingsError, match=f"unknown key '{misspelt(name)}'. Did you mean '{name}'"):
        settings_from({misspelt(name): 1}, "test")


@pytest.mark.parametrize("name", ["run", "forecast"])
def test_the_commands_refuse_an_unknown_key_alike(name, tmp_path):
    path = written(tmp_path / "settings.toml", {("data", "source"): "sine", ("data", "tarjet"): "y"})
    result = CliRunner().invoke(cli.app, [name, "--config", str(path)])
    assert result.exit_code == 2
    assert "unknown key 'data.tarjet'. Did you mean 'target'?" in result.stderr


def test_an_unknown_option_is_refused_with_the_nearest_right_one():
    result = CliRunner().invoke(cli.app, ["run", "sine", "--unit", "3"])
    assert result.exit_code == 2
    assert "--units" in result.stderr
