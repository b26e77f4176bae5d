"""What a user can set, as pydantic models without I/O. Imports only `tasks`."""
