"""Recordings of a channel or a track for each speaker: whether they are, and one transcript of them all."""
