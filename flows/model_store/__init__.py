"""The pinned folder of models. May import `config` and `tasks`."""
