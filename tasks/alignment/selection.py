"""Which method times the words of a language: its aligner, of which the last few stay loaded, or a fallback."""

import errno
import time
from dataclasses import dataclass, field
from typing import Any

from tasks.alignment.punkt import ensure_sentence_data
from tasks.models.cache import cached_model
from tasks.models.local_copies import ensure_local
from tasks.models.options import ModelOptions
from tasks.models.registry import aligner_version, default_aligners, refuse_download
from tasks.oom import is_out_of_memory, is_poisoning
from tasks.retries import retry
from tasks.whisper.loading import WhisperOptions, whisper_model

CROSS_ATTENTION = "whisper"
"""The `align_model` that takes word timings from the Whisper model, which needs no aligner."""
SEGMENTS = "segments"
"""No word timings at all: the text has only the times of its segments."""
MOST = 5
"""Aligners in memory: 0.4 GB each for the languages of torchaudio, 1.3 GB for most others; on the GPU if there is one.
Five of the large fit the share of a 24 GB GPU that a process of `align` has, 7 GB."""
FORGET_S = 600.0
"""How long a failed load is not repeated, so that not every file waits for a hub that is down."""


class AlignerUnavailable(Exception):
    """An aligner cannot be loaded, or could not be less than FORGET_S ago.

    `version` is that of its files then; empty if they were not all here, or if they are not at fault.
    """

    def __init__(self, reason: str, version: str) -> None:
        super().__init__(reason)
        self.version = version


@dataclass
class TimingMethod:
    """How the words of a file are timed, and why better methods are unavailable."""

    name: str
    """An aligner's name, CROSS_ATTENTION or SEGMENTS."""
    aligner: Any = None
    """The model and its metadata, if it is an aligner."""
    failed: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    """Aligners that did not load though their files are here, and the version of these files."""


_failed: dict[object, tuple[float, AlignerUnavailable]] = {}


def _aligner(language: str, model: str, models: ModelOptions) -> Any:
    """Return an aligner; it keeps no state, so the threads of this process share it. Raises AlignerUnavailable.

    A load that failed recently is not repeated: to make room for it, an aligner that is in use would be dropped.
    """
    _check_not_failed(language, model, models)
    return _loaded(language, model, models)


def forget_failures() -> None:
    """Let aligners that failed to load be tried again."""
    _failed.clear()


def _check_not_failed(*key: object) -> None:
    since, error = _failed.get(key, (0.0, None))
    if error and time.monotonic() < since + FORGET_S:
        raise AlignerUnavailable(str(error), error.version)


@cached_model("align", most=MOST)
def _loaded(language: str, model: str, models: ModelOptions) -> Any:
    """Load an aligner. Raises AlignerUnavailable."""
    _check_not_failed(language, model, models)  # another thread may have tried while this one waited
    try:
        return retry(lambda: _load(language, model, models))
    except Exception as error:
        if is_poisoning(error):
            raise
        version = "" if _is_of_machine(error) else aligner_version(language, model, models.model_dir)
        unavailable = AlignerUnavailable(f"{type(error).__name__}: {error}", version)
        _failed[language, model, models] = time.monotonic(), unavailable
        raise unavailable from error


def _is_of_machine(error: Exception) -> bool:
    """Return whether a load failed for lack of memory, or by an error of the disk: the same files may load later."""
    full = is_out_of_memory(error) or isinstance(error, MemoryError) or "allocate memory" in str(error)
    # Transformers raises OSError for bad files too, without errno.
    return full or (isinstance(error, OSError) and error.errno not in (None, errno.ENOENT))


def _load(language: str, model: str, models: ModelOptions) -> Any:
    import torch
    import whisperx

    # In the `whisperx` program pyannote's VAD has done this for the whole process before it aligns. Without it, scores
    # and some word times on a GPU differ from that program's.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    ensure_sentence_data(language)
    if models.offline:
        refuse_download(language, ensure_local(model), models)
    try:
        return whisperx.load_align_model(
            language,
            models.torch_device(),
            model_name=ensure_local(model),
            model_dir=models.model_dir,
            model_cache_only=models.model_cache_only,
        )
    except ValueError as error:
        # WhisperX raises this for every error of a Hugging Face model; the actual error is its context.
        raise error.__context__ or error from None


def aligners_to_try(language: str, named: str | None) -> list[str]:
    """Return the names of the aligners for a language, the best first: the `named` one, then WhisperX's default."""
    if named == CROSS_ATTENTION:
        return []
    return list(dict.fromkeys(filter(None, (named, default_aligners().get(language)))))


def select_timing_method(
    language: str, named: str | None, whisper: WhisperOptions, models: ModelOptions
) -> TimingMethod:
    """Return the best method that can be loaded: the `named` aligner, WhisperX's default, Whisper, else segments."""
    failed: list[str] = []
    broken: dict[str, str] = {}
    for name in aligners_to_try(language, named):
        try:
            return TimingMethod(name, _aligner(language, name, models), failed, broken)
        except AlignerUnavailable as error:
            failed.append(f"{name}: {error}")
            if error.version:
                broken[name] = error.version
    try:
        whisper_model(whisper, models)
    except Exception as error:
        if is_poisoning(error):
            raise
        return TimingMethod(SEGMENTS, failed=[*failed, f"{CROSS_ATTENTION}: {error}"], broken=broken)
    return TimingMethod(CROSS_ATTENTION, failed=failed, broken=broken)
