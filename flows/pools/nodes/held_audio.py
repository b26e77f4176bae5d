"""The decoded audio that one machine holds."""

from flows.pools.call import Call
from flows.services.ray_cluster.node import Node


class HeldAudio:
    """The files whose decoded audio is in a machine's object store, within a budget. For the dispatcher's thread."""

    def __init__(self, node: Node, budget_bytes: int | None) -> None:
        """`budget_bytes` is how much there may be; by default a third of the machine's object store."""
        self._node_id = node.id
        self.largest_bytes = max(node.store_bytes, budget_bytes or 0)
        """How much there may be of a single file."""
        budget = budget_bytes or node.store_bytes // 3
        self.budget_bytes = budget - budget // 20  # the object store frees released objects a little later
        self._calls: set[Call] = set()

    def add(self, call: Call) -> None:
        """Count the result of a call that was sent to the machine, if it is decoded audio."""
        if call.audio_bytes:
            self._calls.add(call)

    def has_room_for(self, call: Call) -> bool:
        """Return whether the result of a call fits beside what is there; by itself any does."""
        held = sum(each.audio_bytes for each in self._held())
        return not call.audio_bytes or not held or held + call.audio_bytes <= self.budget_bytes

    def __len__(self) -> int:
        """Return of how many files there is audio, or will be."""
        return len(self._held())

    def _held(self) -> set[Call]:
        self._calls = {call for call in self._calls if call.node == self._node_id and not call.released}
        return self._calls
