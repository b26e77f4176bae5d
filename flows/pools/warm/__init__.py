"""Actors that stay after a run, with their models, and what the next run does with them."""
