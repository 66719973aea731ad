"""The hand-written LSTM is torch's LSTM, forward and backward, and the comparison can fail."""

import ast
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gatecast import cell
from gatecast.cell import LayerWeights, State

CHANNELS, UNITS = 3, 5
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


class Case:
    """A torch LSTM, our copy of its weights, an input, initial states, and the gradients asked of all its outputs."""

    def __init__(self, steps=7, layers=2, batch=3, dtype=np.float64, random_states=True, seed=0):
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)

        def draw(*shape):
            return rng.normal(size=shape).astype(dtype)

        self.lstm = torch.nn.LSTM(CHANNELS, UNITS, layers, batch_first=True).to(torch.from_numpy(draw(1)).dtype)
        self.layers = [cell.from_torch(*parameters) for parameters in self.torch_arrays(self.lstm_parameters())]
        self.x_BTC = draw(batch, steps, CHANNELS)
        scale = 1 if random_states else 0
        self.states = [State(scale * draw(batch, UNITS), scale * draw(batch, UNITS)) for _ in range(layers)]
        # a mean rather than a sum, so that derivatives stay of the size of one
        self.d_output_BTD = draw(batch, steps, UNITS) / (batch * steps)
        self.d_finals = [State(draw(batch, UNITS) / batch, draw(batch, UNITS) / batch) for _ in range(layers)]

    def lstm_parameters(self):
        return [[parameter.detach() for parameter in layer] for layer in self.lstm.all_weights]

    @staticmethod
    def torch_arrays(layers):
        return [[parameter.numpy() for parameter in layer] for layer in layers]

    def forward(self, layers=None):
        return cell.lstm_forward(self.x_BTC, layers or self.layers, self.states)

    def torch_forward(self):
        x = torch.from_numpy(self.x_BTC).requires_grad_()
        h = torch.from_numpy(np.stack([s.h_BD for s in self.states])).requires_grad_()
        c = torch.from_numpy(np.stack([s.c_BD for s in self.states])).requires_grad_()
        output, (h_last, c_last) = self.lstm(x, (h, c))
        return (x, h, c), output, h_last, c_last

    def loss(self, output_BTD, finals):
        """The scalar whose derivatives `d_output_BTD` and `d_finals` are."""
        asked = [(self.d_output_BTD, output_BTD)]
        for d_final, final in zip(self.d_finals, finals, strict=True):
            asked += [(d_final.h_BD, final.h_BD), (d_final.c_BD, final.c_BD)]
        return sum(float((d * value).sum()) for d, value in asked)


