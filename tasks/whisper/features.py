"""Whisper's input features."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from whisperx.asr import WhisperModel


def log_mel(model: "WhisperModel", sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the spectrogram of 16 kHz mono samples, shape (mels, frames), as WhisperX gives it to this model.

    Sound shorter than 30 s is padded to 3000 frames; longer sound has more, which no Whisper model takes.
    """
    from whisperx.audio import N_SAMPLES, log_mel_spectrogram

    mels = model.feat_kwargs.get("feature_size") or 80
    features: npt.NDArray[np.float32] = log_mel_spectrogram(sound, mels, padding=N_SAMPLES - len(sound)).numpy()
    return features
