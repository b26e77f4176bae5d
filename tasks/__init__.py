"""The five stages: each module holds one stage's options, its model loader and its per-file task."""