def off(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("random_states", [False, True])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_equals_torch_in_outputs_states_and_all_gradients(steps, layers, batch, random_states, dtype):
    case = Case(steps, layers, batch, dtype, random_states)
    output_BTD, finals, traces = case.forward()
    gradients = cell.lstm_backward(case.d_output_BTD, case.x_BTC, case.layers, traces, case.states, case.d_finals)

    (x, h, c), output, h_last, c_last = case.torch_forward()
    loss = (output * torch.from_numpy(case.d_output_BTD)).sum()
    loss = loss + (h_last * torch.from_numpy(np.stack([d.h_BD for d in case.d_finals]))).sum()
    loss = loss + (c_last * torch.from_numpy(np.stack([d.c_BD for d in case.d_finals]))).sum()
    loss.backward()

    pairs = [(output_BTD, output.detach()), (gradients.x_BTC, x.grad)]
    for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(case.lstm.all_weights):
        pairs += [
            (finals[layer].h_BD, h_last[layer].detach()),
            (finals[layer].c_BD, c_last[layer].detach()),
            (gradients.states[layer].h_BD, h.grad[layer]),
            (gradients.states[layer].c_BD, c.grad[layer]),
            (gradients.weights[layer].input_CK.T, weight_ih.grad),
            (gradients.weights[layer].hidden_DK.T, weight_hh.grad),
            (gradients.weights[layer].bias_K, bias_ih.grad),
            (gradients.weights[layer].bias_K, bias_hh.grad),
        ]
    for ours, theirs in pairs:
        assert ours.dtype == dtype
        assert off(ours, theirs) < TOLERANCE[dtype]


def test_without_states_it_starts_from_zeros_and_without_final_gradients_none_are_asked():
    case = Case(random_states=False)
    zeros = [State(np.zeros_like(d.h_BD), np.zeros_like(d.c_BD)) for d in case.d_finals]
    output_BTD, _, traces = cell.lstm_forward(case.x_BTC, case.layers)
    assert off(output_BTD, case.forward()[0]) == 0
    short = cell.lstm_backward(case.d_output_BTD, case.x_BTC, case.layers, traces)
    long = cell.lstm_backward(case.d_output_BTD, case.x_BTC, case.layers, traces, case.states, zeros)
    assert off(short.x_BTC, long.x_BTC) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_zeros_it_starts_from_have_the_dtype_of_the_input(dtype):
    case = Case(dtype=dtype)
    output_BTD, finals, traces = cell.lstm_forward(case.x_BTC, case.layers)
    gradients = cell.lstm_backward(case.d_output_BTD, case.x_BTC, case.layers, traces)
    arrays = [output_BTD, gradients.x_BTC, *itertools.chain(*finals, *traces, *gradients.states, *gradients.weights)]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def scalars_and_gradients(case, gradients):
    """Every array a loss depends on, beside its gradient."""
    yield case.x_BTC, gradients.x_BTC
    for layer, weights in enumerate(case.layers):
        yield from zip(weights, gradients.weights[layer], strict=True)
        yield from zip(case.states[layer], gradients.states[layer], strict=True)


@pytest.mark.parametrize("residual", [False, True])
def test_gradients_equal_finite_differences(residual):
    case = Case(steps=4, layers=3, batch=2)
    _, _, traces = cell.lstm_forward(case.x_BTC, case.layers, case.states, residual)
    gradients = cell.lstm_backward(
        case.d_output_BTD, case.x_BTC, case.layers, traces, case.states, case.d_finals, residual
    )

    def loss():
        output_BTD, finals, _ = cell.lstm_forward(case.x_BTC, case.layers, case.states, residual)
        return case.loss(output_BTD, finals)

    rng, step = np.random.default_rng(1), 1e-5
    for array, gradient in scalars_and_gradients(case, gradients):
        for _ in range(4):  # a few entries of each array; torch has checked the rest
            entry = tuple(rng.integers(0, array.shape))
            before = array[entry]
            array[entry] = before + step
            above = loss()
            array[entry] = before - step
            below = loss()
            array[entry] = before
            assert (above - below) / (2 * step) == pytest.approx(gradient[entry], rel=1e-6, abs=1e-9)


def test_residual_adds_the_input_of_each_layer_after_the_first():
    case = Case(layers=3)
    output_BTD, finals, traces = cell.lstm_forward(case.x_BTC, case.layers, case.states, residual=True)
    first = traces[0].h_BTD
    second = first + traces[1].h_BTD
    alone, _, _ = cell.lstm_forward(second, case.layers[2:], case.states[2:])
    assert off(output_BTD, second + alone) < 1e-12
    assert off(finals[2].h_BD, traces[2].h_BTD[:, -1]) == 0


def permuted(array_K, order):
    """The four gates' blocks in another order."""
    return np.concatenate([np.split(array_K, 4, axis=-1)[gate] for gate in order], axis=-1)


@pytest.mark.parametrize("order", [order for order in itertools.permutations(range(4)) if order != (0, 1, 2, 3)])
def test_any_other_gate_order_is_far_from_torch(order):
    case = Case(layers=1)
    wrong = [LayerWeights(*(permuted(array, order) for array in case.layers[0]))]
    output = case.torch_forward()[1].detach()
    assert off(case.forward()[0], output) < 1e-10
    assert off(case.forward(wrong)[0], output) > 1e-2


@pytest.mark.parametrize("missing", ["bias_ih", "bias_hh"])
def test_a_missing_bias_is_far_from_torch(missing):
    case = Case(layers=1)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    arrays = dict(zip(names, case.torch_arrays(case.lstm_parameters())[0], strict=True))
    arrays[missing] = np.zeros_like(arrays[missing])
    assert off(case.forward([cell.from_torch(**arrays)])[0], case.torch_forward()[1].detach()) > 1e-2


def test_step_by_step_equals_the_whole_sequence():
    case = Case(steps=9, layers=2)
    output_BTD, finals, traces = case.forward()
    states = list(case.states)
    for t in range(9):
        row = case.x_BTC[:, t]
        for layer, weights in enumerate(case.layers):
            states[layer], gates = cell.lstm_step(row, states[layer], weights)
            row = states[layer].h_BD
            seen = (*states[layer], *gates)
            assert all(off(ours, whole[:, t]) == 0 for ours, whole in zip(seen, traces[layer], strict=True))
        assert off(row, output_BTD[:, t]) == 0
    assert all(
        off(a, b) == 0 for mine, whole in zip(states, finals, strict=True) for a, b in zip(mine, whole, strict=True)
    )


def test_a_sequence_cut_in_two_with_the_state_handed_over_is_the_same_sequence():
    case = Case(steps=12)
    output_BTD, finals, _ = case.forward()
    head, states, _ = cell.lstm_forward(case.x_BTC[:, :5], case.layers, case.states)
    tail, ends, _ = cell.lstm_forward(case.x_BTC[:, 5:], case.layers, states)
    assert off(np.concatenate([head, tail], axis=1), output_BTD) < 1e-12
    assert off(ends[-1].c_BD, finals[-1].c_BD) < 1e-12


def test_nothing_given_is_changed():
    case = Case()
    given = [case.x_BTC, case.d_output_BTD]
    for group in (*case.layers, *case.states, *case.d_finals):
        given.extend(group)
    copies = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False  # a change in place would raise
    _, _, traces = case.forward()
    for array in itertools.chain.from_iterable(traces):
        array.flags.writeable = False
    cell.lstm_backward(case.d_output_BTD, case.x_BTC, case.layers, traces, case.states, case.d_finals)
    assert all(off(array, copy) == 0 for array, copy in zip(given, copies, strict=True))


def test_the_weights_from_torch_are_copies():
    case = Case(layers=1)
    before = case.layers[0].input_CK.copy()
    with torch.no_grad():
        case.lstm.weight_ih_l0.add_(1.0)
    assert off(case.layers[0].input_CK, before) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_gates_stay_in_range_and_everything_finite_however_large_the_input(size, dtype):
    case = Case(steps=20, dtype=dtype)
    x_BTC = np.sign(case.x_BTC) * dtype(size)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        output_BTD, _, traces = cell.lstm_forward(x_BTC, case.layers, case.states)
        gradients = cell.lstm_backward(case.d_output_BTD, x_BTC, case.layers, traces, case.states, case.d_finals)
    for trace in traces:
        assert all(array.dtype == dtype and np.isfinite(array).all() for array in trace)
        for gate in (trace.input, trace.forget, trace.output):
            assert gate.min() >= 0
            assert gate.max() <= 1
        assert np.abs(trace.candidate).max() <= 1
        assert np.abs(trace.h_BTD).max() <= 1
    assert np.isfinite(output_BTD).all()
    assert np.isfinite(gradients.x_BTC).all()
    assert all(np.isfinite(array).all() for weights in gradients.weights for array in weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_the_logistic_function_without_overflow(dtype):
    x = np.array([-1e4, -50, -1, 0, 1, 50, 1e4], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = cell.sigmoid(x)
    assert y.dtype == dtype
    assert y[[0, 3, -1]].tolist() == [0, 0.5, 1]
    assert y[1] == pytest.approx(np.exp(-50.0), rel=1e-5)  # small, not rounded to nothing
    assert off(y + y[::-1], np.ones(7)) < 1e-6


def test_the_cell_path_back_is_the_product_of_the_forget_gates():
    """With no weights at all, the old cell reaches the last one through the forget gate alone: f to the power of T."""
    steps, bias = 30, 1.5
    weights = LayerWeights(np.zeros((1, 4)), np.zeros((1, 4)), np.array([0.0, bias, 0.0, 0.0]))
    x_BTC = np.zeros((1, steps, 1))
    _, _, traces = cell.lstm_forward(x_BTC, [weights])
    asked = [State(np.zeros((1, 1)), np.ones((1, 1)))]
    gradients = cell.lstm_backward(np.zeros((1, steps, 1)), x_BTC, [weights], traces, d_finals=asked)
    assert gradients.states[0].c_BD.item() == pytest.approx((1 / (1 + np.exp(-bias))) ** steps, rel=1e-12)


def refused(x_BTC, layers, residual=False):
    with pytest.raises(ValueError) as error:
        cell.lstm_forward(x_BTC, layers, residual=residual)
    return str(error.value)


def test_shapes_that_cannot_be_meant_are_refused_with_what_would_be_right():
    case = Case(layers=1)
    narrow = LayerWeights(np.zeros((UNITS, 4)), np.zeros((1, 4)), np.zeros(4))
    assert "(batch, steps, channels)" in refused(case.x_BTC[0], case.layers)
    assert "at least one step" in refused(case.x_BTC[:, :0], case.layers)
    assert "2 channels; the first layer reads 3" in refused(case.x_BTC[..., :2], case.layers)
    assert "no layers" in refused(case.x_BTC, [])
    assert "[5, 1] units" in refused(case.x_BTC, [*case.layers, narrow], residual=True)


def test_the_module_imports_only_numpy_and_the_standard_library():
    tree = ast.parse(Path(cell.__file__).read_text(encoding="utf-8"))
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in modules} <= {"numpy", *sys.stdlib_module_names}
