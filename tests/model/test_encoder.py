"""The encoder over padded batches."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bot.model.encoder import Encoder

LENGTHS = [7, 1, 4, 6]


@pytest.fixture(params=[1, 2], ids=["1 layer", "2 layers"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    torch.manual_seed(0)
    return Encoder(embedding_size=5, hidden_size=6, layers=request.param, dropout=0.5).eval()


@pytest.fixture
def embedded() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(len(LENGTHS), max(LENGTHS), 5)


def test_a_batch_equals_its_rows_one_by_one(encoder: Encoder, embedded: Tensor) -> None:
    memory, states = encoder(embedded, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        alone, alone_states = encoder(embedded[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(memory[row, :length], alone[0])
        torch.testing.assert_close(states[:, row], alone_states[:, 0])


def test_what_the_padding_holds_does_not_matter(encoder: Encoder, embedded: Tensor) -> None:
    padding = torch.arange(max(LENGTHS)) >= torch.tensor(LENGTHS).unsqueeze(1)
    other = embedded.masked_fill(padding.unsqueeze(2), 1e3)
    lengths = torch.tensor(LENGTHS)
    memory, states = encoder(embedded, lengths)
    other_memory, other_states = encoder(other, lengths)
    torch.testing.assert_close(states, other_states)
    torch.testing.assert_close(memory[~padding], other_memory[~padding])


def test_it_computes_what_a_packed_bidirectional_gru_does(
    encoder: Encoder, embedded: Tensor
) -> None:
    layers = len(encoder.forwards)
    gru = nn.GRU(5, 6, layers, batch_first=True, bidirectional=True)
    own = encoder.state_dict()
    for layer in range(layers):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(gru, f"{name}_l{layer}").data = own[f"forwards.{layer}.{name}_l0"]
            getattr(gru, f"{name}_l{layer}_reverse").data = own[f"backwards.{layer}.{name}_l0"]
    packed = pack_padded_sequence(
        embedded, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    output, expected_states = gru(packed)
    both, _ = pad_packed_sequence(output, batch_first=True)
    memory, states = encoder(embedded, torch.tensor(LENGTHS))
    torch.testing.assert_close(states, expected_states)
    for row, length in enumerate(LENGTHS):
        expected = both[row, :length, :6] + both[row, :length, 6:]
        torch.testing.assert_close(memory[row, :length], expected)
