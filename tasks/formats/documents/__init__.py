"""Transcripts to be read, or imported by programs for qualitative analysis: paragraphs with times and speakers."""
