"""From inputs to the work left for each file. May import `preflight` and below."""
