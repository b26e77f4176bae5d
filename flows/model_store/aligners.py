"""Whether provisional word times of earlier runs can be replaced now: whether a better aligner can be loaded."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import httpx

from flows.config.parameters import Batch
from flows.model_store.hub import NETWORK_ERRORS, HubUnreachable, answer_within, refusal
from tasks.alignment.selection import CROSS_ATTENTION, SEGMENTS, aligners_to_try
from tasks.models.registry import aligner_source, aligner_version, whisper_source
from tasks.models.sources import Bundle, Repository, Source
from tasks.written import Fallback

ANSWER_S = 2.5
"""How long the Hub, and torchaudio's server, may each take to answer."""


class BetterTiming:
    """Finds out, once for each language and fallback, why no better one can be loaded. For several threads."""

    def __init__(self, batch: Batch, *, elsewhere: bool = False) -> None:
        """`elsewhere`: the models are loaded on other machines, of which nobody knows before they try."""
        self._batch = batch
        self._elsewhere = elsewhere
        self._lock = threading.Lock()
        self._found: dict[str, str | None] = {}
        self._silent: dict[type[Source], str] = {}
        """Why the server of this kind of model cannot be reached: it is not asked again."""

    def reasons(self) -> list[str]:
        """Return why better methods cannot be loaded, of all languages that were asked for."""
        return sorted(set(filter(None, self._found.values())))

    def lacking(self, fallback: Fallback) -> str | None:
        """Return why every method that is better for a language than the one that timed the words cannot be loaded now.

        None if one can be, or may be on other machines, or if there is none. Loads no model; servers that do not
        answer take five seconds, whatever is asked.
        """
        if self._elsewhere:
            return None
        key = json.dumps(fallback, sort_keys=True)
        with self._lock:
            if key not in self._found:
                reasons = [self._unavailable(*each, fallback) for each in self._better(fallback)]
                known = [f"{fallback['language']}: {reason}" for reason in reasons if reason]
                self._found[key] = "; ".join(known) if reasons and len(known) == len(reasons) else None
            return self._found[key]

    def _better(self, fallback: Fallback) -> Iterator[tuple[str, Source]]:
        """Yield the methods that are tried before the one that timed the words, and where they come from."""
        align, transcribe = self._batch.align, self._batch.transcribe
        language, timed_by = fallback["language"], fallback["aligned_by"]
        for name in aligners_to_try(language, align.named(language, transcribe.fixed_language)) if align else ():
            if name == timed_by:
                return
            if source := aligner_source(language, name):
                yield name, source
        if timed_by == SEGMENTS:
            yield CROSS_ATTENTION, whisper_source(transcribe.model)

    def _unavailable(self, name: str, source: Source, fallback: Fallback) -> str | None:
        models = self._batch.models
        if not source.missing(models.model_dir):
            tried = fallback["broken"].get(name)
            broken = tried and tried == aligner_version(fallback["language"], name, models.model_dir)
            return f"{source.name} is here, and does not load" if broken else None
        # torchaudio downloads its aligners also where `model_cache_only` is set.
        if models.offline or (models.model_cache_only and not isinstance(source, Bundle)):
            return f"{source.name} is not here, and downloads are off"
        if type(source) not in self._silent:
            try:
                return _refused(source)
            except HubUnreachable as error:
                self._silent[type(source)] = str(error)
        return f"{source.name} is not here, and cannot be downloaded ({self._silent[type(source)]})"


def _refused(source: Source) -> str | None:
    """Return why a model's server refuses it; None if it can be downloaded. Raises HubUnreachable."""
    if isinstance(source, Repository):
        reason = refusal(source, timeout_s=ANSWER_S)
        return reason and f"{source.name}: {reason}"
    if isinstance(source, Bundle):
        try:
            ask = partial(httpx.head, source.url, timeout=ANSWER_S, follow_redirects=True)
            answer_within(ANSWER_S, ask).raise_for_status()
        except (*NETWORK_ERRORS, ImportError, ValueError) as error:  # the last two: of a proxy that httpx cannot use
            raise HubUnreachable(f"{urlsplit(source.url).hostname}: {error}") from error
    return None
