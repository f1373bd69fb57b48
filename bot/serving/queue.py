"""The requests that wait: bounded, fair among users, taken in batches."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Generic, TypeVar


@dataclass(eq=False, kw_only=True)
class Request:
    """Something to be computed.

    :param user: whose it is
    :param group: requests of equal groups may be computed together
    :param batch_size: how many of this group at most
    """

    user: Hashable
    group: Hashable
    batch_size: int


R = TypeVar("R", bound=Request)


class FairQueue(Generic[R]):
    """A line of requests for each user; the users take turns.

    In each round, every user has one request taken: the oldest. A user without requests takes no
    memory.

    :param limit: how many requests may wait
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._length = 0
        # The user whose turn is next comes first. In a line the oldest request comes first. A line
        # is a dictionary without values, because a request may leave from its middle at once.
        self._lines: OrderedDict[Hashable, OrderedDict[R, None]] = OrderedDict()

    def __len__(self) -> int:
        return self._length

    def put(self, request: R) -> R | None:
        """Let a request wait, at the end of its user's line.

        When the queue is full, one request gets no place. Say the longest line has n requests,
        and the new one would make its own user's line m long. If m < n, the newest request of the
        longest line leaves. Otherwise the new request does not come in.

        :return: the request without a place, this one or another; ``None`` if all have one
        """
        displaced = None
        if self._length >= self._limit:
            longest = max(self._lines.values(), key=len)
            if len(self._lines.get(request.user, ())) + 1 >= len(longest):
                return request
            displaced = next(reversed(longest))
            self.discard(displaced)
        self._lines.setdefault(request.user, OrderedDict())[request] = None
        self._length += 1
        return displaced

    def discard(self, request: R) -> None:
        """Free a request's place, if it waits."""
        line = self._lines.get(request.user, OrderedDict())
        if request in line:
            del line[request]
            self._length -= 1
            if not line:
                del self._lines[request.user]

    def take_batch(self, share: int) -> list[R]:
        """Take the requests that are computed together next.

        1. The first user's oldest request is taken. Its group is the group of the batch.
        2. The other places go to requests of that group. The users take turns in order, and each
           gives the oldest of the group in each round, until the batch is full.
        3. A user whose oldest request was taken goes to the end of the users. A user who gave only
           newer ones stays in place: the oldest still waits, for a batch of its own group.

        So every request is taken after a bounded number of batches: its user moves up until the
        request is the first of all, and the first is always taken.

        :param share: how many at most; a group may allow fewer
        :return: none if none waits
        """
        if not self._lines:
            return []
        first = next(iter(next(iter(self._lines.values()))))
        lines = [(r for r in line if r.group == first.group) for line in self._lines.values()]
        in_turn = (r for turn in zip_longest(*lines) for r in turn if r is not None)
        batch = list(islice(in_turn, min(share, first.batch_size)))
        for request in batch:
            is_oldest = request is next(iter(self._lines[request.user]))
            self.discard(request)
            if is_oldest and request.user in self._lines:
                self._lines.move_to_end(request.user)
        return batch

    def clear(self) -> list[R]:
        """Take everything."""
        requests = [request for line in self._lines.values() for request in line]
        self._lines.clear()
        self._length = 0
        return requests
