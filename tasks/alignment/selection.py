"""What times words: the last few languages' aligners stay warm; where none can be loaded there are other ways."""

import time
from dataclasses import dataclass, field
from typing import Any

from tasks.alignment.punkt import ensure_sentence_data
from tasks.faults import again, is_poisoning
from tasks.models.cache import ModelOptions, warm
from tasks.models.local_copies import at_hand
from tasks.models.registry import default_aligners, refuse_download
from tasks.whisper.loading import WhisperOptions, whisper_model

CROSS_ATTENTION = "whisper"
"""The `align_model` that takes word timings from the Whisper model, which needs no aligner."""
SEGMENTS = "segments"
"""Stands for no word timings at all: the text has the times of its segments."""
MOST = 5
"""Aligners in memory: 0.4 GB each for the languages of torchaudio, 1.3 GB for most others; on the GPU if there is one.
Five of the large fit the share of a 24 GB GPU that a process of `align` has, 7 GB."""
FORGET_S = 600.0
"""How long a load that failed counts for the files that come after: none of them waits for a hub that is away."""


class CannotLoad(Exception):
    """An aligner cannot be loaded, now or as of late."""


@dataclass
class Rung:
    """What times the words of a file, and why what would be better does not."""

    name: str
    """An aligner's name, CROSS_ATTENTION or SEGMENTS."""
    aligner: Any = None
    """The model and its metadata, if it is an aligner."""
    failed: list[str] = field(default_factory=list)


_failed: dict[object, tuple[float, str]] = {}


def _aligner(language: str, model: str, models: ModelOptions) -> Any:
    """Return an aligner; it keeps no state, so the threads of this process share it. Raises CannotLoad.

    A load that failed of late is not tried: to make room for it, an aligner that is in use would be dropped.
    """
    _check_not_failed(language, model, models)
    return _loaded(language, model, models)


def _check_not_failed(*key: object) -> None:
    since, reason = _failed.get(key, (0.0, ""))
    if reason and time.monotonic() < since + FORGET_S:
        raise CannotLoad(reason)


@warm("align", most=MOST)
def _loaded(language: str, model: str, models: ModelOptions) -> Any:
    """Load an aligner. Raises CannotLoad."""
    _check_not_failed(language, model, models)  # while this thread waited for another that tried
    try:
        return again(lambda: _load(language, model, models))
    except Exception as error:
        if is_poisoning(error):
            raise
        reason = f"{type(error).__name__}: {error}"
        _failed[language, model, models] = time.monotonic(), reason
        raise CannotLoad(reason) from error


def _load(language: str, model: str, models: ModelOptions) -> Any:
    import torch
    import whisperx

    # In the `whisperx` program pyannote's VAD has done this, to the whole process, before it aligns. Without it, scores
    # and some word times on a GPU come out other than there.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    ensure_sentence_data(language)
    if models.offline:
        refuse_download(language, at_hand(model), models)
    try:
        return whisperx.load_align_model(
            language,
            models.torch_device(),
            model_name=at_hand(model),
            model_dir=models.model_dir,
            model_cache_only=models.model_cache_only,
        )
    except ValueError as error:
        # WhisperX says the same of all that goes wrong with a model of Hugging Face's kind; what did is the context.
        raise error.__context__ or error from None


def best_rung(language: str, named: str | None, whisper: WhisperOptions, models: ModelOptions) -> Rung:
    """Load what times the words of a language best: the aligner that is `named`, WhisperX's, or Whisper itself."""
    failed: list[str] = []
    for name in dict.fromkeys((named, None if named == CROSS_ATTENTION else default_aligners().get(language))):
        if name and name != CROSS_ATTENTION:
            try:
                return Rung(name, _aligner(language, name, models), failed)
            except CannotLoad as error:
                failed.append(f"{name}: {error}")
    try:
        whisper_model(whisper, models)
    except Exception as error:
        if is_poisoning(error):
            raise
        return Rung(SEGMENTS, failed=[*failed, f"{CROSS_ATTENTION}: {error}"])
    return Rung(CROSS_ATTENTION, failed=failed)
