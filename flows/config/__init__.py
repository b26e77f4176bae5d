"""What a user can set, as pydantic models without I/O. May import `tasks` alone."""
