"""The index of the pages in an output folder. May import `planning` and below."""
