"""Batches of chunks for Whisper, filled with chunks of other files where that saves time."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.models.compute_limits import compute_limits
from tasks.models.shared_batches import SharedBatches
from tasks.whisper.features import log_mel

if TYPE_CHECKING:
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import TranscriptionOptions
    from whisperx.asr import WhisperModel

Decoded = tuple[str, float]
"""The text of a chunk, and the average log probability of its tokens."""


@dataclass(eq=False)
class _Batch:
    """Chunks of one file, at most `size`."""

    features: npt.NDArray[np.float32]
    tokenizer: "Tokenizer"
    options: "TranscriptionOptions"
    size: int

    def __len__(self) -> int:
        return len(self.features)

    @property
    def batch_key(self) -> tuple[Any, ...]:
        """What batches must have in common to be decoded as one: size, language, task and options."""
        return self.size, self.tokenizer.language_code, self.tokenizer.task, self.options


class Batches:
    """Whisper's decoder for all files of this process.

    With `mixed`, one thread decodes, and fills the batches with chunks of other files. A file's batch is not split, so
    full ones are WhisperX's own.

    Without, there is a thread for each compute slot, and each batch is of one file. Files share the threads evenly; the
    last one gets them all. A batch is decoded in `pieces` side by side, each by a worker of the model.
    """

    def __init__(self, model: "WhisperModel", *, mixed: bool, pieces: int = 1) -> None:
        self.model = model
        self._pieces = pieces
        self._workers = ThreadPoolExecutor(compute_limits.parallel * pieces, "whisper")
        self._threads = 1 if mixed else compute_limits.parallel
        self._decoders = ThreadPoolExecutor(self._threads, "decoder")
        self._shared = SharedBatches(self._generate, "decoder") if mixed else None
        # Threads of several files add to and remove from it; each operation is atomic, so it needs no lock.
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

        file, begun = object(), deque[Future[list[Decoded]]]()
        self._files.add(file)
        try:
            for ready in map(batch, range(0, len(chunks), batch_size)):
                while len(begun) >= ceil(self._threads / len(self._files)):
                    yield from begun.popleft().result()
                begun.append(self._begin(ready))
            for each in begun:
                yield from each.result()
        finally:
            self._files.remove(file)
            for each in begun:
                each.cancel()

    def _begin(self, batch: _Batch) -> "Future[list[Decoded]]":
        """Submit a batch and return the future of its decoded chunks."""
        return self._shared.submit(batch) if self._shared else self._decoders.submit(self._computed, batch)

    def _computed(self, batch: _Batch) -> list[Decoded]:
        """Decode a batch in a compute slot."""
        with compute_limits.slots:
            return self._generate([batch])[0]

    def _generate(self, batches: Sequence[_Batch]) -> list[list[Decoded]]:
        """Decode batches as one, as `FasterWhisperPipeline.transcribe` does, and return what is in each."""
        features = np.concatenate([batch.features for batch in batches])
        pieces = np.array_split(features, min(self._pieces, len(features)))
        tokenizer, options = batches[0].tokenizer, batches[0].options
        found = self._workers.map(lambda piece: self.model.generate_segment_batched(piece, tokenizer, options), pieces)
        decoded = chain.from_iterable(zip(each["text"], each["avg_logprob"], strict=True) for each in found)
        return [list(islice(decoded, len(batch))) for batch in batches]
