"""Known people: their voices, which speakers of a file they are, and their names in its outputs."""
