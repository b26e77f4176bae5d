"""A module for each stage, and folders for what the stages are made of. Imports nothing of `flows`."""
