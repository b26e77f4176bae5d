"""Stage transcribe: voice activity detection and batched Whisper, as WhisperX runs them."""

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from tasks.audio.loudness import loud_seconds
from tasks.audio.options import SoundOptions
from tasks.audio.tracks import TrackChoice
from tasks.audio.types import Audio, AudioFile, Samples, as_float
from tasks.channels.crosstalk import without_crosstalk
from tasks.channels.merging import merged, most_words
from tasks.channels.mixing import mixed
from tasks.channels.part_results import for_each_part
from tasks.languages import language_code
from tasks.models.fingerprints import revision
from tasks.models.options import ModelOptions
from tasks.oom import with_smaller_batches
from tasks.options import NoEffect, NotInKey
from tasks.storage.results import releases, stage_task
from tasks.whisper.loading import WhisperOptions, batches, pipelines
from tasks.whisper.prompts import fitted

logger = logging.getLogger(__name__)

IN_FALLBACK = NoEffect(unless="temperature_fallback")
"""WhisperX 3.8.6 accepts these options and never reads them: `whisperx.asr.WhisperModel.generate_segment_batched`."""


class TranscribeOptions(SoundOptions, WhisperOptions):
    """Speech recognition. Names and defaults are those of the `whisperx` program."""

    language: str | None = Field(None, description="language spoken, code or name (default: detected for each file)")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate: to English, not aligned")
    batch_size: Annotated[int, NotInKey()] = Field(
        8, ge=1, description="chunks that are decoded together, on a GPU also of several files"
    )
    beam_size: int | None = Field(5, ge=1, description="beams in beam search")
    patience: float = Field(1.0, gt=0, description="beam search patience, https://arxiv.org/abs/2204.05424")
    length_penalty: float = Field(1.0, description="length penalty (alpha), https://arxiv.org/abs/1609.08144")
    suppress_tokens: str = Field("-1", description="token ids to suppress, comma-separated; -1: most symbols")
    suppress_numerals: bool = Field(False, description="spell numbers out, because aligners cannot time digits")
    initial_prompt: str | None = Field(None, description="text that the model takes as said before")
    hotwords: str | None = Field(None, description="hint phrases, such as rare names")
    temperature_fallback: bool = Field(
        False,
        description="decode chunks again that come out repetitive or unlikely, by sampling at rising temperatures, as "
        "openai-whisper does and WhisperX does not; without it the options from temperature to best_of have no effect",
    )
    temperature: Annotated[float, IN_FALLBACK] = Field(0, ge=0, le=1, description="first temperature")
    temperature_increment_on_fallback: Annotated[float | None, IN_FALLBACK] = Field(
        0.2, gt=0, description="added for each further try, up to temperature 1 (None: no further try)"
    )
    compression_ratio_threshold: Annotated[float | None, IN_FALLBACK] = Field(
        2.4, description="text that gzip shrinks more is repetitive"
    )
    logprob_threshold: Annotated[float | None, IN_FALLBACK] = Field(
        -1.0, description="text whose average log probability is lower is unlikely"
    )
    no_speech_threshold: Annotated[float | None, IN_FALLBACK] = Field(
        0.6, description="unlikely text is left out where silence is more probable than this"
    )
    best_of: Annotated[int | None, IN_FALLBACK] = Field(
        5, ge=1, description="samples of which the best is taken, at temperatures above 0"
    )
    condition_on_previous_text: Annotated[bool, NoEffect()] = Field(
        False, description="no effect: chunks are decoded side by side"
    )
    fp16: Annotated[bool, NoEffect()] = Field(True, description="no effect in WhisperX 3.8.6")
    print_progress: Annotated[bool, NotInKey()] = Field(
        False, description="print WhisperX's progress of each file into the actors' logs"
    )

    @field_validator("language")
    @classmethod
    def _known_language(cls, language: str | None) -> str | None:
        return language and language_code(language)

    @field_validator("suppress_tokens")
    @classmethod
    def _token_ids(cls, tokens: str) -> str:
        try:
            [int(token) for token in tokens.split(",")]
        except ValueError:
            raise ValueError(f"{tokens!r} is not a comma-separated list of token ids") from None
        return tokens

    @property
    def fixed_language(self) -> str | None:
        """The language that files are transcribed in; None: it is detected. Models named `.en` know English alone."""
        return "en" if self.model.endswith(".en") else self.language

    @property
    def track_choice(self) -> TrackChoice:
        """Which audio track is transcribed."""
        return TrackChoice(self.audio_track, self.fixed_language)

    def unused(self) -> list[str]:
        """Return the names of the options that have no effect."""
        return self.marked(NoEffect)

    def cache_inputs(self, models: ModelOptions) -> dict[str, Any]:
        """Return what a transcript depends on besides the audio: the options, the weights, the releases."""
        model = revision(self.model, models.model_dir, offline=models.model_cache_only)
        vad = {"silero-vad": version("silero-vad")} if self.vad_method == "silero" else {}
        own = ("pyannote-audio",) if self.vad_method == "pyannote" else ()
        made_with = releases("ctranslate2", "faster-whisper", "torch", *own)
        return {**self.key_fields(), **vad, **made_with, "language": self.fixed_language, "model": model}

    def temperatures(self) -> list[float]:
        """Return the temperatures to decode at, in their order, until a text passes the thresholds."""
        if self.temperature_increment_on_fallback is None:
            return [self.temperature]
        steps = np.arange(self.temperature, 1.0 + 1e-6, self.temperature_increment_on_fallback)
        return [float(step) for step in steps]

    def decoding(self) -> dict[str, Any]:
        """Return the fields that these options set of faster-whisper's TranscriptionOptions."""
        return {
            "beam_size": self.beam_size,
            "patience": self.patience,
            "length_penalty": self.length_penalty,
            "initial_prompt": self.initial_prompt,
            "hotwords": self.hotwords,
            "suppress_tokens": [int(token) for token in self.suppress_tokens.split(",")],
            "temperatures": self.temperatures(),
            "compression_ratio_threshold": self.compression_ratio_threshold,
            "log_prob_threshold": self.logprob_threshold,
            "no_speech_threshold": self.no_speech_threshold,
            "best_of": self.best_of or 1,
        }


