import gc
from collections import Counter, deque
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.serving.queue import FairQueue, Request


def request(user: Hashable = "ann", group: str = "short", batch_size: int = 8) -> Request:
    return Request(user=user, group=group, batch_size=batch_size)


def put_all(queue: FairQueue[Request], requests: list[Request]) -> None:
    for one in requests:
        assert queue.put(one) is None


def take(queue: FairQueue[Request], max_size: int) -> list[Request]:
    return queue.take_batch(max_size)


def test_an_empty_queue_has_no_batch() -> None:
    assert take(FairQueue(1), 8) == []


def test_one_users_requests_come_in_order_and_at_most_so_many_in_a_batch() -> None:
    queue: FairQueue[Request] = FairQueue(10)
    requests = [request() for _ in range(5)]
    put_all(queue, requests)
    assert [take(queue, 2) for _ in range(3)] == [requests[:2], requests[2:4], requests[4:]]
    assert len(queue) == 0


def test_a_flooder_has_one_place_in_each_turn() -> None:
    queue: FairQueue[Request] = FairQueue(400)
    flood = [request("flooder") for _ in range(300)]
    put_all(queue, flood)
    ann, bob = [request("ann"), request("ann")], [request("bob")]
    put_all(queue, [*ann, *bob])
    assert take(queue, 4) == [flood[0], ann[0], bob[0], flood[1]]
    assert take(queue, 4) == [ann[1], *flood[2:5]]


def test_who_was_served_goes_to_the_end() -> None:
    queue: FairQueue[Request] = FairQueue(10)
    put_all(queue, [request(user) for user in "abc" for _ in range(3)])
    assert [take(queue, 1)[0].user for _ in range(9)] == list("abcabcabc")


def test_only_requests_of_one_group_are_in_a_batch_and_the_first_in_line_says_which() -> None:
    queue: FairQueue[Request] = FairQueue(10)
    long = request("ann", "long")
    short = [request("bob"), request("cid")]
    also_long = request("dan", "long")
    put_all(queue, [long, *short, also_long])
    assert take(queue, 8) == [long, also_long]
    assert take(queue, 8) == short


def test_one_users_newer_request_may_join_a_batch_without_costing_it_its_turn() -> None:
    queue: FairQueue[Request] = FairQueue(10)
    bob = [request("bob"), request("bob")]
    long, short = request("ann", "long"), request("ann")
    put_all(queue, [*bob, long, short])
    assert take(queue, 2) == [bob[0], short]
    assert take(queue, 2) == [long]
    assert take(queue, 2) == [bob[1]]


def test_nobody_starves_while_others_always_have_company() -> None:
    """Whoever stands sixth is the first of all in the sixth batch at the latest."""
    queue: FairQueue[Request] = FairQueue(100)
    put_all(queue, [request(user) for user in range(5)])
    long = request("ann", "long")
    put_all(queue, [long, request("ann")])
    taken = []
    for _ in range(6):
        batch = take(queue, 8)
        taken += batch
        put_all(queue, [request(one.user) for one in batch])
    assert long in taken


def test_a_full_queue_refuses_whoever_has_as_many_waiting_as_anybody() -> None:
    queue: FairQueue[Request] = FairQueue(2)
    put_all(queue, [request("ann"), request("bob")])
    for user in ("ann", "cid"):
        newcomer = request(user)
        assert queue.put(newcomer) is newcomer
    assert len(queue) == 2


def test_a_newcomer_takes_the_place_of_the_newest_request_of_whoever_has_most() -> None:
    queue: FairQueue[Request] = FairQueue(5)
    flood = [request("flooder") for _ in range(4)]
    ann = request("ann")
    put_all(queue, [*flood, ann])
    assert queue.put(request("bob")) is flood[3]
    again = request("ann")
    assert queue.put(again) is flood[2]
    # Now each has as many as is fair.
    too_many = request("ann")
    assert queue.put(too_many) is too_many
    assert [one.user for one in take(queue, 8)] == ["flooder", "ann", "bob", "flooder", "ann"]


def test_a_discarded_request_frees_its_place_and_is_never_taken() -> None:
    queue: FairQueue[Request] = FairQueue(2)
    kept, gone = request(), request()
    put_all(queue, [kept, gone])
    queue.discard(gone)
    queue.discard(gone)
    put_all(queue, [third := request()])
    assert take(queue, 8) == [kept, third]


def test_clearing_takes_everything() -> None:
    queue: FairQueue[Request] = FairQueue(5)
    requests = [request(user) for user in "aab"]
    put_all(queue, requests)
    assert queue.clear() == requests
    assert len(queue) == 0
    assert take(queue, 8) == []


def test_a_hundred_thousand_requests_of_as_many_users_leave_nothing_behind() -> None:
    queue: FairQueue[Request] = FairQueue(64)
    put_all(queue, [request("flooder") for _ in range(64)])
    for number in range(100_000):
        queue.put(request(number))
    assert len(queue) == 64
    while take(queue, 32):
        pass
    gc.collect()
    assert sum(type(one) is Request for one in gc.get_objects()) == 0
    assert not queue._lines


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 3), st.sampled_from("sl")),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("discard"), st.integers(0, 30)),
    ),
    max_size=60,
)


def test_a_group_says_how_many_of_it_are_in_a_batch() -> None:
    queue: FairQueue[Request] = FairQueue(10)
    put_all(queue, [request(user, batch_size=2) for user in "abc"])
    assert len(take(queue, 8)) == 2


@given(ACTIONS)
def test_whatever_happens_each_request_leaves_once_and_the_queue_stays_bounded(
    actions: list[tuple[object, ...]],
) -> None:
    queue: FairQueue[Request] = FairQueue(5)
    waiting: deque[Request] = deque()  # in order of arrival
    for action in actions:
        if action[0] == "put":
            _, user, group = action
            one = request(user, str(group))
            turned_away = queue.put(one)
            waiting.append(one)
            if turned_away is not None:
                assert len(waiting) == 6
                counts = Counter(other.user for other in waiting)
                assert counts[turned_away.user] == max(counts.values())
                # The newest of its user.
                assert turned_away is [r for r in waiting if r.user == turned_away.user][-1]
                waiting.remove(turned_away)
        elif action[0] == "take":
            batch = queue.take_batch(int(str(action[1])))
            assert len(batch) <= int(str(action[1]))
            assert bool(batch) == bool(waiting)
            assert len({other.group for other in batch}) <= 1
            assert len(set(map(id, batch))) == len(batch)
            assert all(other in waiting for other in batch)
            for user in {other.user for other in batch}:
                # The oldest of the user's that fit.
                fit = [r for r in waiting if r.user == user and r.group == batch[0].group]
                mine = [r for r in batch if r.user == user]
                assert mine == fit[: len(mine)]
            waiting = deque(other for other in waiting if other not in batch)
        elif waiting:
            gone = waiting[int(str(action[1])) % len(waiting)]
            queue.discard(gone)
            waiting.remove(gone)
        assert len(queue) == len(waiting) <= 5


@pytest.mark.parametrize("max_size", [1, 3])
def test_users_with_always_something_waiting_are_served_equally(max_size: int) -> None:
    queue: FairQueue[Request] = FairQueue(100)
    put_all(
        queue,
        [request(user) for user, count in (("a", 50), ("b", 3), ("c", 3)) for _ in range(count)],
    )
    served: Counter[Hashable] = Counter()
    for _ in range(30):
        batch = take(queue, max_size)
        served.update(one.user for one in batch)
        put_all(queue, [request(one.user) for one in batch])
    assert max(served.values()) - min(served.values()) <= 1
