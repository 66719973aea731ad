"""A model for other runtimes: the whole network as one ONNX graph, built from the arrays; needs onnx, not torch.

Several models that read alike, such as the shipped pair, make one graph, whose forecast is the mean of theirs.

The graph reads scaled inputs, a state and a question, and gives the new state and the forecast.  What scales a series
and puts the question is NumPy (``scaling``): it is arithmetic on a few numbers that no graph makes faster.
``docs/export.md`` says what goes in and what comes out, with a program that forecasts with onnxruntime.

Key: B series, T step, C input channel, L layer, D hidden unit, K step ahead, F feature, A candidate, J path polynomial,
Q quantile.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatecast.cell import LayerWeights
from gatecast.config import MEDIAN, QUANTILES
from gatecast.covariates import widths_of
from gatecast.errors import MissingExtraError, SettingsError
from gatecast.modelfile import Model, write_atomically
from gatecast.runtime import AGE
from gatecast.scaling import CANDIDATES, PATH, channels_for, features_for

OPSET, IR = 17, 8  # of 2022: onnxruntime from 1.12 on reads them
CLOSED = -1e4  # on an input gate: nothing is written before a series has begun


def export_onnx(model: Model | Sequence[Model], path: str | Path) -> None:
    """Write a model, or several as one, as an ONNX graph; an earlier file of that name goes only once it is complete.

    Raises:
        MissingExtraError: onnx is not installed.
        SettingsError: the network's cells are no LSTM's, or several models do not read alike.
        OutputError: the folder cannot be written to.
    """
    write_atomically(Path(path), onnx_of(model).SerializeToString())


def onnx_of(model: Model | Sequence[Model]) -> Any:
    """Return a model as an ``onnx.ModelProto``; of several, the layers of the first stand first in the state.

    Raises:
        MissingExtraError: onnx is not installed.
        SettingsError: the network's cells are no LSTM's, or several models do not read alike.
    """
    models = (model,) if isinstance(model, Model) else tuple(model)
    _require_alike(models)
    try:
        helper = importlib.import_module("onnx.helper")
    except ImportError:
        raise MissingExtraError("onnx is not installed; pip install 'gatecast[onnx]'") from None
    graph, model = _Graph(helper), models[0]
    read = _layers(graph, models)
    quantiles = [_head(graph, each, graph.last(seen_BTD)) for each, seen_BTD in zip(models, read, strict=True)]
    made = [_units(graph, each, quantiles_BKQ) for each, quantiles_BKQ in zip(models, quantiles, strict=True)]
    graph.mean(quantiles, np.float32, "quantiles_BKQ")
    graph.mean(made, np.float64, "forecast_BKQ")
    widths, layers, units = widths_of(model.columns), len(model.weights.layers) * len(models), model.weights.units
    single, double, flag, whole = (helper.np_dtype_to_tensor_dtype(np.dtype(kind)) for kind in ("f4", "f8", "?", "i8"))
    takes = [
        ("inputs_BTC", single, ["batch", "steps", channels_for(widths)]),
        ("h_LBD", single, [layers, "batch", units]),
        ("c_LBD", single, [layers, "batch", units]),
        ("features_BKF", single, ["batch", "ahead", features_for(widths)]),
        ("candidates_BKA", single, ["batch", "ahead", CANDIDATES]),
        ("available_BKA", flag, ["batch", "ahead", CANDIDATES]),
        ("path_KJ", single, ["ahead", PATH]),
        ("steps_K", whole, ["ahead"]),
        ("level_B", double, ["batch"]),
        ("scale_B", double, ["batch"]),
    ]
    gives = [
        ("forecast_BKQ", double, ["batch", "ahead", len(QUANTILES)]),
        ("quantiles_BKQ", single, ["batch", "ahead", len(QUANTILES)]),
        ("seen_BTD", single, ["batch", "steps", units * len(models)]),
        ("next_h_LBD", single, [layers, "batch", units]),
        ("next_c_LBD", single, [layers, "batch", units]),
    ]
    info = helper.make_tensor_value_info
    whole_graph = helper.make_graph(
        graph.nodes, "gatecast", [info(*each) for each in takes], [info(*each) for each in gives], graph.constants
    )
    about = {
        "scaling": model.scaling.as_dict(),
        "columns": [column.as_dict() for column in model.columns],
        "direct_horizon": model.direct_horizon,
        "quantiles": list(QUANTILES),
        "members": len(models),
    }
    opset = helper.make_opsetid("", OPSET)
    proto = helper.make_model(whole_graph, opset_imports=[opset], producer_name="gatecast", ir_version=IR)
    helper.set_model_props(proto, {name: json.dumps(value) for name, value in about.items()})
    return proto


def _require_alike(models: Sequence[Model]) -> None:
    """Refuse what cannot be one graph.

    Raises:
        SettingsError: there is no model, a cell is no LSTM's, or two models do not read alike; both are named.
    """
    if not models:
        raise SettingsError("no model is given to export; give one, or several that read alike")
    for place, model in enumerate(models):
        if model.weights.cell != "lstm":
            raise SettingsError(
                f"the network's cell is {model.weights.cell}, and only an LSTM is exported; train one with "
                "cell = 'lstm'"
            )
        for what, one, other in zip(ALIKE, _reads(models[0]), _reads(model), strict=True):
            if one != other:
                raise SettingsError(
                    f"models 1 and {place + 1} have another {what} ({one} and {other}), and one graph has one; export "
                    "each by itself, and take the mean of what they forecast"
                )


ALIKE = ("shape", "scaling", "set of columns", "number of steps ahead at once")


def _reads(model: Model) -> tuple[Any, ...]:
    """What the models of one graph have in common, as ``ALIKE`` calls it."""
    shape = f"{len(model.weights.layers)} x {model.weights.units}"
    columns = [column.as_dict() for column in model.columns]
    return shape, model.scaling.as_dict(), columns, model.direct_horizon


class _Graph:
    """Nodes and constants as they are added; every node has one output, which is named like it."""

    def __init__(self, helper: Any) -> None:
        self._helper, self.nodes, self.constants = helper, list[Any](), list[Any]()

    def add(self, kind: str, *inputs: str, name: str | None = None, outputs: int = 1, **settings: Any) -> Any:
        """Add a node; returns its output's name, or their names."""
        names = [name or f"{kind.lower()}_{len(self.nodes)}"]
        names += [f"{names[0]}_{more}" for more in range(1, outputs)]
        self.nodes.append(self._helper.make_node(kind, list(inputs), names, **settings))
        return names[0] if outputs == 1 else names

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """Add an array; returns its name."""
        array, name = np.array(array, dtype, order="C"), f"constant_{len(self.constants)}"
        kind = self._helper.np_dtype_to_tensor_dtype(array.dtype)
        self.constants.append(self._helper.make_tensor(name, kind, array.shape, array.tobytes(), raw=True))
        return name

    def slice(self, of: str, begin: int, end: int, axis: int) -> str:
        """A part of an array along one axis."""
        return str(self.add("Slice", of, *(self.constant([number], np.int64) for number in (begin, end, axis))))

    def last(self, of_BTD: str) -> str:
        """The last step of sequences, (B, D)."""
        return str(self.add("Gather", of_BTD, self.constant(-1, np.int64), axis=1))

    def silu(self, of: str) -> str:
        return str(self.add("Mul", of, self.add("Sigmoid", of)))

    def mean(self, of: Sequence[str], dtype: Any, name: str) -> None:
        """The mean of arrays of one shape, under a name."""
        total = of[0]
        for other in of[1:]:
            total = self.add("Add", total, other)
        self.add("Mul", total, self.constant(1 / len(of), dtype), name=name)

    def linear(self, of: str, weights: Any, bias: Any = None) -> str:
        product = self.add("MatMul", of, self.constant(weights))
        return str(product if bias is None else self.add("Add", product, self.constant(bias)))


