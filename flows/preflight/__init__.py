"""What is refused before anything starts. May import `state`, `model_store`, `config` and `tasks`."""
