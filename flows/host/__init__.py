"""The machine that the command is started on: folders, signals, environment. May import only `tasks`."""
