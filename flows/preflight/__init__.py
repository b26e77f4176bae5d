"""Checks that refuse a run before anything starts. May import `model_store` and below."""
