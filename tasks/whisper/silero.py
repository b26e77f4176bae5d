"""Silero's voice activity detection from its package; WhisperX would download it from GitHub at each load."""

import torch
from whisperx.vads import Silero
from whisperx.vads.vad import Vad

threads = torch.get_num_threads()
from silero_vad import get_speech_timestamps, load_silero_vad  # noqa: E402

torch.set_num_threads(threads)  # its import sets it to 1, for the other models too


class PackagedSilero(Silero):  # type: ignore[misc] # WhisperX has no types
    """WhisperX's Silero, loaded from the installed package."""

    def __init__(self, vad_onset: float, chunk_size: int) -> None:
        Vad.__init__(self, vad_onset)
        self.vad_onset = vad_onset
        self.chunk_size = chunk_size
        self.vad_pipeline = load_silero_vad()
        self.get_speech_timestamps = get_speech_timestamps
