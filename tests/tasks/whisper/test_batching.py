"""Clips of several files decoded together, and what goes wrong in it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import TWO_SPEAKERS
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions

from tasks.audio.decoding import decode
from tasks.audio.types import as_float
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.oom import GpuOutOfMemory
from tasks.transcribe import TranscribeOptions, transcribe_samples
from tasks.whisper.batching import Batches, Decoded
from tasks.whisper.loading import pipelines, whisper_model

CPU = ModelOptions(device="cpu", threads=2)
"""Not those of other tests: Whisper stays loaded, here with two decoding threads."""
Sound = npt.NDArray[np.float32]
FULL = RuntimeError("CUDA failed with error out of memory")


class Decoder:
    """Mixed batches on the real model: what it is given is noted, and held back until `go_on` is set."""

    def __init__(self, options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model = whisper_model(options, CPU)
        self.tokenizer = Tokenizer(self.model.hf_tokenizer, multilingual=False)
        with pipelines(options, CPU).acquire() as pipeline:
            self.options = replace(pipeline.options, **options.decoding())
        self.mixed, self.alone = Batches(self.model, mixed=True), Batches(self.model, mixed=False)
        self.sizes: list[int] = []
        self.room = 8
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._encode = self.model.encode
        monkeypatch.setattr(self.model, "encode", self._noted)

    def _noted(self, features: Sound) -> Any:
        self.sizes.append(len(features))
        self.begun.set()
        assert self.go_on.wait(60)
        if len(features) > self.room:
            raise FULL
        return self._encode(features)

    def decode(
        self,
        chunks: list[Sound],
        options: TranscriptionOptions | None = None,
        batch_size: int = 8,
        *,
        mixed: bool = True,
    ) -> list[Decoded]:
        """Decode the chunks of one file."""
        batches = self.mixed if mixed else self.alone
        return list(batches.decode(chunks, self.tokenizer, options or self.options, batch_size))

    def wait_for(self, files: int) -> None:
        """Wait until so many batches wait for the decoder."""
        for _ in range(6000):
            if len(self.mixed._shared._waiting) == files:
                return
            threading.Event().wait(0.01)
        pytest.fail(f"{len(self.mixed._shared._waiting)} wait, not {files}")

    def beside(self, files: list[dict[str, Any]]) -> list[Any]:
        """Decode files that all wait while one more is decoded; return what becomes of each: its text, or its error."""

        def outcome(file: dict[str, Any]) -> Any:
            try:
                return self.decode(**file)
            except Exception as error:
                return error

        self.begun.clear()
        self.go_on.clear()
        with ThreadPoolExecutor(len(files) + 1) as threads:
            first = threads.submit(self.decode, [np.zeros(16_000, np.float32)])
            assert self.begun.wait(60)
            waiting = []
            for number, file in enumerate(files, 1):  # one after the other, so that their order is known
                waiting.append(threads.submit(outcome, file))
                self.wait_for(number)
            self.sizes.clear()
            self.go_on.set()
            first.result()
            return [each.result(timeout=120) for each in waiting]


@pytest.fixture(name="options")
def _options(tiny_en: str) -> TranscribeOptions:
    compute_limits.configure(parallel=2, threads=1)
    return TranscribeOptions(model=tiny_en, compute_type="int8")


@pytest.fixture(name="decoder")
def _decoder(options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoder]:
    decoder = Decoder(options, monkeypatch)
    yield decoder
    decoder.go_on.set()


@pytest.fixture(scope="module", name="clips")
def _clips() -> list[Sound]:
    """Five clips of 4 s, in which two people talk on the telephone."""
    call = as_float(decode(str(TWO_SPEAKERS)))
    return [call[second * 16_000 : (second + 4) * 16_000] for second in (7, 11, 15, 19, 23)]


def alone(decoder: Decoder, **file: Any) -> list[Decoded]:
    """Decode a file as on a CPU."""
    decoder.go_on.set()
    return decoder.decode(**file, mixed=False)


def test_clips_of_several_files_are_one_batch_and_each_gets_its_own_text(decoder: Decoder, clips: list[Sound]) -> None:
    """The same as alone, in their order, also where a file has more chunks than there is room for."""
    files = [{"chunks": [clips[0]]}, {"chunks": clips[1:3]}, {"chunks": clips}, {"chunks": [clips[4]]}]
    expected = [alone(decoder, **file) for file in files]
    assert len({text for text, _ in expected[2]}) == len(clips)
    assert decoder.beside(files) == expected
    assert decoder.sizes == [1 + 2 + 5, 1]


def test_the_halves_of_a_batch_are_decoded_side_by_side_to_the_same(decoder: Decoder, clips: list[Sound]) -> None:
    """In int8, to the last digit of the probability; also a batch that cannot be halved."""
    halves = Batches(decoder.model, mixed=False, pieces=2)
    for number, sizes in ((5, [2, 3]), (1, [1])):
        expected = alone(decoder, chunks=clips[:number])
        decoder.sizes.clear()
        assert list(halves.decode(clips[:number], decoder.tokenizer, decoder.options, 8)) == expected
        assert sorted(decoder.sizes) == sizes


def test_full_batches_are_those_of_the_file_alone(decoder: Decoder, clips: list[Sound]) -> None:
    """Only what is left at its end meets others."""
    long, clip = {"chunks": clips, "batch_size": 2}, {"chunks": [clips[3]], "batch_size": 2}
    expected = [alone(decoder, **long), alone(decoder, **clip)]
    assert decoder.beside([long, clip]) == expected
    assert sorted(decoder.sizes) in ([1, 1, 2, 2], [2, 2, 2])


def test_a_file_alone_waits_for_no_other(decoder: Decoder, clips: list[Sound]) -> None:
    """Nor does it decode anything twice."""
    decoder.go_on.set()
    decoder.decode(clips, batch_size=4)
    assert decoder.sizes == [4, 1]


def test_on_a_cpu_files_have_the_threads_between_them(decoder: Decoder, clips: list[Sound]) -> None:
    """Of a file that is alone two batches are decoded at a time, beside another one; its texts keep their order."""
    expected = [alone(decoder, chunks=[clip])[0] for clip in clips]
    other = decoder.alone.decode(clips[:2], decoder.tokenizer, decoder.options, batch_size=8)

    def at_a_time() -> int:
        decoder.go_on.clear()
        decoder.sizes.clear()
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(decoder.decode, clips, batch_size=1, mixed=False)
            threading.Event().wait(1)  # more than any of this takes but the decoding, which is held back
            begun = len(decoder.sizes)
            decoder.go_on.set()
            assert found.result(timeout=120) == expected
        return begun

    assert at_a_time() == 2
    next(other)
    assert at_a_time() == 1
    list(other)
    assert at_a_time() == 2


def test_chunks_that_are_decoded_otherwise_are_not_mixed(decoder: Decoder, clips: list[Sound]) -> None:
    """By other options, or in other batches."""
    greedy = replace(decoder.options, beam_size=1)
    files = [
        {"chunks": [clips[0]]},
        {"chunks": [clips[0]], "options": greedy},
        {"chunks": [clips[1]], "options": replace(decoder.options, hotwords="telephone")},
        {"chunks": [clips[1]], "batch_size": 4},
        {"chunks": [clips[1]], "options": replace(greedy)},
    ]
    expected = [alone(decoder, **file) for file in files]
    assert decoder.beside(files) == expected
    assert decoder.sizes == [1, 2, 1, 1]


def test_languages_are_not_mixed(
    base: str, options: TranscribeOptions, clips: list[Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a translation with a transcript."""
    decoder = Decoder(options.model_copy(update={"model": base}), monkeypatch)
    decoder.go_on.set()
    manners = [("en", "transcribe"), ("fr", "transcribe"), ("fr", "translate"), ("en", "transcribe")]

    def run(language: str, task: str) -> list[Decoded]:
        tokenizer = Tokenizer(decoder.model.hf_tokenizer, multilingual=True, task=task, language=language)
        return list(decoder.mixed.decode(clips[:1], tokenizer, decoder.options, 8))

    expected = [run(*manner) for manner in manners]
    decoder.go_on.clear()
    decoder.begun.clear()
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(run, "de", "transcribe")
        assert decoder.begun.wait(60)
        found = []
        for number, manner in enumerate(manners, 1):
            found.append(threads.submit(run, *manner))
            decoder.wait_for(number)
        decoder.sizes.clear()
        decoder.go_on.set()
        first.result()
        assert [each.result() for each in found] == expected
    assert decoder.sizes == [2, 1, 1]


