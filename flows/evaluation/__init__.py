"""How good transcripts are: reads them and their references, and computes error rates. Imports only `tasks`."""
