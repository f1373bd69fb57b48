"""One run on several processes, as ``torchrun`` starts them: each computes a share of each batch.

    torchrun --nproc-per-node 2 -m bot train ...

Every process has the whole model and the whole data; gradients are summed over all of them, gloo
on CPU, NCCL on GPU, a GPU for each process. Process 0, the main one, prepares the run's folder,
evaluates, reports and saves. The folder must be the same for all, which on several machines means
a shared disk.
"""

import shlex
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn  # while there is no group that its default arguments could hold
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bot.errors import CauserieError

# The others wait so long while the main process prepares the corpora or evaluates.
LONGEST_WAIT = timedelta(hours=6)


def resume_command(run: Path, processes: int) -> str:
    """What to type to go on with a run that so many processes have written."""
    if processes == 1:
        return f"python -m bot train --run {shlex.quote(str(run))} --resume"
    return (
        f"torchrun --nproc-per-node {processes} -m bot train"
        f" --run-folder {shlex.quote(str(run))} --resume"
    )


class Processes:
    """This process among those of the run; by default it is alone.

    :param rank: this process' number
    :param size: how many there are
    :param device: what this one computes on
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu") -> None:
        self.rank = rank
        self.size = size
        self.device = torch.device(device)
        self._parallel: DistributedDataParallel | None = None

    @property
    def is_main(self) -> bool:
        """Whether this one speaks and writes for all."""
        return self.rank == 0

    def share(self, indices: Sequence[int]) -> list[int]:
        """This process' part of a batch; of a last, small batch it can be nothing."""
        return list(indices[self.rank :: self.size])

    def wrap(self, module: nn.Module) -> Callable[..., Any]:
        """The module's forward, whose gradients ``backward`` averages over the processes.

        It works until ``close``, also where somebody still holds it: the reference is a weak one.
        """
        if self.size == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        self._parallel = DistributedDataParallel(module, device_ids=devices)
        return weakref.proxy(self._parallel)

    def close(self) -> None:
        """Let go of what holds the processes together."""
        self._parallel = None

    def total(self, value: float) -> float:
        """The sum of what the processes give."""
        if self.size == 1:
            return value
        values = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(values)
        return float(values)

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes it: all get the same answer, so that all do the same."""
        return self.total(float(wish)) > 0

    def gather(self, state: Tensor) -> Tensor:
        """A tensor of each process, (processes, ...), on the CPU."""
        if self.size == 1:
            return state.unsqueeze(0)
        states = [torch.empty_like(state, device=self.device) for _ in range(self.size)]
        dist.all_gather(states, state.to(self.device))
        return torch.stack(states).cpu()

    def failure(self, error: CauserieError) -> BaseException:
        """What to raise where every process fails alike: only the main one says why."""
        return error if self.is_main else SystemExit(1)

    def first(self, work: Callable[[], None]) -> None:
        """Let the main process do something while the others wait for it.

        :raises SystemExit: in the others, if it failed there; the main process has said why
        """
        done = False
        try:
            if self.is_main:
                work()
                done = True
        finally:
            succeeded = self.agree(done)
        if not succeeded:
            raise SystemExit(1)


@contextmanager
def started_processes(device: str) -> Iterator[Processes]:
    """The processes that ``torchrun`` started; without it, this one.

    :param device: ``cpu`` or ``cuda``
    """
    if not dist.is_torchelastic_launched():
        yield Processes(device=device)
        return
    if device == "cuda":
        device = f"cuda:{dist.get_node_local_rank()}"
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if device == "cpu" else "nccl", timeout=LONGEST_WAIT)
    group = dist.group.WORLD
    processes = Processes(dist.get_rank(), dist.get_world_size(), device)
    try:
        yield processes
    finally:
        processes.close()
        dist.destroy_process_group()
        # gloo's threads need the interpreter's lock to release their last tensors, so they must end
        # before the interpreter does. Deleting the last reference to the group waits for them, and
        # deleting this one does so without holding the lock. It is the last one, unless an
        # exception from within the parallel module has another one in its traceback.
        del group