def test_a_fault_meets_the_file_that_has_it(decoder: Decoder, clips: list[Sound]) -> None:
    """A chunk of more than 30 s, which no Whisper model takes; the files in its batch do not notice."""
    long = {"chunks": [np.tile(clips[0], 10)]}
    files = [{"chunks": [clips[1]]}, long, {"chunks": clips[2:4]}]
    expected = [alone(decoder, **file) for file in (files[0], files[2])]
    for order in (files, [long, files[0], files[2]]):
        found = decoder.beside(order)
        assert [each for each in found if isinstance(each, list)] == expected
        [fault] = [each for each in found if isinstance(each, Exception)]
        assert isinstance(fault, ValueError)
    assert decoder.decode([clips[1]]) == expected[0]


def test_a_fault_of_the_decoder_itself_meets_every_file(
    decoder: Decoder, clips: list[Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that is no Exception: nobody waits for ever."""
    for fault in (RuntimeError("CUDA error: an illegal memory access was encountered"), SystemExit()):

        def fail(*_: object, fault: BaseException = fault) -> None:
            decoder.sizes.append(1)
            decoder.begun.set()
            assert decoder.go_on.wait(60)
            raise fault

        with monkeypatch.context() as poisoned, ThreadPoolExecutor(3) as threads:
            decoder.go_on.clear()
            decoder.begun.clear()
            poisoned.setattr(decoder.model, "encode", fail)
            waiting = [threads.submit(decoder.decode, [clip]) for clip in clips[:3]]
            assert decoder.begun.wait(60)
            decoder.wait_for(2)
            decoder.go_on.set()
            assert {type(each.exception(timeout=60)) for each in waiting} == {type(fault)}
    assert decoder.decode(clips[:1]) == alone(decoder, chunks=clips[:1])


def test_want_of_room_halves_the_batches_of_the_file_that_has_too_little(
    decoder: Decoder, options: TranscribeOptions, clips: list[Sound], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom it met in its batch has room by itself; without room for one there is `gpu_oom`, for all."""
    monkeypatch.setattr("tasks.transcribe.batches", lambda *_: decoder.mixed)
    short = options.model_copy(update={"chunk_size": 5})
    files = [decode(str(TWO_SPEAKERS))[: seconds * 16_000] for seconds in (22, 12, 13)]

    def transcribe(samples: npt.NDArray[np.int16]) -> Any:
        return transcribe_samples(samples, short, CPU).result["segments"]

    decoder.go_on.set()
    expected = [transcribe(samples) for samples in files]
    decoder.room = 2
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(transcribe, files)) == expected
        assert max(decoder.sizes[-3:]) <= 2
        decoder.room = 0
        for each in [threads.submit(transcribe, samples) for samples in files]:
            assert isinstance(each.exception(timeout=120), GpuOutOfMemory)


def test_what_waits_of_a_file_that_failed_is_not_decoded(decoder: Decoder, clips: list[Sound]) -> None:
    """Its second chunk is no sound, while its first waits behind another file's."""
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(decoder.decode, clips[:2], batch_size=1)
        try:
            assert decoder.begun.wait(60)
            with pytest.raises(TypeError):
                decoder.decode([clips[2], None], batch_size=1)
        finally:
            decoder.go_on.set()
        assert len(other.result(timeout=120)) == 2
    assert decoder.sizes == [1, 1]
    assert decoder.mixed._shared._waiting == []
