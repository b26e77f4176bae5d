"""Forced alignment that returns what `whisperx.align` returns, to the last digit, in a fraction of its time.

WhisperX is imported here: import this where it is needed.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from whisperx.alignment import LANGUAGES_WITHOUT_SPACES

from tasks.alignment.emissions import emissions
from tasks.alignment.punkt import sentence_splitter
from tasks.alignment.trellis import token_spans
from tasks.alignment.word_timing import Time, timed_sentences
from tasks.audio.types import SAMPLE_RATE

logger = logging.getLogger(__name__)

Segment = dict[str, Any]
Dictionary = dict[str, int]
"""The characters that an aligner knows, in lower case, and the label of each."""


@dataclass(frozen=True)
class AlignableText:
    """The characters of a text that can be aligned, as the aligner spells them, and the position of each in the text.

    A character whose lower case is two, such as İ, has one position and two characters here: as in WhisperX, those
    after it get the times of the character before them.
    """

    characters: str
    positions: list[int]


def align(
    segments: list[Segment],
    model: Any,
    metadata: dict[str, Any],
    audio: npt.NDArray[np.float32],
    device: str,
    *,
    interpolate_method: str,
    return_char_alignments: bool,
    print_progress: bool,
) -> dict[str, Any]:
    """Return `segments`, one for each sentence, and `word_segments`, the same words in one list.

    `audio` has shape (samples,); `metadata` is that of `whisperx.load_align_model`. A segment that cannot be aligned
    stays whole, without words.
    """
    language, dictionary = metadata["language"], metadata["dictionary"]
    spaceless = language in LANGUAGES_WITHOUT_SPACES
    texts = []
    for number, segment in enumerate(segments, 1):
        if print_progress:
            print(f"Progress: {number / len(segments) * 100:.2f}%...")  # noqa: T201
        texts.append(_alignable(segment["text"], dictionary, spaceless=spaceless))
    reasons = [_unalignable_reason(*each, len(audio)) for each in zip(segments, texts, strict=True)]
    pieces = (_piece(audio, segment) for segment, reason in zip(segments, reasons, strict=True) if not reason)
    emitted = emissions(model, metadata["type"], pieces, device)
    aligned: list[Segment] = []
    for segment, text, reason in zip(segments, texts, reasons, strict=True):
        times = None if reason else _times(next(emitted), text, dictionary, segment)
        if times is None:
            # Without the text, which WhisperX logs: others may read the logs.
            why = reason or "backtrack failed, resorting to original"
            logger.warning("Failed to align segment (%.2f to %.2f s): %s", segment["start"], segment["end"], why)
            aligned.append(_whole(segment, return_char_alignments=return_char_alignments))
            continue
        aligned += timed_sentences(
            segment,
            times,
            list(sentence_splitter(language).span_tokenize(segment["text"])),
            spaceless=spaceless,
            interpolate_method=interpolate_method,
            return_char_alignments=return_char_alignments,
        )
    return {"segments": aligned, "word_segments": [word for segment in aligned for word in segment["words"]]}


def _alignable(text: str, dictionary: Dictionary, *, spaceless: bool) -> AlignableText:
    """Return the characters of a text without the spaces around it, and without those that the aligner does not know.

    Any other unknown character stays: it is aligned as a wildcard.
    """
    characters, positions = [], []
    for position in range(len(text) - len(text.lstrip()), len(text.rstrip())):
        character = text[position].lower()
        if not spaceless:
            character = character.replace(" ", "|")
        if character in dictionary or character not in {" ", "|"}:
            characters.append(character)
            positions.append(position)
    return AlignableText("".join(characters), positions)


def _unalignable_reason(segment: Segment, text: AlignableText, samples: int) -> str | None:
    """Return why a segment cannot be aligned, if that is known beforehand; `samples` is the audio's length."""
    if not text.positions:
        return "no characters in this segment found in model dictionary, resorting to original"
    if segment["start"] >= samples / SAMPLE_RATE:
        return "original start time longer than audio duration, skipping"
    return None


def _piece(audio: npt.NDArray[np.float32], segment: Segment) -> torch.Tensor:
    first, last = int(segment["start"] * SAMPLE_RATE), int(segment["end"] * SAMPLE_RATE)
    return torch.from_numpy(audio[first:last]).unsqueeze(0)


def _times(
    emission: torch.Tensor, text: AlignableText, dictionary: Dictionary, segment: Segment
) -> dict[int, Time] | None:
    """Return the time of each aligned position, or None if the segment has fewer frames than characters."""
    labels, blank = emission.shape[1], 0
    for character, label in dictionary.items():
        if character in {"[pad]", "<pad>"}:
            blank = label
    tokens = [dictionary.get(character, labels) for character in text.characters]
    if labels in tokens:  # a wildcard: of each frame, the best score but the blank's
        others = torch.arange(labels) != blank
        emission = torch.cat([emission, emission[:, others].max(dim=1, keepdim=True).values], dim=1)
    spans = token_spans(emission, tokens, blank)
    if spans is None:
        return None
    begin, ratio = segment["start"], (segment["end"] - segment["start"]) / len(emission)
    return {
        position: Time(round(start * ratio + begin, 3), round(end * ratio + begin, 3), round(score, 3))
        for position, (start, end, score) in zip(text.positions, spans, strict=False)
    }


def _whole(segment: Segment, *, return_char_alignments: bool) -> Segment:
    """Return a segment that was not aligned, with WhisperX's keys in its order."""
    chars: list[Any] | None = [] if return_char_alignments else None
    whole = {"start": segment["start"], "end": segment["end"], "text": segment["text"], "words": [], "chars": chars}
    if segment.get("avg_logprob") is not None:
        whole["avg_logprob"] = segment["avg_logprob"]
    return whole
