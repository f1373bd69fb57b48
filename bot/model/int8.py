"""Products with 8-bit weights, and what goes with them in a GRU, on a CPU."""

import torch
from torch import Tensor, nn

LEVELS = 127  # of a positive number in 8 bits
ZERO_POINT = 128  # activations are unsigned: from 1 for -1 to 255 for 1


def pack_weight(values: Tensor, scales: Tensor, bias: Tensor) -> torch.ScriptObject:
    """Weights as the product wants them; it is saved and loaded as plain numbers.

    :param values: int8, (N, K)
    :param scales: (N,): row n of the weights is ``scales[n] * values[n]``
    :param bias: float32, (N,)
    """
    zeros = torch.zeros(scales.size(0), dtype=torch.long)
    weight = torch._make_per_channel_quantized_tensor(values, scales.double(), zeros, 0)
    packed: torch.ScriptObject = torch.ops.quantized.linear_prepack(weight, bias)
    return packed


class Int8Linear(nn.Module):
    """``W x + b`` with 8-bit weights for inputs from -1 to 1.

    :param values, scales: as ``pack_weight`` has them
    :param residual: int8, (N, K), for weights of 15 bits, which are ``scales[n] * (values[n] +
        residual[n] / 127)``; only with ``precise``
    :param precise: whether inputs are rounded to 15 bits, as two rows of 8, and not to 8
    """

    def __init__(
        self,
        values: Tensor,
        scales: Tensor,
        bias: Tensor,
        *,
        precise: bool,
        residual: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.levels = LEVELS
        self.zero_point = ZERO_POINT
        self.precise = precise
        self.doubled = residual is not None
        if residual is not None:
            values = torch.cat((values, residual), dim=1)
        # ``product`` adds the bias to both rows, and ``narrow`` makes b + b / 127 of it.
        bias = bias * LEVELS / (LEVELS + 1) if precise else bias
        self.packed = pack_weight(values, scales, bias)

    def widen(self, x: Tensor) -> Tensor:
        """Inputs, (B, K), as rows for ``product``: (B, K), (2 B, K), or (2 B, 2 K) if doubled."""
        if not self.precise:
            return x
        B, K = x.size()
        scaled = x * self.levels
        rest = scaled - scaled.round()  # what 8 bits leave over: from -1/2 to 1/2
        if self.doubled:
            return torch.cat((x, torch.zeros_like(x), rest, x), dim=1).view(2 * B, 2 * K)
        return torch.cat((x, rest), dim=1).view(2 * B, K)

    def product(self, rows: Tensor) -> Tensor:
        """The product of each row, (rows, N)."""
        y: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows, 1.0 / self.levels, self.zero_point, self.packed
        )
        return y

    def narrow(self, y: Tensor) -> Tensor:
        """What ``product`` made of ``widen``'s rows, as one row an input, (B, N)."""
        if not self.precise:
            return y
        whole, rest = y.view(y.size(0) // 2, 2, y.size(1)).unbind(1)
        return torch.add(whole, rest, alpha=1.0 / self.levels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N) from (B, K)."""
        return self.narrow(self.product(self.widen(x)))


class InputTable(nn.Module):
    """A layer's input products for each token, looked up instead of computed.

    :param weight: (3 H, E)
    :param bias: (3 H,)
    """

    weight: Tensor
    bias: Tensor
    table: Tensor  # float16, (V, 3 H)

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.half())
        self.register_buffer("bias", bias.float())
        self.register_buffer("table", torch.empty(0, dtype=torch.float16))

    def fill(self, embedding: Tensor) -> None:
        """Compute the table, which is not in the file, and forget the weight.

        :param embedding: (V, E)
        """
        weight = self.weight.float().t()
        table = torch.empty((embedding.size(0), weight.size(1)), dtype=torch.float16)
        # A few tokens at a time: all their products in float32 would take much memory.
        for some, rows in zip(embedding.split(256), table.split(256)):  # noqa: B905 (TorchScript)
            rows.copy_(torch.addmm(self.bias, some.float(), weight))
        self.table = table
        self.weight = torch.empty(0)

    def forward(self, ids: Tensor) -> Tensor:
        """(..., 3 H) float32, from ids, (...)."""
        return nn.functional.embedding(ids, self.table).float()


def gates(from_input: Tensor, from_state: Tensor, state: Tensor) -> Tensor:
    """One step of a GRU, (B, H), after its two products, (B, 3 H) each.

    The reset gate's weights have their sign changed and the candidate's are doubled: sigmoid(-x)
    is 1 - r, and ``input + r * state`` is ``(input + state) - (1 - r) * state``, which takes fewer
    operations; tanh(x) is 2 sigmoid(2 x) - 1, which takes a fraction of the time.
    """
    H = state.size(1)
    both = from_input + from_state
    not_reset, update, _ = both.sigmoid().split(H, dim=1)
    candidate = both.narrow(1, 2 * H, H)
    candidate = candidate.addcmul_(not_reset, from_state.narrow(1, 2 * H, H), value=-1.0)
    candidate = torch.rsub(candidate.sigmoid_(), -1.0, alpha=-2.0)
    return torch.lerp(candidate, state, update)
