"""A model file is whole or refused with a sentence that says what is wrong; nothing in it is ever executed."""

import builtins
import errno
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from gatecast.config import QUANTILES, NetworkConfig, RunConfig, TrainingConfig
from gatecast.covariates import Column, column_from, widths_of
from gatecast.errors import ModelFileError, OutputError
from gatecast.modelfile import EARLIER, FORMAT, NEVER, NOW, Model, load_model, save_model, write_atomically
from gatecast.network import Network, export
from gatecast.panel import panel_from_arrays
from gatecast.predictor import forecast_panel, predict_many
from gatecast.runtime import OUTPUTS, weights_from_arrays, weights_to_arrays
from gatecast.scaling import Covariates, Fixed, Running
from gatecast.sealed import CHECKSUM, checksum_of, seal

GOLDEN = Path(__file__).parent / "golden"
ALL_ROLES = (
    Column("volume", "past", lowest=0.0, highest=9.0),
    Column("weather", "past", ("rain", "sun")),
    Column("price", "known", (), 2.0, 0.5, 1.0, 3.0),
    Column("day", "known", ("holiday", "workday", "bridge")),
    Column("area", "static", (), 10.0, 3.0, 5.0, 15.0),
)


def make_model(scaling=None, columns=(), layers=2):
    rng = np.random.default_rng(0)
    arrays = export(Network(NetworkConfig(units=4, layers=layers), widths_of(columns)))
    weights = weights_from_arrays({name: rng.normal(scale=0.3, size=array.shape) for name, array in arrays.items()})
    config = RunConfig(network=NetworkConfig(units=4, layers=layers), training=TrainingConfig(horizon=12, seed=7))
    widening = 1 + rng.random((5, len(QUANTILES)))
    return Model(weights, scaling or Running((4, 28)), config, widening, columns, {"data": {"steps": 99}})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def written(path):
    save_model(make_model(), path)
    return path


def contents(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118


def rewrite(path, change_arrays=None, change_header=None):
    """Change a file and seal it anew, as one who means it would."""
    arrays, header = contents(path)
    arrays |= change_arrays or {}
    header |= change_header or {}
    kept = {name: array for name, array in arrays.items() if array is not None}
    path.write_bytes(seal(kept, {name: text for name, text in header.items() if text is not None}))


def refused(path, pattern):
    with pytest.raises(ModelFileError, match=pattern) as caught:
        load_model(path)
    assert str(path) in str(caught.value)  # it says which file
    assert caught.value.exit_code == 4


# ------------------------------------------------------------------------------------------- saved is loaded


@pytest.mark.parametrize("scaling", [Running((1,)), Running((4, 28)), Fixed((7,), 3.0, 2.0, 0.5, (0.7,))])
@pytest.mark.parametrize("columns", [(), ALL_ROLES[:1], ALL_ROLES])
def test_a_loaded_model_forecasts_as_the_saved_one(path, scaling, columns):
    model = make_model(scaling, columns)
    save_model(model, path)
    loaded = load_model(path)
    assert (loaded.scaling, loaded.columns, loaded.config, loaded.card) == (scaling, columns, model.config, model.card)
    rng = np.random.default_rng(1)
    values, widths = 10 + rng.normal(size=(2, 80)).cumsum(1), widths_of(columns)
    more = Covariates(
        rng.normal(size=(widths.past, 2, 80)) if widths.past else None,
        rng.normal(size=(widths.known, 2, 110)) if widths.known else None,
        rng.normal(size=(widths.static, 2)) if widths.static else None,
    )
    one, other = (predict_many(m, values, np.array([40, 79]), 30, more) for m in (model, loaded))
    np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)  # weights are kept in float32
    save_model(loaded, path)
    again = predict_many(load_model(path), values, np.array([40, 79]), 30, more)
    assert np.array_equal(again, other)  # and from there on nothing is lost


@pytest.mark.parametrize("column", ALL_ROLES, ids=lambda column: column.name)
def test_a_column_is_rebuilt_from_its_plain_values(column):
    assert column_from(json.loads(json.dumps(column.as_dict()))) == column


