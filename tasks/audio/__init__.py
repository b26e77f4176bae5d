"""Recordings: which files may be opened, the track, the time line, decoding."""
