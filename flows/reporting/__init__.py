"""What people see of a run. May import `pools`, `services`, `planning` and below."""