@pytest.mark.parametrize("version", range(1, FORMAT + 1))
def test_a_file_of_every_format_is_read_and_forecasts_as_when_it_was_written(version):
    model = load_model(GOLDEN / f"model-format-{version}.safetensors")
    table, header = contents(GOLDEN / f"forecast-format-{version}.safetensors")
    under = {
        role: {name.removeprefix(role): column for name, column in table.items() if name.startswith(role)}
        for role in ("inputs.", "known.", "static.", "future.")
    }
    panel = replace(
        panel_from_arrays(table["values"], inputs=under["inputs."]),
        known=under["known."],
        static=under["static."],
        categories={name: tuple(words) for name, words in json.loads(header["words"]).items()},
    )
    made = forecast_panel(model, panel, len(table["forecast_HQ"]), under["future."])[0]
    # an input is float32, so a last bit of float64 elsewhere may show as one of float32 in it
    np.testing.assert_allclose(made, table["forecast_HQ"], rtol=0, atol=1e-6 * np.abs(made).max())
    roles = {"past": ("rain",), "known": ("price", "day"), "static": ("area", "town")} if version > 1 else {}
    assert all(model.reads(role) == names for role, names in roles.items())
    if version == 1:
        assert model.columns == (Column("rain", "past"),)


@pytest.mark.parametrize("version", range(1, FORMAT))
def test_a_file_of_an_earlier_format_is_written_again_as_one_of_this_format(path, version):
    model = load_model(GOLDEN / f"model-format-{version}.safetensors")
    save_model(model, path)
    again = load_model(path)
    assert contents(path)[1]["gatecast_format"] == str(FORMAT)
    assert (again.scaling, again.columns, again.config) == (model.scaling, model.columns, model.config)
    one, other = (weights_to_arrays(each.weights) for each in (model, again))
    assert all(np.array_equal(array, other[name]) for name, array in one.items())


@pytest.mark.parametrize("version", [2, 3])
def test_what_an_earlier_format_did_not_know_weighs_nothing_and_stands_where_it_belongs(version):
    path, then = GOLDEN / f"model-format-{version}.safetensors", EARLIER[version]
    arrays, model = contents(path)[0], load_model(path)
    assert not model.scaling.nearest
    first, head = model.weights.layers[0], model.weights.head
    known = [*range(then.candidates), *range(NOW.candidates, OUTPUTS)]
    newer = slice(then.candidates, NOW.candidates)
    for made, name, begin, end in (
        (first.input_CK, "layer.0.input_CK", then.channels, NOW.channels),
        (head.question_FE, "head.question_FE", then.features, NOW.features),
    ):
        assert not made[begin:end].any()
        assert np.array_equal(np.delete(made, slice(begin, end), axis=0), arrays[name])
    assert not head.out_DO[:, newer].any() and (head.out_bias_O[newer] == NEVER).all()
    assert np.array_equal(head.out_DO[:, known], arrays["head.out_DO"])
    assert np.array_equal(head.out_bias_O[known], arrays["head.out_bias_O"])
    assert np.exp(NEVER) == 0


def test_a_model_without_widening_has_none_when_loaded(path):
    model = make_model()
    save_model(Model(model.weights, model.scaling), path)
    assert load_model(path).widening_KQ is None


def test_the_file_holds_arrays_and_text_only(written):
    arrays, header = contents(written)
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert header["gatecast_format"] == str(FORMAT)
    assert json.loads(header["card"]) == {"data": {"steps": 99}}


# ------------------------------------------------------------------------------------------- refused


def test_a_missing_file_is_said_to_be_missing(path, tmp_path):
    refused(path, "there is no such file")
    refused(tmp_path, "there is no such file")  # a folder is none either


def test_a_truncated_file_is_refused_wherever_it_ends(written):
    whole = written.read_bytes()
    for end in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        written.write_bytes(whole[:end])
        refused(written, "damaged or not a model file")


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("random") / "model.safetensors"
    path.write_bytes(content)
    refused(path, "damaged or not a model file")


@settings(max_examples=80, deadline=None)
@given(place=st.integers(0, 100_000), value=st.integers(0, 255))
def test_a_changed_byte_is_refused_unless_it_changes_nothing(tmp_path_factory, place, value):
    """Between the entries of the header there are spaces, in whose place other white space says the same."""
    path = tmp_path_factory.mktemp("changed") / "model.safetensors"
    save_model(make_model(), path)
    content, (arrays, header) = bytearray(path.read_bytes()), contents(path)
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        load_model(path)
    except ModelFileError:
        return
    again, header_again = contents(path)
    assert header_again == header
    assert all(np.array_equal(array, again[name]) for name, array in arrays.items())


