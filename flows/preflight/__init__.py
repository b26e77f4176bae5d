"""Checks that refuse a run before anything starts. May import `state`, `model_store`, `config` and `tasks`."""
