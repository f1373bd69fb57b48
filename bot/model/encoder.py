"""Bidirectional GRU encoder over padded batches."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """Reads the source from both ends and sums what the two directions make of it.

    Each direction is a GRU of its own, and the backward one reads a copy of the source whose
    tokens are reversed within their length, so that padding always comes last and a row never
    depends on it. ``pack_padded_sequence`` would do the same; one dense call a layer and a
    direction is about twice as fast, and works under bfloat16 on CPU.

    :param embedding_size: E
    :param hidden_size: H
    :param layers: L, each of two directions
    :param dropout: between layers
    """

    def __init__(self, embedding_size: int, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        input_sizes = [embedding_size] + [2 * hidden_size] * (layers - 1)
        self.forwards = nn.ModuleList(
            nn.GRU(size, hidden_size, batch_first=True) for size in input_sizes
        )
        self.backwards = nn.ModuleList(
            nn.GRU(size, hidden_size, batch_first=True) for size in input_sizes
        )
        self.hidden_size = hidden_size
        self.dropout = nn.Dropout(dropout)

    def forward(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        :param embedded: source embeddings, (B, S, E)
        :param lengths: source lengths, int64, (B,), each from 1 to S
        :return: memory, (B, S, H), and each direction's last state, (2 L, B, H), ordered as
            ``torch.nn.GRU`` orders them: layer 0 forward, layer 0 backward, layer 1 forward, ...
        """
        B, S, _ = embedded.size()
        positions = torch.arange(S, device=embedded.device).unsqueeze(0)  # (1, S)
        last = (lengths - 1).unsqueeze(1)  # (B, 1)
        # Its own inverse: reversing twice gives the row back, and padding stays where it is.
        reversal = torch.where(positions <= last, last - positions, positions).unsqueeze(2)
        last_step = last.unsqueeze(2).expand(B, 1, self.hidden_size)

        states: list[Tensor] = []
        layer_input = embedded
        left_to_right = torch.empty(0)
        right_to_left = torch.empty(0)
        for layer, (forward_gru, backward_gru) in enumerate(
            zip(self.forwards, self.backwards)  # noqa: B905 (TorchScript's zip has no strict)
        ):
            if layer > 0:
                layer_input = self.dropout(torch.cat((left_to_right, right_to_left), dim=2))
            backward_input = layer_input.gather(1, reversal.expand(layer_input.size()))
            left_to_right = forward_gru(layer_input)[0]  # (B, S, H)
            reversed_output = backward_gru(backward_input)[0]  # (B, S, H)
            states.append(left_to_right.gather(1, last_step).squeeze(1))
            states.append(reversed_output.gather(1, last_step).squeeze(1))
            right_to_left = reversed_output.gather(1, reversal.expand(reversed_output.size()))
        return left_to_right + right_to_left, torch.stack(states)
