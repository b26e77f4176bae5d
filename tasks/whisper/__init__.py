"""Whisper and voice activity detection as WhisperX runs them."""
