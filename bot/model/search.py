"""Search for a reply: what is compiled to TorchScript and served."""

import torch
from torch import Tensor, nn

from bot.model.seq2seq import Seq2Seq


class GreedySearcher(nn.Module):
    """Takes the most probable token at each step (the tutorial's ``GreedySearchDecoder``).

    Unlike the tutorial's it works on batches and stops when every row has produced ``EOS``.

    :param model: the trained model, in evaluation mode
    """

    def __init__(self, model: Seq2Seq, pad_id: int = 0, bos_id: int = 1, eos_id: int = 2) -> None:
        super().__init__()
        self.model = model
        self.pad_id = pad_id
        self.bos_id = bos_id
        self.eos_id = eos_id

    def forward(
        self, source_ids: Tensor, source_lengths: Tensor, max_length: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Search for a reply to each row.

        :param source_ids: int64, (B, S), padded after each row's length
        :param source_lengths: int64, (B,), each from 1 to S
        :param max_length: the most tokens to write, ``EOS`` included
        :return: token ids, int64, (B, T), ``PAD`` after a row's ``EOS``; the tokens'
            log-probabilities, float32, (B, T), 0 for that ``PAD``; reply lengths, int64, (B,),
            which do not count ``EOS``
        """
        memory, keys, mask, state = self.model.encode(source_ids, source_lengths)
        B = source_ids.size(0)
        token = torch.full((B, 1), self.bos_id, dtype=torch.long, device=source_ids.device)
        ended = torch.zeros((B, 1), dtype=torch.bool, device=source_ids.device)
        lengths = torch.zeros((B, 1), dtype=torch.long, device=source_ids.device)
        tokens: list[Tensor] = []
        scores: list[Tensor] = []
        for _ in range(max_length):
            attentional, state, _weights = self.model.decode(token, state, memory, keys, mask)
            log_probabilities = self.model.logits(attentional).squeeze(1).float().log_softmax(1)
            score, token = log_probabilities.max(dim=1, keepdim=True)  # (B, 1), (B, 1)
            token = token.masked_fill(ended, self.pad_id)
            tokens.append(token)
            scores.append(score.masked_fill(ended, 0.0))
            ended = ended | (token == self.eos_id)
            lengths = lengths + (~ended).long()
            if bool(ended.all()):
                break
        return torch.cat(tokens, dim=1), torch.cat(scores, dim=1), lengths.squeeze(1)

    def target_scores(
        self, source_ids: Tensor, source_lengths: Tensor, target_ids: Tensor
    ) -> Tensor:
        """How probable given replies are.

        :param source_ids: int64, (B, S), padded after each row's length
        :param source_lengths: int64, (B,), each from 1 to S
        :param target_ids: int64, (B, T), each row's reply to ``EOS``, then ``PAD``
        :return: the tokens' log-probabilities, float32, (B, T), 0 for ``PAD``
        """
        attentional, _weights = self._read_target(source_ids, source_lengths, target_ids)
        log_probabilities = self.model.logits(attentional).float().log_softmax(2)
        scores = log_probabilities.gather(2, target_ids.unsqueeze(2)).squeeze(2)
        return scores.masked_fill(target_ids == self.pad_id, 0.0)

    def attention(self, source_ids: Tensor, source_lengths: Tensor, target_ids: Tensor) -> Tensor:
        """Where the decoder looks while it writes given replies.

        :param target_ids: int64, (B, T), as ``target_scores`` and ``forward`` have them
        :return: attention weights, (B, T, S), of each token's decode step
        """
        _attentional, weights = self._read_target(source_ids, source_lengths, target_ids)
        return weights

    def _read_target(
        self, source_ids: Tensor, source_lengths: Tensor, target_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        memory, keys, mask, state = self.model.encode(source_ids, source_lengths)
        first = torch.full_like(target_ids[:, :1], self.bos_id)
        previous = torch.cat((first, target_ids[:, :-1]), dim=1)
        attentional, _state, weights = self.model.decode(previous, state, memory, keys, mask)
        return attentional, weights
