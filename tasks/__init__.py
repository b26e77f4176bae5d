"""One module a stage on top, and below, by folder, what the stages are made of. Imports nothing of `flows`."""
