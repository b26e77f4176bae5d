"""HTML: a page to read a transcript and to listen to its recording, with what the check doubts."""
