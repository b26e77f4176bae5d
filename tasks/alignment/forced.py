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
from tasks.load_audio import SAMPLE_RATE

logger = logging.getLogger(__name__)

Segment = dict[str, Any]
Dictionary = dict[str, int]
"""The characters that an aligner knows, in lower case, and the label of each."""


@dataclass(frozen=True)
class Letters:
    """What can be aligned of a text: its characters as an aligner has them, and the place of each in the text.

    A character whose lower case is two, as that of İ, has one place and two letters: as in WhisperX, those after it
    get the times of the letter before them.
    """

    letters: str
    places: list[int]


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
        texts.append(_letters(segment["text"], dictionary, spaceless=spaceless))
    hopeless = [_hopeless(*each, len(audio)) for each in zip(segments, texts, strict=True)]
    pieces = (_piece(audio, segment) for segment, why in zip(segments, hopeless, strict=True) if not why)
    heard = emissions(model, metadata["type"], pieces, device)
    aligned: list[Segment] = []
    for segment, letters, why in zip(segments, texts, hopeless, strict=True):
        times = None if why else _times(next(heard), letters, dictionary, segment)
        if times is None:
            reason = why or "backtrack failed, resorting to original"
            # Not the text, as WhisperX has it: others may read the logs.
            logger.warning("Failed to align segment (%.2f to %.2f s): %s", segment["start"], segment["end"], reason)
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


def _letters(text: str, dictionary: Dictionary, *, spaceless: bool) -> Letters:
    """Return all characters but spaces around the text, and between words if the aligner knows none.

    An unknown character stays: it is aligned as a wildcard.
    """
    letters, places = [], []
    for place in range(len(text) - len(text.lstrip()), len(text.rstrip())):
        letter = text[place].lower()
        if not spaceless:
            letter = letter.replace(" ", "|")
        if letter in dictionary or letter not in {" ", "|"}:
            letters.append(letter)
            places.append(place)
    return Letters("".join(letters), places)


def _hopeless(segment: Segment, letters: Letters, samples: int) -> str | None:
    """Return why a segment cannot be aligned with so many samples of audio, if that is clear."""
    if not letters.places:
        return "no characters in this segment found in model dictionary, resorting to original"
    if segment["start"] >= samples / SAMPLE_RATE:
        return "original start time longer than audio duration, skipping"
    return None


def _piece(audio: npt.NDArray[np.float32], segment: Segment) -> torch.Tensor:
    first, last = int(segment["start"] * SAMPLE_RATE), int(segment["end"] * SAMPLE_RATE)
    return torch.from_numpy(audio[first:last]).unsqueeze(0)


def _times(
    emission: torch.Tensor, letters: Letters, dictionary: Dictionary, segment: Segment
) -> dict[int, Time] | None:
    """Return the time of each place that has one, or None if the letters do not fit into the segment."""
    labels, blank = emission.shape[1], 0
    for letter, label in dictionary.items():
        if letter in {"[pad]", "<pad>"}:
            blank = label
    tokens = [dictionary.get(letter, labels) for letter in letters.letters]
    if labels in tokens:  # a wildcard: of each frame, the best score but the blank's
        others = torch.arange(labels) != blank
        emission = torch.cat([emission, emission[:, others].max(dim=1, keepdim=True).values], dim=1)
    spans = token_spans(emission, tokens, blank)
    if spans is None:
        return None
    begin, ratio = segment["start"], (segment["end"] - segment["start"]) / len(emission)
    return {
        place: Time(round(start * ratio + begin, 3), round(end * ratio + begin, 3), round(score, 3))
        for place, (start, end, score) in zip(letters.places, spans, strict=False)
    }


def _whole(segment: Segment, *, return_char_alignments: bool) -> Segment:
    """Return a segment that was not aligned, with WhisperX's keys in its order."""
    chars: list[Any] | None = [] if return_char_alignments else None
    whole = {"start": segment["start"], "end": segment["end"], "text": segment["text"], "words": [], "chars": chars}
    if segment.get("avg_logprob") is not None:
        whole["avg_logprob"] = segment["avg_logprob"]
    return whole
