"""The texts of a run's artifacts in Prefect, as Markdown."""