@dataclass
class Transcript:
    """What was said: `result` is WhisperX's own, with `segments`; `language` is the true one of the file."""

    language: str
    result: dict[str, Any]
    aligned_by: str | None = None
    """What timed the words: an aligner's name, `whisper`, or `segments` if nothing could. None: nothing was to."""
    provisional: bool = False
    """Something better could not be loaded. Another run may do better: this is not kept as a result."""
    broken: dict[str, str] = field(default_factory=dict)
    """Aligners that did not load though their files are here, and the version of these files."""
    note: str | None = None
    """What the report should say of it."""
    parts: "list[Transcript] | None" = None
    """Those of the channels that it was made of, if they were transcribed apart."""


def transcribe_samples(samples: Samples, options: TranscribeOptions, models: ModelOptions) -> Transcript:
    """Return the transcript, before alignment, of 16 kHz mono samples, shape (samples,)."""
    audio, language = as_float(samples), options.fixed_language
    silence = Transcript(language or "en", {"segments": [], "language": language or "en"})
    if not audio.any():  # also no samples at all, at which the models fail
        return silence
    from tasks.whisper.decoding import decode_speech
    from tasks.whisper.speech import find_speech, spoken_language

    with pipelines(options, models).acquire() as pipeline:
        speech = with_smaller_batches(1, lambda _: find_speech(pipeline, audio, options))
        if not speech:
            return silence
        if not pipeline.model.model.is_multilingual:
            if language not in (None, "en"):
                logger.warning("the model %s knows English alone: it is not asked for %s", options.model, language)
            language = "en"
        language = language or with_smaller_batches(1, lambda _: spoken_language(pipeline, audio, speech))
        decoding = replace(pipeline.options, **options.decoding())
    # The pipeline is free for other files' speech detection while this file waits for its turn to be decoded.
    whisper = batches(options, models)
    decode = partial(
        decode_speech,
        whisper,
        audio,
        speech,
        language,
        fitted(decoding, whisper.model),
        task=options.task,
        suppress_numerals=options.suppress_numerals,
        temperature_fallback=options.temperature_fallback,
        print_progress=options.print_progress,
    )
    return Transcript(language, {"segments": with_smaller_batches(options.batch_size, decode), "language": language})


def of_parts(parts: list[Transcript], labels: tuple[str, ...], audio: Audio) -> Transcript:
    """Return the transcript of a file from those of its parts, in order of time, with their labels as speakers."""
    results = without_crosstalk([part.result for part in parts], audio.parts, audio.offsets_s)
    return Transcript(
        parts[most_words(results)].language,
        merged(results, labels, audio.offsets_s),
        aligned_by=", ".join(dict.fromkeys(part.aligned_by for part in parts if part.aligned_by)) or None,
        provisional=any(part.provisional for part in parts),
        note=audio.fault,
        parts=parts,
    )


@stage_task("transcribe", kept=True)
def transcribe(file: AudioFile, audio: Audio, options: TranscribeOptions, models: ModelOptions) -> Transcript:
    """Transcribe one file, each of its parts alone."""
    if audio.parts:
        parts = for_each_part(file, audio, lambda part: transcribe_samples(audio.parts[part], options, models))
        transcript = of_parts(parts, file.labels, audio)
    else:
        transcript = transcribe_samples(audio.samples, options, models)
    if not transcript.result["segments"] and (loud_s := loud_seconds(mixed(audio).samples)):
        unheard = f"no speech was found, though {loud_s} s of the audio are not silent"
        logger.warning("%s; if somebody speaks there, lower --vad_onset", unheard)
        transcript.note = "; ".join(filter(None, [transcript.note, unheard]))
    return transcript
