"""From inputs to what is to be done with each file. May import `preflight`, `state`, `config` and `tasks`."""
