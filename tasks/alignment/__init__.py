"""Word timings: which method, forced alignment, Whisper's cross-attention."""
