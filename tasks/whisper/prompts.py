"""Prompts that are too long for Whisper: they are cut, with a warning."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faster_whisper.transcribe import TranscriptionOptions
    from whisperx.asr import WhisperModel

logger = logging.getLogger(__name__)


def fitted(options: "TranscriptionOptions", model: "WhisperModel") -> "TranscriptionOptions":
    """Return the options with hot words and prompt that leave half of the model's tokens for what is said."""
    return replace(options, initial_prompt=fitted_prompt(options.initial_prompt, options.hotwords, model))


def fitted_prompt(initial_prompt: str | None, hotwords: str | None, model: "WhisperModel") -> str | None:
    """Return a prompt that leaves, with the hot words, half of the model's tokens for what is said.

    faster-whisper cuts each of the two to that, but not both together: then the text is cut short, or, with 222 tokens
    each, decoding fails. Hot words keep their beginning, and the prompt has the room that they leave for its end.
    """
    most = model.max_length // 2 - 1
    words = len(_tokens(hotwords, model))
    if words > most:
        logger.warning(
            "the hot words take %d tokens, and the model has room for %d: the last ones are cut", words, most
        )
    room = most - min(words, most)
    prompt = _tokens(initial_prompt, model)
    if len(prompt) <= room:
        return initial_prompt
    logger.warning(
        "the initial prompt takes %d tokens, and %s room for %d: its beginning is cut",
        len(prompt),
        "the hot words leave" if words else "the model has",
        room,
    )
    return _end_of(prompt, room, model)


def _tokens(text: str | None, model: "WhisperModel") -> list[int]:
    if text is None:
        return []
    tokens: list[int] = model.hf_tokenizer.encode(f" {text.strip()}", add_special_tokens=False).ids
    return tokens


def _end_of(prompt: list[int], room: int, model: "WhisperModel") -> str | None:
    """Return the longest end of a prompt that fits `room` tokens; encoded again, its text may take more tokens."""
    for first in range(len(prompt) - room, len(prompt)):
        text = str(model.hf_tokenizer.decode(prompt[first:])).lstrip("\N{REPLACEMENT CHARACTER}")
        if len(_tokens(text, model)) <= room:
            return text
    return None
