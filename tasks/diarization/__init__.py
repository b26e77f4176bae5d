"""Speaker diarization with pyannote.audio's pipelines."""
