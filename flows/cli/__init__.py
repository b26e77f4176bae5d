"""The command line: parses, says what is wrong, starts the flow. Imported by nothing but the entry points."""
