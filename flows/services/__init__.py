"""Processes beside ours: Prefect server, Ray. May import `host`, `config` and `tasks`."""
