"""Batches of chunks for Whisper, filled with chunks of other files where that saves time."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.models.compute_limits import compute_limits
from tasks.whisper.features import log_mel

if TYPE_CHECKING:
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import TranscriptionOptions
    from whisperx.asr import WhisperModel

Decoded = tuple[str, float]
"""The text of a chunk, and the average log probability of its tokens."""


@dataclass(eq=False)
class _Batch:
    """Chunks of one file, at most `size`, and what was decoded of them."""

    features: npt.NDArray[np.float32]
    tokenizer: "Tokenizer"
    options: "TranscriptionOptions"
    size: int
    isolated: bool = False
    """To be decoded alone: decoding it with others failed, and any of them may be at fault."""
    decoded: list[Decoded] | None = None

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """What batches must have in common to be decoded as one: size, language, task and options."""
        return self.size, self.tokenizer.language_code, self.tokenizer.task, self.options


class Batches:
    """Whisper's decoder for all files of this process.

    With `mixed`, one thread decodes. It takes the batch that has waited longest, and fills it up with those of other
    files that wait too: no file waits for a batch to fill. A file's batch is not split, so full ones are WhisperX's
    own. If a mixed batch fails, each file's is decoded by itself, and the fault meets the file that has it.

    Without, there is a thread for each compute slot, and each batch is of one file. Files share the threads evenly; the
    last one gets them all.
    """

    def __init__(self, model: "WhisperModel", *, mixed: bool) -> None:
        self.model = model
        self._mixed = mixed
        self._threads = 1 if mixed else compute_limits.parallel
        self._decoders = ThreadPoolExecutor(self._threads, "decoder")
        # Threads of several files add to and remove from both; each operation is atomic, so they need no lock.
        self._waiting: list[_Batch] = []
        self._files: set[object] = set()

    def decode(
        self,
        chunks: Sequence[npt.NDArray[np.float32]],
        tokenizer: "Tokenizer",
        options: "TranscriptionOptions",
        batch_size: int,
    ) -> Iterator[Decoded]:
        """Yield what is said in each chunk of a file, 16 kHz mono samples, in their order.

        The features of a batch are computed while those before it are decoded. The caller must not
        hold a compute slot.
        """

        def batch(first: int) -> _Batch:
            with compute_limits.slots:
                features = [log_mel(self.model, chunk) for chunk in chunks[first : first + batch_size]]
            return _Batch(np.stack(features), tokenizer, options, batch_size)

        file, begun = object(), deque[tuple[_Batch, Future[list[Decoded]]]]()
        self._files.add(file)
        try:
            for ready in map(batch, range(0, len(chunks), batch_size)):
                while len(begun) >= ceil(self._threads / len(self._files)):
                    yield from begun.popleft()[1].result()
                begun.append((ready, self._begin(ready)))
            for _, each in begun:
                yield from each.result()
        finally:
            self._files.remove(file)
            self._cancel(begun)

    def _begin(self, batch: _Batch) -> "Future[list[Decoded]]":
        """Submit a batch and return the future of its decoded chunks."""
        if not self._mixed:
            return self._decoders.submit(self._computed, batch)
        self._waiting.append(batch)
        return self._decoders.submit(self._filled, batch)

    def _cancel(self, begun: Iterable[tuple[_Batch, "Future[list[Decoded]]"]]) -> None:
        """Cancel the waiting batches of a file that failed."""
        for batch, decoded in begun:
            if decoded.cancel() and self._mixed:
                self._waiting.remove(batch)

    def _computed(self, batch: _Batch) -> list[Decoded]:
        """Decode a batch in a compute slot."""
        with compute_limits.slots:
            return self._generate(batch)[0]

    def _filled(self, batch: _Batch) -> list[Decoded]:
        """Decode a batch with what fits beside it, unless that was done already. Runs in the one decoder thread."""
        self._waiting.remove(batch)
        if batch.decoded is None and (others := self._compatible(batch)):
            together = [batch, *others]
            try:
                for each, decoded in zip(together, self._generate(*together), strict=True):
                    each.decoded = decoded
            except Exception:
                for each in together:
                    each.isolated = True
        # Not in the handler: until its end the error holds the GPU's memory that the try took.
        return self._generate(batch)[0] if batch.decoded is None else batch.decoded

    def _compatible(self, batch: _Batch) -> list[_Batch]:
        """Return the waiting batches with the same `batch_key` that fit beside this one."""
        found: list[_Batch] = []
        room = batch.size - len(batch.features)
        for other in [] if batch.isolated else self._waiting.copy():
            free = other.decoded is None and not other.isolated
            if free and len(other.features) <= room and other.batch_key == batch.batch_key:
                found.append(other)
                room -= len(other.features)
        return found

    def _generate(self, *batches: _Batch) -> list[list[Decoded]]:
        """Decode batches as one, as `FasterWhisperPipeline.transcribe` does, and return what is in each."""
        features = np.concatenate([batch.features for batch in batches])
        found = self.model.generate_segment_batched(features, batches[0].tokenizer, batches[0].options)
        decoded = zip(found["text"], found["avg_logprob"], strict=True)
        return [list(islice(decoded, len(batch.features))) for batch in batches]