def test_a_checksum_that_is_called_otherwise_is_missed(written):
    arrays, header = contents(written)
    header["chexksum"] = header.pop(CHECKSUM)
    save_file(arrays, written, metadata=header)
    refused(written, "was changed after it was written")


def test_a_number_or_word_that_was_edited_is_said_to_be_changed(written):
    whole = contents(written)
    for place in (0, 1):
        arrays, header = dict(whole[0]), dict(whole[1])
        if place == 0:
            arrays["head.out_bias_O"] = arrays["head.out_bias_O"] + np.float32(1e-6)
        else:
            header["card"] = header["card"].replace("99", "98")
        save_file(arrays, written, metadata=header)
        refused(written, r"was changed after it was written.*checksum")


def test_the_checksum_tells_arrays_and_texts_apart_wherever_their_bytes_lie():
    one = np.arange(4, dtype=np.float32)
    others = [
        ({"a": one}, {"x": "12", "y": "3"}),
        ({"a": one}, {"x": "1", "y": "23"}),
        ({"b": one}, {"x": "12", "y": "3"}),
        ({"a": one.reshape(2, 2)}, {"x": "12", "y": "3"}),
        ({"a": one.view(np.int32)}, {"x": "12", "y": "3"}),
        ({"a": -one}, {"x": "12", "y": "3"}),
    ]
    assert len({checksum_of(*each) for each in others}) == len(others)
    assert checksum_of({"a": one, "b": one}, {}) == checksum_of({"b": one, "a": one}, {CHECKSUM: "any"})


def test_a_file_without_a_checksum_is_one_of_an_earlier_version(written):
    arrays, header = contents(written)
    model = load_model(written)
    save_file(arrays, written, metadata={name: text for name, text in header.items() if name != CHECKSUM})
    assert load_model(written).config == model.config
    assert CHECKSUM not in contents(GOLDEN / "model-format-3.safetensors")[1]
    assert CHECKSUM in contents(GOLDEN / f"model-format-{FORMAT}.safetensors")[1]


def test_a_file_with_a_checksum_is_read_years_later():
    one, other = (load_model(GOLDEN / f"{name}.safetensors") for name in ("sealed-format-3", "model-format-3"))
    assert CHECKSUM in contents(GOLDEN / "sealed-format-3.safetensors")[1]
    assert (one.scaling, one.columns, one.config, one.card) == (other.scaling, other.columns, other.config, other.card)
    arrays = weights_to_arrays(other.weights)
    assert all(np.array_equal(array, arrays[name]) for name, array in weights_to_arrays(one.weights).items())


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("scaling", '{"kind": "running", "seasons": [10000000000000]}', "a season of"),
        ("scaling", '{"kind": "running", "seasons": [7, 0]}', "season_length"),
        ("scaling", '{"kind": "running", "seasons": "abc"}', "season_length"),
        ("scaling", '{"kind": "fixed", "seasons": [1], "scale": "two"}', "not made of numbers"),
        ("scaling", '{"kind": "fixed", "seasons": [1], "scale": -1.0}', "the size -1"),
        ("scaling", '{"kind": "fixed", "seasons": [1], "season_changes": []}', "not made of numbers"),
        ("card", '{"data": 3}', "the card's data is no group"),
        ("card", '{"data": {"lowest": "low"}}', "the card's lowest is 'low'"),
        ("card", '{"data": {"lowest": 1e999}}', "the card's lowest is inf"),
        ("card", "[" * 100_000, "recursion"),
        ("columns", "[" * 100_000 + "]" * 100_000, "recursion"),
    ],
)
def test_what_could_fill_the_memory_or_crash_a_forecast_is_refused(written, field, text, said):
    rewrite(written, change_header={field: text})
    refused(written, f"incomplete.*{said}")


