"""The PyTorch chatbot tutorial's training step, written again, to compare ours with.

Source: https://pytorch.org/tutorials/beginner/chatbot_tutorial.html, "Define Models" and "Define
Training Procedure": a packed bidirectional GRU reads the source; the decoder is called once for
each step with dot attention, and its softmax is taken before the masked loss; encoder and decoder
share the embedding and have an Adam and a clipping each. Sequences are time first, as there.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bot.data.batches import Batch
from bot.model.seq2seq import Seq2Seq
from bot.text.tokenizer import BOS_ID, PAD_ID

DROPOUT = 0.1
CLIP = 50.0
LEARNING_RATE = 1e-4
DECODER_LEARNING_RATIO = 5.0


class TutorialEncoder(nn.Module):
    """Embeddings and a packed bidirectional GRU, the outputs of whose directions are summed."""

    def __init__(self, embedding: nn.Embedding, hidden_size: int, layers: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.gru = nn.GRU(
            hidden_size,
            hidden_size,
            layers,
            dropout=DROPOUT if layers > 1 else 0,
            bidirectional=True,
        )

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs, (S, B, H), and last states, (2 L, B, H), of a source, (S, B)."""
        packed = pack_padded_sequence(self.embedding(source), lengths)
        output, hidden = self.gru(packed)
        unpacked, _ = pad_packed_sequence(output)
        half = unpacked.size(2) // 2
        return unpacked[:, :, :half] + unpacked[:, :, half:], hidden


class TutorialDecoder(nn.Module):
    """One decode step with dot attention.

    :param mask_padding: whether attention leaves padding out, which the tutorial's does not; ours
        does, so that the two losses can be compared only with it
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        hidden_size: int,
        vocabulary: int,
        layers: int,
        *,
        mask_padding: bool,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.embedding_dropout = nn.Dropout(DROPOUT)
        self.gru = nn.GRU(hidden_size, hidden_size, layers, dropout=DROPOUT if layers > 1 else 0)
        self.concat = nn.Linear(2 * hidden_size, hidden_size)
        self.out = nn.Linear(hidden_size, vocabulary)
        self.mask_padding = mask_padding

    def forward(
        self, token: Tensor, hidden: Tensor, memory: Tensor, padding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Probabilities, (B, V), and the new state, after tokens, (1, B).

        :param memory: (S, B, H)
        :param padding: bool, (S, B)
        """
        output, hidden = self.gru(self.embedding_dropout(self.embedding(token)), hidden)
        energies = (output * memory).sum(dim=2)  # (S, B)
        if self.mask_padding:
            energies = energies.masked_fill(padding, float("-inf"))
        weights = energies.t().softmax(dim=1).unsqueeze(1)  # (B, 1, S)
        context = weights.bmm(memory.transpose(0, 1)).squeeze(1)
        combined = torch.tanh(self.concat(torch.cat((output.squeeze(0), context), dim=1)))
        return self.out(combined).softmax(dim=1), hidden


class TutorialTrainer:
    """Encoder, decoder and their optimisers, with the weights of a model of ours.

    :param model: with dot attention, untied embeddings and E = H
    """

    def __init__(self, model: Seq2Seq, *, mask_padding: bool = False) -> None:
        hidden_size, layers = model.encoder.hidden_size, len(model.encoder.forwards)
        vocabulary = model.embedding.num_embeddings
        embedding = nn.Embedding(vocabulary, hidden_size)
        self.encoder = TutorialEncoder(embedding, hidden_size, layers)
        self.decoder = TutorialDecoder(
            embedding, hidden_size, vocabulary, model.decoder_layers, mask_padding=mask_padding
        )
        self.take_weights(model)
        dtype = model.embedding.weight.dtype
        self.encoder.to(dtype)
        self.decoder.to(dtype)
        self.encoder_adam = torch.optim.Adam(self.encoder.parameters(), lr=LEARNING_RATE)
        self.decoder_adam = torch.optim.Adam(
            self.decoder.parameters(), lr=LEARNING_RATE * DECODER_LEARNING_RATIO
        )

    def named_weights(self) -> dict[str, Tensor]:
        """The weights by the names that ours have."""
        names: dict[str, Tensor] = {"embedding.weight": self.encoder.embedding.weight}
        for name, weight in self.encoder.gru.named_parameters():
            kind, layer = name.removesuffix("_reverse").rsplit("_l", 1)
            direction = "backwards" if name.endswith("_reverse") else "forwards"
            names[f"encoder.{direction}.{layer}.{kind}_l0"] = weight
        for ours, theirs in (
            ("decoder.gru", self.decoder.gru),
            ("decoder.combine", self.decoder.concat),
            ("output", self.decoder.out),
        ):
            names |= {f"{ours}.{name}": weight for name, weight in theirs.named_parameters()}
        return names

    def take_weights(self, model: Seq2Seq) -> None:
        """Start from the weights of ours."""
        theirs = self.named_weights()
        for name, weight in model.named_parameters():
            theirs[name].data.copy_(weight.data)

    def train(self, *, dropout: bool) -> None:
        """Switch dropout on or off."""
        self.encoder.train(dropout)
        self.decoder.train(dropout)

    def loss(self, batch: Batch) -> tuple[Tensor, float]:
        """The loss under teacher forcing, and the mean in nats per token.

        :param batch: whose longest source comes first
        """
        source, target = batch.source_ids.t(), batch.next_ids.t()
        memory, hidden = self.encoder(source, batch.source_lengths)
        hidden = hidden[: self.decoder.gru.num_layers]
        token = torch.full((1, source.size(1)), BOS_ID)
        loss = torch.zeros(())
        nats, tokens = 0.0, 0
        for gold in target:
            probabilities, hidden = self.decoder(token, hidden, memory, source == PAD_ID)
            token = gold.unsqueeze(0)
            real = gold != PAD_ID
            cross_entropy = -probabilities.gather(1, gold.unsqueeze(1)).squeeze(1).log()
            step_loss = cross_entropy.masked_select(real).mean()
            loss = loss + step_loss
            count = int(real.sum())
            nats += step_loss.item() * count
            tokens += count
        return loss, nats / tokens

    def step(self, batch: Batch) -> float:
        """One iteration; nats per token."""
        self.encoder_adam.zero_grad()
        self.decoder_adam.zero_grad()
        loss, nats_per_token = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.encoder.parameters(), CLIP)
        nn.utils.clip_grad_norm_(self.decoder.parameters(), CLIP)
        self.encoder_adam.step()
        self.decoder_adam.step()
        return nats_per_token


def longest_source_first(batch: Batch) -> Batch:
    """The batch as ``pack_padded_sequence`` wants it."""
    order = batch.source_lengths.argsort(descending=True, stable=True)
    return Batch(*(tensor[order] for tensor in batch))
