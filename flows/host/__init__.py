"""The machine that the command is started on: folders, signals, environment, terminal. May import only `tasks`."""
