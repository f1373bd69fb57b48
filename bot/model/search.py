"""Search for a reply: what is compiled to TorchScript and served.

Shapes as in ``bot/model``, and N: rows whose replies are being written, B at first and fewer when
some have ended; K: beam size.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bot.model.beam import (
    Replies,
    best,
    continuations,
    finished_first,
    length_normaliser,
    together,
)
from bot.model.constraints import constrain
from bot.model.sampling import draw
from bot.model.seq2seq import Seq2Seq


class Rows(NamedTuple):
    """What greedy search needs of the rows whose replies are being written.

    :param numbers: int64, (N,), which rows of the batch they are
    :param token: int64, (N, 1), what was written last
    :param ended: bool, (N, 1), whether that was ``EOS`` or came after it
    :param state: (L, N, H)
    :param memory, keys: (N, S, H)
    :param mask: (N, S)
    """

    numbers: Tensor
    token: Tensor
    ended: Tensor
    state: Tensor
    memory: Tensor
    keys: Tensor
    mask: Tensor


class GreedySearcher(nn.Module):
    """Takes the most probable token at each step (the tutorial's ``GreedySearchDecoder``).

    Unlike the tutorial's it works on batches, and a row that has produced ``EOS`` soon leaves them.
    Greedy search is ``forward``; ``sample`` and ``beam`` are the other ways to search.

    :param model: the trained model, in evaluation mode
    """

    def __init__(self, model: Seq2Seq, pad_id: int = 0, bos_id: int = 1, eos_id: int = 2) -> None:
        super().__init__()
        self.model = model
        self.most_left = 0.75  # see ``_going_on``
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
        token = torch.full((B, 1), self.bos_id, dtype=torch.long, device=device)
        ended = torch.zeros((B, 1), dtype=torch.bool, device=device)
        rows = Rows(torch.arange(B, device=device), token, ended, state, memory, keys, mask)
        tokens: list[Tensor] = []
        scores: list[Tensor] = []
        writers: list[Tensor] = []
        for _ in range(max_length):
            log_probabilities, state = self._step(
                rows.token, rows.state, rows.memory, rows.keys, rows.mask
            )  # (N, V)
            score, token = log_probabilities.max(dim=1, keepdim=True)  # (N, 1), (N, 1)
            token = token.masked_fill(rows.ended, self.pad_id)
            tokens.append(token)
            scores.append(score.masked_fill(rows.ended, 0.0))
            writers.append(rows.numbers)
            ended = rows.ended | (token == self.eos_id)
            rows = _going_on(
                Rows(rows.numbers, token, ended, state, rows.memory, rows.keys, rows.mask),
                self.most_left,
            )
            if rows.numbers.numel() == 0:
                break
        token_ids = _join(tokens, writers, B, self.pad_id)
        return token_ids, _join(scores, writers, B, 0), self._lengths(token_ids)

    def _step(
        self, token: Tensor, state: Tensor, memory: Tensor, keys: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One decode step: the next token's log-probabilities, float32, (N, V), and the state.

        :param token: int64, (N, 1), the previous one
        :param state, memory, keys, mask: N rows of what ``Seq2Seq.encode`` returned
        """
        attentional, state, _weights = self.model.decode(token, state, memory, keys, mask)
        return self.model.logits(attentional).squeeze(1).float().log_softmax(1), state

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
            log_probabilities, state = self._step(token, state, memory, keys, mask)  # (B, V)
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
        """Beam search: keep the K most probable beginnings at each step.

        A beginning is finished when its continuation with ``EOS`` is one of the K most probable.
        It leaves the beam, which is filled up. A row's search ends when it has finished K
        replies; if it reaches ``max_length`` before, what is in the beam fills its replies up.
        With K = 1 it writes what ``forward`` writes.

        :param source_ids, source_lengths, max_length: as in ``forward``
        :param beam_size: K, at least 1
        :param length_penalty: see ``length_normaliser``; 0 favours short replies
        :param min_length, no_repeat_ngram, banned_ids: see ``constrain``
        :return: token ids, int64, (B, K, T), ``PAD`` after ``EOS``, the best reply first and
            unfinished ones last; the tokens' log-probabilities, float32, (B, K, T), 0 for that
            ``PAD``; lengths, int64, (B, K), without ``EOS``; length-normalised scores, float32,
            (B, K), minus infinity where the constraints left fewer than K replies
        """
        B, K, device = source_ids.size(0), beam_size, source_ids.device
        nothing = float("-inf")
        # 1. Begin: every source K times, each with an empty beginning, of which only one counts.
        memory, keys, mask, state = self.model.encode(source_ids, source_lengths)
        memory = memory.repeat_interleave(K, dim=0)  # (B K, S, H)
        keys = keys.repeat_interleave(K, dim=0)  # (B K, S, H)
        mask = mask.repeat_interleave(K, dim=0)  # (B K, S)
        state = state.repeat_interleave(K, dim=1)  # (L, B K, H)
        first_rows = (torch.arange(B, device=device) * K).unsqueeze(1)  # (B, 1), each row's first
        token = torch.full((B * K, 1), self.bos_id, dtype=torch.long, device=device)
        blank_ids = torch.full((B, K, max_length), self.pad_id, dtype=torch.long, device=device)
        blank_scores = torch.zeros((B, K, max_length), device=device)
        finished = Replies(blank_ids, blank_scores, torch.full((B, K), nothing, device=device))
        live = Replies(blank_ids, blank_scores, torch.full((B, K), nothing, device=device))
        live.ratings[:, 0] = 0.0
        ended = torch.zeros((B, 1), dtype=torch.bool, device=device)
        step = 0
        while step < max_length and not bool(ended.all()):
            # 2. Continue each beginning. At most K of the best 2 K continuations end a reply, so
            # that K are left to go on with.
            log_probabilities, state = self._step(token, state, memory, keys, mask)  # (B K, V)
            written = live.token_ids.view(B * K, max_length)[:, :step]
            allowed = constrain(
                log_probabilities, written, self.eos_id, min_length, no_repeat_ngram, banned_ids
            )
            longer, parents, tokens = continuations(live, log_probabilities, allowed, step)
            ends = tokens == self.eos_id  # (B, 2 K)

            # 3. Finish: those of the best K that end are replies, unless the row's search has
            # ended before.
            ratings = longer.ratings[:, :K] / length_normaliser(step + 1, length_penalty)
            ratings = ratings.masked_fill(~ends[:, :K] | ended, nothing)  # (B, K)
            ending = Replies(longer.token_ids[:, :K], longer.scores[:, :K], ratings)
            finished, _numbers = best(together(finished, ending), K)
            ended = (finished.ratings > nothing).all(dim=1, keepdim=True)

            # 4. Go on with the best K that do not end, each with the state of the one it continues.
            unended = longer.ratings.masked_fill(ends, nothing)  # (B, 2 K)
            live, numbers = best(Replies(longer.token_ids, longer.scores, unended), K)
            state = state.index_select(1, (first_rows + parents.gather(1, numbers)).view(B * K))
            token = tokens.gather(1, numbers).view(B * K, 1)
            step += 1

        # 5. Fill up: finished replies first, then beginnings that max_length has cut.
        cut_ratings = live.ratings / length_normaliser(step, length_penalty)
        found = finished_first(finished, Replies(live.token_ids, live.scores, cut_ratings))
        token_ids, scores = found.token_ids[:, :, :step], found.scores[:, :, :step]
        lengths = self._lengths(token_ids.reshape(B * K, step)).view(B, K)
        return token_ids, scores, lengths, found.ratings

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


def _going_on(rows: Rows, most_left: float) -> Rows:
    """Without the rows that have ended, once their cost is more than that of copying the others.

    :param most_left: copying pays where at most such a share of the rows goes on
    """
    going_on = rows.numbers.size(0) - int(rows.ended.sum())
    if going_on > most_left * rows.numbers.size(0):
        return rows
    kept = (~rows.ended).squeeze(1).nonzero().squeeze(1)
    return Rows(
        rows.numbers[kept],
        rows.token[kept],
        rows.ended[kept],
        rows.state[:, kept],
        rows.memory[kept],
        rows.keys[kept],
        rows.mask[kept],
    )


def _join(columns: list[Tensor], writers: list[Tensor], batch_size: int, padding: int) -> Tensor:
    """What T steps wrote, (B, T).

    :param columns: of each step, (N, 1)
    :param writers: the rows that it is of, int64, (N,)
    :param padding: what stands where a row wrote nothing any more
    """
    B, T = batch_size, len(columns)
    if writers[-1].size(0) == B:  # no row has left
        return torch.cat(columns, dim=1)
    places = torch.cat([rows * T + step for step, rows in enumerate(writers)])
    written = torch.cat(columns).squeeze(1)
    joined = torch.full((B * T,), padding, dtype=written.dtype, device=written.device)
    return joined.index_copy_(0, places, written).view(B, T)
