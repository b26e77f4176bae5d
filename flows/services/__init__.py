"""Processes beside ours: Prefect server, Ray. May import `planning` and below."""
