"""Whether a transcript can be trusted: one module for each kind of fault, pure functions on plain data."""