def _layers(graph: _Graph, models: Sequence[Model]) -> list[str]:
    """The LSTM layers; returns for each model what its head sees at every step, (B, T, D)."""
    inputs_TBC = graph.add("Transpose", "inputs_BTC", perm=[1, 0, 2])
    age_TB1 = graph.slice(inputs_TBC, AGE, AGE + 1, 2)
    waits_TB1 = graph.add("Cast", graph.add("LessOrEqual", age_TB1, graph.constant(0.0)), to=1)
    hidden, cells, seen = list[str](), list[str](), list[str]()
    for model in models:
        below_TBC, seen_TBD = inputs_TBC, ""
        for layer in model.weights.layers:
            reads_TBC = graph.add("Concat", below_TBC, waits_TB1, axis=2)
            state = [graph.slice(name, len(hidden), len(hidden) + 1, 0) for name in ("h_LBD", "c_LBD")]
            weights = [graph.constant(array) for array in _in_order(layer)]
            out_T1BD, h_1BD, c_1BD = graph.add(
                "LSTM", reads_TBC, *weights, "", *state, outputs=3, hidden_size=model.weights.units
            )
            h_TBD = graph.add("Squeeze", out_T1BD, graph.constant([1], np.int64))
            below_TBC = seen_TBD = graph.add("Add", seen_TBD, h_TBD) if seen_TBD else h_TBD
            hidden.append(h_1BD)
            cells.append(c_1BD)
        seen.append(str(graph.add("Transpose", seen_TBD, perm=[1, 0, 2])))
    graph.add("Concat", *hidden, axis=0, name="next_h_LBD")
    graph.add("Concat", *cells, axis=0, name="next_c_LBD")
    graph.add("Concat", *seen, axis=2, name="seen_BTD")
    return seen


