"""What is remembered on disk between runs. May import `config` and `tasks`."""