def test_a_pickle_is_refused_and_not_executed(path, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    path.write_bytes(pickle.dumps(Trap()))
    refused(path, "damaged or not a model file")
    assert not (tmp_path / "sprung").exists()


def test_text_in_the_header_is_never_executed(written, tmp_path, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a model file was executed")

    spring = f"__import__('os').mkdir({str(tmp_path / 'sprung')!r})"
    for field in ("scaling", "config", "columns", "card"):
        save_model(make_model(), written)
        rewrite(written, change_header={field: spring})
        with monkeypatch.context() as patch:
            patch.setattr(builtins, "eval", forbidden)
            patch.setattr(pickle, "loads", forbidden)
            patch.setattr(pickle, "load", forbidden)
            refused(written, "incomplete")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.bool_])
def test_somebody_elses_safetensors_file_is_refused(path, dtype):
    save_file({"lstm.weight": np.ones((2, 2), dtype)}, path)
    refused(path, "not one of gatecast's")
    save_file({"lstm.weight": np.ones((2, 2), dtype)}, path, metadata={"format": "pt"})
    refused(path, "not one of gatecast's")


def test_somebody_elses_file_of_a_type_numpy_does_not_know_is_refused(path):
    header = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    refused(path, "not one of gatecast|damaged")


@pytest.mark.parametrize("version", [str(FORMAT + 1), "99"])
def test_a_newer_format_is_refused_with_what_to_do(written, version):
    arrays, header = contents(written)
    save_file(arrays, written, metadata=header | {"gatecast_format": version, CHECKSUM: "of another kind"})
    refused(written, rf"has format {version}, this gatecast reads up to {FORMAT}; upgrade gatecast")


@pytest.mark.parametrize("version", ["", "-1", "one", "1.5", "²", "9" * 5000])
def test_a_format_that_is_no_number_is_refused(written, version):
    rewrite(written, change_header={"gatecast_format": version})
    refused(written, "format|incomplete")


@pytest.mark.parametrize(
    "name",
    ["layer.0.input_CK", "layer.0.bias_K", "layer.1.hidden_DK", "head.question_FE", "head.out_DO", "head.path_bias_J"],
)
def test_a_missing_array_is_named(written, name):
    rewrite(written, {name: None})
    refused(written, rf"incomplete.*{name}")


@pytest.mark.parametrize("field", ["scaling", "config", "columns", "card"])
@pytest.mark.parametrize("text", [None, "", "{", "[1, 2]", "3", '{"units": 4}'])
def test_a_header_that_cannot_be_read_is_refused(written, field, text):
    if (field, text) == ("card", '{"units": 4}'):
        pytest.skip("a card may say anything")
    rewrite(written, change_header={field: text})
    refused(written, "format|incomplete")


