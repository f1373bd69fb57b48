"""Drawing the next token by chance. Compiled with the searcher that calls it."""

from torch import Tensor


def draw(log_probabilities: Tensor, temperature: float, top_k: int, uniforms: Tensor) -> Tensor:
    """Draw a token a row, int64, (N, 1), from softmax(log-probabilities / temperature).

    The distribution's inverse takes a uniform number to a token, so the caller alone decides
    where chance comes from. The tokens are ordered from the most probable one: a small number
    stands for a likely token.

    :param log_probabilities: (N, V)
    :param temperature: 0 takes the most probable token
    :param top_k: draw among the k most probable tokens (Fan et al., 2018,
        https://arxiv.org/abs/1805.04833, section 5); 0 among all
    :param uniforms: float32, (N,), each from 0 to below 1
    """
    if temperature == 0.0 or top_k == 1:
        return log_probabilities.argmax(dim=1, keepdim=True)
    V = log_probabilities.size(1)
    best, ids = log_probabilities.topk(min(top_k, V) if top_k > 0 else V, dim=1)
    # In float64 the smallest temperature is no zero and the largest float32 below 1 no 1.
    cumulative = ((best.double() - best[:, :1].double()) / temperature).exp().cumsum(dim=1)
    threshold = uniforms.double().unsqueeze(1) * cumulative[:, -1:]
    return ids.gather(1, (cumulative <= threshold).sum(dim=1, keepdim=True))
