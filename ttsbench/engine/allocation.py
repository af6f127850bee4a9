"""Allocation: which waiting task may start on the free resources of one machine."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ttsbench.engine.events import TaskCall
from ttsbench.engine.resources import ROUNDING, Resources


@dataclass(frozen=True)
class Grant:
    """Resources that were set aside for a task, with the ids of the GPUs that it sees."""

    resources: Resources
    gpus: tuple[str, ...] = ()


NOTHING = Grant(Resources(0.0))


class Allocator:
    """The free resources of one machine."""

    def __init__(self, machine: Resources, gpus: Sequence[str] = ()) -> None:
        self._cpus, self._memory_gb = machine.cpus, machine.memory_gb
        self._gpus = dict.fromkeys(gpus, 1.0)  # id -> free share

    def lacking(self, need: Resources) -> list[str]:
        """Return the kinds of resources of which too little is free."""
        has_gpus = len(self._gpus_for(need)) >= need.gpus
        return need.lacking(Resources(self._cpus, need.gpus if has_gpus else 0.0, self._memory_gb))

    def take(self, need: Resources) -> Grant:
        """Set resources aside that are free."""
        gpus = self._gpus_for(need)
        self._add(need, gpus, -1.0)
        return Grant(need, gpus)

    def release(self, grant: Grant) -> None:
        """Free the resources of a task that has ended."""
        self._add(grant.resources, grant.gpus, 1.0)

    def _gpus_for(self, need: Resources) -> tuple[str, ...]:
        """Return the freest GPUs that have the needed share, as many as are needed."""
        share = min(1.0, need.gpus)
        usable = [gpu for gpu, free in self._gpus.items() if free >= share - ROUNDING]
        usable.sort(key=lambda gpu: -round(self._gpus[gpu], 6))
        return tuple(usable[: max(1, int(need.gpus))]) if need.gpus else ()

    def _add(self, need: Resources, gpus: Sequence[str], sign: float) -> None:
        self._cpus += sign * need.cpus
        self._memory_gb += sign * need.memory_gb
        for gpu in gpus:
            self._gpus[gpu] += sign * min(1.0, need.gpus)


class WaitingTasks:
    """Tasks that wait for resources. Those with equal needs start in the order in which they were submitted.

    A task that lacks a kind of resource keeps younger tasks from taking that kind, so that small tasks cannot make a
    large one wait until they are all done.
    """

    def __init__(self) -> None:
        self._queues: dict[Resources, deque[tuple[int, TaskCall]]] = defaultdict(deque)
        self._count = 0

    def put(self, call: TaskCall) -> None:
        """Add a task."""
        self._queues[call.needs].append((self._count, call))
        self._count += 1

    def put_back(self, call: TaskCall) -> None:
        """Add a task that could not be started, before all others."""
        self._queues[call.needs].appendleft((-1, call))

    def take(self, allocator: Allocator) -> tuple[TaskCall, Grant] | None:
        """Return the first task that may start, with its resources; None if no task may start."""
        awaited: set[str] = set()
        for needs in sorted((needs for needs, queue in self._queues.items() if queue), key=self._age):
            lacking = allocator.lacking(needs)
            if not lacking and not _takes(needs, awaited):
                return self._queues[needs].popleft()[1], allocator.take(needs)
            awaited.update(lacking)
        return None

    def _age(self, needs: Resources) -> int:
        return self._queues[needs][0][0]


def _takes(needs: Resources, kinds: Collection[str]) -> bool:
    return any(getattr(needs, kind) for kind in kinds)
