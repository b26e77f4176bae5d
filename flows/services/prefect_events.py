"""States and logs that Prefect sends from threads of its own."""

# Prefect's workers behind task run states and logs have no public flush: a process that is killed would take what
# they still hold with it. Contract test: tests/flows/reporting/test_run.py.
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker


def flush(timeout: float = 5) -> None:
    """Send the states and logs of this process that Prefect still holds, while there is a server to take them."""
    EventsWorker.drain_all(timeout=timeout, at_exit=False)
    APILogWorker.drain_all(timeout=timeout, at_exit=False)
