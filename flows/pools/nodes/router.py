"""Decides on which machine each call runs."""

import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from flows.pools.call import Call, Inputs
from flows.pools.nodes.node_set import NodeSet
from tasks.stage_table import STAGES

logger = logging.getLogger(__name__)

MAX_LOSSES = 5
"""How often the inputs of a call may be lost while their machines are up, which only Ray could explain."""


class Router:
    """Sends a file's first call to the machine with the fewest files for its size, and all later ones there too.

    What lay on a machine that has died is read from the stored results; decoded audio, which is not stored, is decoded
    once more elsewhere, before the calls that need it are run. Of the calls that have lost their machine, each machine
    runs one at a time. Only for the dispatcher's thread.
    """

    def __init__(self, sets: Mapping[str, NodeSet]) -> None:
        self._sets = sets
        self._unplaced: dict[str, deque[Call]] = {stage: deque() for stage in reversed(STAGES)}
        self._suspects: list[Call] = []
        """Calls that machines ran when they died, waiting for a machine that runs no other such call."""
        self._blocked: dict[Call, list[Call]] = {}
        """For each call that is repeated, those that need its result."""

    def route(self, call: Call) -> None:
        """Queue a call on the machine where its inputs are, or have those made again that are lost."""
        call.attempts += 1
        lost = [each for each in call.inputs.values() if not self._is_there(each)]
        for each in lost:
            self._repeat(each)
        if lost:
            self._blocked.setdefault(lost[0], []).append(call)
        elif call.node_deaths:
            self._suspects.append(call)
        elif home := self._home_of(call):
            home.enqueue(call)
        elif call.repeated:
            self._unplaced[call.stage].appendleft(call)
        else:
            self._unplaced[call.stage].append(call)

    def reroute_lost(self, call: Call) -> bool:
        """Route a call again whose inputs Ray has lost; return False if that has happened too often."""
        call.losses += 1
        for each in call.inputs.values():
            each.value = None
        if call.losses <= MAX_LOSSES:
            self.route(call)
        return call.losses <= MAX_LOSSES

    def inputs_of(self, call: Call) -> Inputs | None:
        """Return the inputs of a call, by the names of its parameters; None if one of them is lost."""
        values = {name: each.value if self._on_a_node(each) else each.stored for name, each in call.inputs.items()}
        inputs: Inputs = {name: value for name, value in values.items() if value is not None}
        return inputs if len(inputs) == len(values) else None

    def place(self) -> None:
        """Queue the calls that could run anywhere on machines that have room for them, those of later stages first."""
        for repeated in [each for each in self._blocked if not each.repeated]:
            self._unblock(repeated)
        for call in list(self._suspects):
            if node_set := self._best_for(call):
                self._suspects.remove(call)
                node_set.enqueue(call)
        for calls in self._unplaced.values():
            while calls and (node_set := self._best_for(calls[0])):
                node_set.enqueue(calls.popleft())

    def withdraw(self) -> list[Call]:
        """Return the calls that have no machine yet, and forget them."""
        waiting = (*self._unplaced.values(), *self._blocked.values(), self._suspects)
        calls = [call for calls in waiting for call in calls]
        self._blocked.clear()
        self._suspects.clear()
        for unplaced in self._unplaced.values():
            unplaced.clear()
        return calls

    def _best_for(self, call: Call) -> NodeSet | None:
        if home := self._home_of(call):
            return home if home.isolates(call) else None
        # While models load on one machine, others go on with what there is.
        sets = [each for each in self._sets.values() if each.is_up] or list(self._sets.values())
        return min((each for each in sets if each.accepts(call)), key=lambda each: each.load, default=None)

    def _home_of(self, call: Call) -> NodeSet | None:
        """Return the set on the machine that holds the largest input, if it has a pool for the call."""
        held = [each for each in call.inputs.values() if self._on_a_node(each)]
        home = self._sets[max(held, key=lambda each: each.audio_bytes).node] if held else None
        return home if home and call.stage in home.pool_of else None

    def _on_a_node(self, call: Call) -> bool:
        return call.value is not None and call.node in self._sets

    def _is_there(self, call: Call) -> bool:
        if self._on_a_node(call):
            return True
        with suppress(OSError):
            return bool(call.stored and call.stored.exists())
        return False

    def _repeat(self, call: Call) -> None:
        if not call.repeated:
            logger.info("the result of %r is lost with its machine; it is made again", call.stage)
            call.repeated, call.value = True, None
            self.route(call)

    def _unblock(self, repeated: Call) -> None:
        for call in self._blocked.pop(repeated):
            if repeated.outcome and repeated.outcome.error is None:
                self.route(call)
            else:
                error = repeated.outcome.error if repeated.outcome else "no result"
                call.fail(f"{repeated.stage} had to be repeated, as its machine was gone, and failed: {error}")
