"""The command line: parses, reports errors, plans, starts the flow. Imported by nothing but the entry points."""