def _in_order(layer: LayerWeights) -> tuple[Any, Any, Any]:
    """A layer's weights as ONNX wants them: gates in the order input, output, forget, candidate, and two biases.

    A further input is 1 where a series has not begun, and closes the input gate: the state stays zero.
    """

    def ordered(array: Any) -> Any:
        i, f, g, o = np.split(np.asarray(array), 4, axis=-1)
        return np.concatenate([i, o, f, g], axis=-1)

    input_CG, bias_G = ordered(layer.input_CK), ordered(layer.bias_K)
    closing_G = np.where(np.arange(len(bias_G)) < len(bias_G) // 4, CLOSED, 0.0)
    input_CG = np.concatenate([input_CG, closing_G[None]])
    return input_CG.T[None], ordered(layer.hidden_DK).T[None], np.concatenate([bias_G, np.zeros_like(bias_G)])[None]


def _head(graph: _Graph, model: Model, state_BD: str) -> str:
    """Quantiles, (B, K, Q), in units of the scale around the level; see ``runtime.answer``."""
    head, middle = model.weights.head, graph.constant([1], np.int64)
    state_B1E = graph.add("Unsqueeze", graph.linear(state_BD, head.state_DE, head.bias_E), middle)
    told_BKE = graph.add("Add", graph.linear("features_BKF", head.question_FE), state_B1E)
    z_BKD = graph.silu(graph.linear(graph.silu(told_BKE), head.middle_ED, head.middle_bias_D))
    out_BKO = graph.linear(z_BKD, head.out_DO, head.out_bias_O)
    logits_BKA = graph.slice(out_BKO, 0, CANDIDATES, 2)
    logits_BKA = graph.add("Where", "available_BKA", logits_BKA, graph.constant(-np.inf))
    shares_BKA = graph.add("Softmax", logits_BKA, axis=-1)
    mixed_BKA = graph.add("Mul", shares_BKA, "candidates_BKA")
    last = graph.constant([-1], np.int64)
    centre_BK1 = graph.add("ReduceSum", mixed_BKA, last, keepdims=1)
    path_BJ = graph.linear(state_BD, head.path_DJ, head.path_bias_J)
    path_BK = graph.add("MatMul", path_BJ, graph.add("Transpose", "path_KJ", perm=[1, 0]))
    centre_BK1 = graph.add("Add", centre_BK1, graph.add("Unsqueeze", path_BK, last))
    centre_BK1 = graph.add("Add", centre_BK1, graph.slice(out_BKO, CANDIDATES, CANDIDATES + 1, 2))
    outward_BKQ = graph.add("Softplus", graph.slice(out_BKO, CANDIDATES + 1, len(QUANTILES) + CANDIDATES, 2))
    away_BKQ = graph.add("MatMul", outward_BKQ, graph.constant(_sums()))
    return str(graph.add("Add", centre_BK1, away_BKQ))


def _sums() -> Any:
    """Steps outward, (12), to distances from the median, (13): sums from the median out, negative below it."""
    inward = np.arange(len(QUANTILES) - 1)[:, None]
    place = np.arange(len(QUANTILES))
    below, above = (inward < MEDIAN) & (place <= inward), (inward >= MEDIAN) & (place > inward)
    return above.astype(np.float32) - below.astype(np.float32)


def _units(graph: _Graph, model: Model, quantiles_BKQ: str) -> str:
    """The forecast in original units, widened where validation asked for it; see ``runtime.widen``."""
    ends = graph.constant([1, 2], np.int64)
    level_B11, scale_B11 = (graph.add("Unsqueeze", name, ends) for name in ("level_B", "scale_B"))
    made_BKQ = graph.add("Mul", graph.add("Cast", quantiles_BKQ, to=11), scale_B11)
    if model.widening_KQ is None:
        return str(graph.add("Add", level_B11, made_BKQ))
    made_BKQ = graph.add("Add", level_B11, made_BKQ)
    centre_BK1 = graph.slice(made_BKQ, MEDIAN, MEDIAN + 1, 2)
    rows_K = graph.add("Sub", "steps_K", graph.constant(1, np.int64))
    rows_K = graph.add("Min", rows_K, graph.constant(len(model.widening_KQ) - 1, np.int64))
    factors_KQ = graph.add("Gather", graph.constant(model.widening_KQ, np.float64), rows_K, axis=0)
    away_BKQ = graph.add("Mul", graph.add("Sub", made_BKQ, centre_BK1), factors_KQ)
    parts = {MEDIAN: centre_BK1}
    for side, combine in ((-1, "Min"), (1, "Max")):  # no outer quantile is nearer than an inner one
        far = ""
        for place in range(MEDIAN + side, MEDIAN + side * (MEDIAN + 1), side):
            part = graph.slice(away_BKQ, place, place + 1, 2)
            far = graph.add(combine, far, part) if far else part
            parts[place] = graph.add("Add", centre_BK1, far)
    return str(graph.add("Concat", *(parts[place] for place in sorted(parts)), axis=2))
