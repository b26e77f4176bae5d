"""Warm actors, and the Prefect task runner that sends tasks to them. May import `services`, `planning` and below."""