@pytest.mark.parametrize("absurd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["layer.0.hidden_DK", "head.out_bias_O", "interval.widening_KQ"])
def test_weights_that_are_not_finite_are_refused(written, name, absurd):
    array = contents(written)[0][name].copy()
    array.flat[-1] = absurd
    rewrite(written, {name: array})
    refused(written, "not finite")


WRONG = {
    "layer.0.input_CK": lambda array: array[:-1],
    "layer.0.hidden_DK": lambda array: array[:, :-4],
    "layer.0.bias_K": lambda array: array[:-1],
    "layer.1.input_CK": lambda array: array[:-1],
    "head.state_DE": lambda array: array[:, :-1],
    "head.question_FE": lambda array: array[:-1],
    "head.bias_E": lambda array: array[:1],
    "head.middle_ED": lambda array: array.T,
    "head.middle_bias_D": lambda array: array[None],
    "head.out_DO": lambda array: array[:, :-1],
    "head.out_bias_O": lambda array: array[:1],
    "head.path_DJ": lambda array: array[:, :-1],
    "head.path_bias_J": lambda array: array[:1],
    "interval.widening_KQ": lambda array: array[:, :-1],
}


@pytest.mark.parametrize("name", WRONG)
def test_an_array_of_the_wrong_shape_is_named(written, name):
    array = contents(written)[0][name]
    rewrite(written, {name: np.ascontiguousarray(WRONG[name](array))})
    refused(written, name)


@pytest.mark.parametrize(("version", "said"), [("2", "it should be (4, 17)"), ("3", "it should be (4, 21)")])
def test_an_array_of_the_wrong_shape_is_judged_by_its_own_format(path, version, said):
    arrays, header = contents(GOLDEN / f"model-format-{version}.safetensors")
    arrays["head.out_DO"] = np.ascontiguousarray(arrays["head.out_DO"][:, :-1])
    save_file(arrays, path, metadata=header)
    refused(path, re.escape(said))


@pytest.mark.parametrize(("version", "other"), [("2", "3"), ("3", "2")])
def test_a_file_that_says_it_has_another_format_is_refused(path, version, other):
    arrays, header = contents(GOLDEN / f"model-format-{version}.safetensors")
    save_file(arrays, path, metadata=header | {"gatecast_format": other})
    refused(path, "layer.0.input_CK has shape")


@pytest.mark.parametrize("change", [{"layer.1.input_CK": None}, {"layer.7.bias_K": np.ones(3, np.float32)}])
def test_a_layer_that_is_not_whole_is_refused(written, change):
    rewrite(written, change)
    refused(written, "belongs to no layer that is whole")


def test_a_network_without_layers_is_refused(written):
    rewrite(written, {name: None for name in contents(written)[0] if name.startswith("layer.")})
    refused(written, "no LSTM layer")


@pytest.mark.parametrize("column", ALL_ROLES, ids=lambda column: column.name)
def test_columns_that_the_weights_do_not_read_are_refused(written, column):
    rewrite(written, change_header={"columns": json.dumps([column.as_dict()])})
    refused(written, "layer.0.input_CK")


def test_a_known_future_column_that_only_the_lstm_reads_is_refused(path):
    save_model(make_model(columns=ALL_ROLES[:1]), path)
    rewrite(path, change_header={"columns": json.dumps([replace(ALL_ROLES[0], role="known").as_dict()])})
    refused(path, "head.question_FE")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"role": "future"}, "has the role 'future'"),
        ({"colour": "red"}, "colour"),
        ({"categories": None}, "not iterable"),
        ({"categories": [3]}, "has the name or word 3"),
        ({"name": 3}, "has the name or word 3"),
        ({"centre": "two"}, "has the number 'two'"),
        ({"centre": float("nan")}, "has the number nan"),
        ({"spread": None}, "has the number None"),
        ({"spread": 0.0}, "has the spread 0"),
        ({"highest": float("inf")}, "has the number inf"),
        ({"lowest": [1]}, r"has the number \[1\]"),
    ],
)
def test_a_column_that_says_nonsense_is_refused(path, change, said):
    save_model(make_model(columns=ALL_ROLES[:1]), path)
    rewrite(path, change_header={"columns": json.dumps([ALL_ROLES[0].as_dict() | change])})
    refused(path, said)


def test_inputs_of_the_first_format_that_the_weights_do_not_read_are_refused(path):
    arrays, header = contents(GOLDEN / "model-format-1.safetensors")
    for text in ("[]", '["rain", "sun"]', None, "3", "{"):
        kept = {name: value for name, value in (header | {"inputs": text}).items() if value is not None}
        save_file(arrays, path, metadata=kept)
        refused(path, "incomplete")


# ------------------------------------------------------------------------------------------- written whole or not


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(written, monkeypatch, step):
    before = written.read_bytes()
    monkeypatch.setattr(*((os, "fsync", no_space) if step == "fsync" else (type(written), "replace", no_space)))
    with pytest.raises(OutputError, match=r"cannot be written.*No space left"):
        save_model(make_model(Fixed()), written)
    monkeypatch.undo()
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_ctrl_c_while_writing_leaves_the_old_file_and_nothing_else(written, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = written.read_bytes()
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(make_model(Fixed()), written)
    monkeypatch.undo()
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_folder_that_is_not_there_or_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(OutputError, match=r"cannot be written.*choose another folder") as caught:
            save_model(make_model(), folder / "model.safetensors")
        assert caught.value.exit_code == 5


def test_an_unwritable_folder_is_refused(path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", denied)
    with pytest.raises(OutputError, match="Permission denied"):
        save_model(make_model(), path)
    assert not list(path.parent.iterdir())


def test_a_folder_in_the_place_of_the_file_is_refused_and_kept(path):
    path.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        save_model(make_model(), path)
    assert list(path.parent.iterdir()) == [path]


def test_what_is_written_replaces_what_was_there(path):
    write_atomically(path, b"old and long")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
