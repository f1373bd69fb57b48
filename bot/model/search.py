"""Search for a reply: what is compiled to TorchScript and served."""

import math

import torch
from torch import Tensor, nn

from bot.model.constraints import constrain, draw
from bot.model.seq2seq import Seq2Seq


def length_normaliser(length: int, length_penalty: float) -> float:
    """What a reply's log-probability is divided by: ((5 + length) / 6) ^ length_penalty.

    Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 7, equation 14.

    :param length: tokens, ``EOS`` included
    """
    return math.pow((5.0 + length) / 6.0, length_penalty)


class GreedySearcher(nn.Module):
    """Takes the most probable token at each step (the tutorial's ``GreedySearchDecoder``).

    Unlike the tutorial's it works on batches, and a row that has produced ``EOS`` soon leaves them.
    Greedy search is ``forward``; ``sample`` and ``beam`` are the other ways to search.

    :param model: the trained model, in evaluation mode
    """

    def __init__(self, model: Seq2Seq, pad_id: int = 0, bos_id: int = 1, eos_id: int = 2) -> None:
        super().__init__()
        self.model = model
        # Going on without the replies that have ended costs a copy of what the others need.
        self.most_left = 0.75
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
        B, device = source_ids.size(0), source_ids.device
        rows = torch.arange(B, device=device)  # whose replies are being written
        token = torch.full((B, 1), self.bos_id, dtype=torch.long, device=device)
        ended = torch.zeros((B, 1), dtype=torch.bool, device=device)
        tokens: list[Tensor] = []
        scores: list[Tensor] = []
        stretches: list[tuple[Tensor, Tensor, Tensor]] = []
        for step in range(max_length):
            attentional, state, _weights = self.model.decode(token, state, memory, keys, mask)
            log_probabilities = self.model.logits(attentional).squeeze(1).float().log_softmax(1)
            score, token = log_probabilities.max(dim=1, keepdim=True)  # (B, 1), (B, 1)
            token = token.masked_fill(ended, self.pad_id)
            tokens.append(token)
            scores.append(score.masked_fill(ended, 0.0))
            ended = ended | (token == self.eos_id)
            left = rows.size(0) - int(ended.sum())
            if left == 0 or step + 1 == max_length:
                break
            if left <= self.most_left * rows.size(0):
                # A reply that has ended would cost as much as one that has not.
                stretches.append((rows, torch.cat(tokens, dim=1), torch.cat(scores, dim=1)))
                tokens.clear()
                scores.clear()
                kept = (~ended).squeeze(1).nonzero().squeeze(1)
                rows, token, ended = rows[kept], token[kept], ended[kept]
                memory, keys, mask, state = memory[kept], keys[kept], mask[kept], state[:, kept]
        stretches.append((rows, torch.cat(tokens, dim=1), torch.cat(scores, dim=1)))
        if len(stretches) == 1:
            token_ids, log_probabilities = stretches[0][1], stretches[0][2]
        else:
            token_ids, log_probabilities = self._join(stretches, B)
        return token_ids, log_probabilities, self._lengths(token_ids)

    def _join(
        self, stretches: list[tuple[Tensor, Tensor, Tensor]], batch_size: int
    ) -> tuple[Tensor, Tensor]:
        """Ids and scores, (B, T), of stretches of steps: the rows that took them, ids, scores."""
        token_ids: list[Tensor] = []
        scores: list[Tensor] = []
        for rows, some_ids, some_scores in stretches:
            size = (batch_size, some_ids.size(1))
            ids = torch.full(size, self.pad_id, dtype=torch.long, device=rows.device)
            token_ids.append(ids.index_copy(0, rows, some_ids))
            zeros = torch.zeros(size, dtype=torch.float32, device=rows.device)
            scores.append(zeros.index_copy(0, rows, some_scores))
        return torch.cat(token_ids, dim=1), torch.cat(scores, dim=1)

    def sample(
        self,
        source_ids: Tensor,
        source_lengths: Tensor,
        max_length: int,
        min_length: int,
        no_repeat_ngram: int,
        banned_ids: Tensor,
        temperature: float,
        top_k: int,
        uniforms: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Write one token after the other, drawn by chance, under constraints.

        With temperature 0 or ``top_k`` 1 this is greedy search under constraints.

        :param source_ids, source_lengths, max_length: as in ``forward``
        :param min_length, no_repeat_ngram, banned_ids: see ``constrain``
        :param temperature, top_k: see ``draw``
        :param uniforms: float32, (B, max_length), each from 0 to below 1: all the chance there is
        :return: as ``forward``; the log-probabilities are the model's, at temperature 1
        """
        memory, keys, mask, state = self.model.encode(source_ids, source_lengths)
        B = source_ids.size(0)
        token = torch.full((B, 1), self.bos_id, dtype=torch.long, device=source_ids.device)
        ended = torch.zeros((B, 1), dtype=torch.bool, device=source_ids.device)
        written = token[:, :0]
        scores: list[Tensor] = []
        for step in range(max_length):
            attentional, state, _weights = self.model.decode(token, state, memory, keys, mask)
            log_probabilities = self.model.logits(attentional).squeeze(1).float().log_softmax(1)
            allowed = constrain(
                log_probabilities, written, self.eos_id, min_length, no_repeat_ngram, banned_ids
            )
            token = draw(allowed, temperature, top_k, uniforms[:, step])
            scores.append(log_probabilities.gather(1, token).masked_fill(ended, 0.0))
            token = token.masked_fill(ended, self.pad_id)
            written = torch.cat((written, token), dim=1)
            ended = ended | (token == self.eos_id)
            if bool(ended.all()):
                break
        return written, torch.cat(scores, dim=1), self._lengths(written)

    def beam(
        self,
        source_ids: Tensor,
        source_lengths: Tensor,
        max_length: int,
        beam_size: int,
        length_penalty: float,
        min_length: int,
        no_repeat_ngram: int,
        banned_ids: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Beam search: keep the k most probable beginnings at each step.

        A beginning that ``EOS`` makes one of the k most probable continuations is finished and
        leaves the beam, which is filled up. A row's search ends when it has finished k replies;
        one that reaches ``max_length`` before is filled up with what is in the beam. With k = 1
        it writes what ``forward`` writes.

        :param source_ids, source_lengths, max_length: as in ``forward``
        :param beam_size: k, at least 1
        :param length_penalty: see ``length_normaliser``; 0 favours short replies
        :param min_length, no_repeat_ngram, banned_ids: see ``constrain``
        :return: token ids, int64, (B, k, T), ``PAD`` after ``EOS``, the best reply first and
            unfinished ones last; the tokens' log-probabilities, float32, (B, k, T), 0 for that
            ``PAD``; lengths, int64, (B, k), without ``EOS``; length-normalised scores, float32,
            (B, k), minus infinity where the constraints left fewer than k replies
        """
        B, k, device = source_ids.size(0), beam_size, source_ids.device
        memory, keys, mask, state = self.model.encode(source_ids, source_lengths)
        memory = memory.repeat_interleave(k, dim=0)  # (B k, S, H)
        keys = keys.repeat_interleave(k, dim=0)
        mask = mask.repeat_interleave(k, dim=0)
        state = state.repeat_interleave(k, dim=1)  # (L, B k, H)
        first_rows = (torch.arange(B, device=device) * k).unsqueeze(1)  # (B, 1), each row's first

        token = torch.full((B * k, 1), self.bos_id, dtype=torch.long, device=device)
        live_tokens = torch.full((B, k, max_length), self.pad_id, device=device)
        live_scores = torch.zeros((B, k, max_length), device=device)
        live_totals = torch.full((B, k), float("-inf"), device=device)
        live_totals[:, 0] = 0.0  # all k begin alike: only one of them counts
        best_tokens, best_scores = live_tokens, live_scores
        best_ratings = torch.full((B, k), float("-inf"), device=device)  # of finished replies
        ended = torch.zeros((B, 1), dtype=torch.bool, device=device)
        step = 0
        while step < max_length and not bool(ended.all()):
            attentional, state, _weights = self.model.decode(token, state, memory, keys, mask)
            log_probabilities = self.model.logits(attentional).squeeze(1).float().log_softmax(1)
            V = log_probabilities.size(1)
            written = live_tokens.view(B * k, max_length)[:, :step]
            allowed = constrain(
                log_probabilities, written, self.eos_id, min_length, no_repeat_ngram, banned_ids
            )
            # At most k of the best 2 k continuations end a reply, so k are left to go on with.
            totals = (live_totals.unsqueeze(2) + allowed.view(B, k, V)).view(B, k * V)
            totals, choices = totals.topk(2 * k, dim=1)  # (B, 2 k)
            parents, tokens = choices // V, choices % V
            token_scores = log_probabilities.view(B, k * V).gather(1, choices)
            histories = parents.unsqueeze(2).expand(B, 2 * k, max_length)
            next_tokens = live_tokens.gather(1, histories)
            next_tokens[:, :, step] = tokens
            next_scores = live_scores.gather(1, histories)
            next_scores[:, :, step] = token_scores
            ends = tokens == self.eos_id

            finished = ends[:, :k] & ~ended
            ratings = totals[:, :k] / length_normaliser(step + 1, length_penalty)
            ratings = torch.cat((best_ratings, ratings.masked_fill(~finished, float("-inf"))), 1)
            best_ratings, kept = ratings.topk(k, dim=1)
            kept = kept.unsqueeze(2).expand(B, k, max_length)
            best_tokens = torch.cat((best_tokens, next_tokens[:, :k]), dim=1).gather(1, kept)
            best_scores = torch.cat((best_scores, next_scores[:, :k]), dim=1).gather(1, kept)
            ended = (best_ratings > float("-inf")).all(dim=1, keepdim=True)

            live_totals, going_on = totals.masked_fill(ends, float("-inf")).topk(k, dim=1)
            histories = going_on.unsqueeze(2).expand(B, k, max_length)
            live_tokens = next_tokens.gather(1, histories)
            live_scores = next_scores.gather(1, histories)
            state = state.index_select(1, (first_rows + parents.gather(1, going_on)).view(B * k))
            token = tokens.gather(1, going_on).view(B * k, 1)
            step += 1

        # Finished replies first, then beginnings that max_length has cut.
        slots = torch.arange(k, device=device).unsqueeze(0).expand(B, k)
        count = (best_ratings > float("-inf")).sum(dim=1, keepdim=True)  # (B, 1)
        order = torch.where(slots < count, slots, k + slots - count)
        cut_ratings = live_totals / length_normaliser(step, length_penalty)
        ratings = torch.cat((best_ratings, cut_ratings), dim=1).gather(1, order)
        order = order.unsqueeze(2).expand(B, k, max_length)
        token_ids = torch.cat((best_tokens, live_tokens), dim=1).gather(1, order)[:, :, :step]
        scores = torch.cat((best_scores, live_scores), dim=1).gather(1, order)[:, :, :step]
        lengths = self._lengths(token_ids.reshape(B * k, step)).view(B, k)
        return token_ids, scores, lengths, ratings

    def _lengths(self, token_ids: Tensor) -> Tensor:
        """The tokens before ``EOS``, int64, (N,), of ids, (N, T)."""
        return ((token_ids == self.eos_id).cumsum(dim=1) == 0).sum(dim=1)

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
        return weights[:, :, : source_ids.size(1)]  # int8 pads further

    def _read_target(
        self, source_ids: Tensor, source_lengths: Tensor, target_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        memory, keys, mask, state = self.model.encode(source_ids, source_lengths)
        first = torch.full_like(target_ids[:, :1], self.bos_id)
        previous = torch.cat((first, target_ids[:, :-1]), dim=1)
        attentional, _state, weights = self.model.decode(previous, state, memory, keys, mask)
        return attentional, weights
