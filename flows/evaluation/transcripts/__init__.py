"""Transcripts and references of all formats, and which belong to the same recording."""
