"""A layer of any cell of ``variants`` in torch, for training: the same step, over a whole sequence.

``torch.nn.LSTM`` is many times faster where the cell is the LSTM, and ``network`` uses it there; a test compares them.

Key: B batch, T step, C input channels, D hidden units, K the cell's gates and candidate side by side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gatecast.cell import LayerWeights, State
from gatecast.variants import CELLS, Maths

TORCH = Maths(torch.sigmoid, torch.tanh)


class Recurrent(nn.Module):
    """One layer, started as torch starts its own: uniform weights; zero biases but that of the part that keeps."""

    def __init__(self, cell: str, channels: int, units: int, forget_bias: float) -> None:
        super().__init__()
        self.cell, self.units = cell, units
        for name, shape in CELLS[cell].shapes(channels, units).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        with torch.no_grad():
            limit = units**-0.5
            for name in ("input_CK", "hidden_DK"):
                nn.init.uniform_(self.get_parameter(name), -limit, limit)
            self.get_parameter("bias_K")[CELLS[cell].columns_that_keep(units)] = forget_bias

    def forward(self, x_BTC: Tensor) -> tuple[Tensor, None]:
        """Read a sequence (B, T, C) from zeros; h at every step, (B, T, D), as the first of two, like torch's."""
        tensors: list[Any] = [self.get_parameter(name) for name in LayerWeights._fields]
        return unroll(self.cell, x_BTC, LayerWeights(*tensors), self.units), None


def unroll(cell: str, x_BTC: Tensor, weights: LayerWeights, units: int) -> Tensor:
    """Walk a cell over a sequence from zeros: h at every step, (B, T, D).

    The weights are tensors.  With one more dimension in front, of as many networks as there are inputs, all of them
    walk together; their ``bias_K`` is then (networks, 1, K).
    """
    step = CELLS[cell].step
    input_CK: Any = weights.input_CK
    bias_K: Any = weights.bias_K
    many = input_CK.ndim == 3
    read_BTK: Tensor = x_BTC @ (input_CK[:, None] if many else input_CK) + (bias_K[:, None] if many else bias_K)
    nothing: Any = x_BTC.new_zeros((*x_BTC.shape[:-2], units))
    state = State(nothing, nothing)
    shown: list[Any] = []
    for read_BK in read_BTK.unbind(-2):
        state = step(read_BK, state, weights, TORCH)
        shown.append(state.h_BD)
    return torch.stack(shown, dim=-2)
