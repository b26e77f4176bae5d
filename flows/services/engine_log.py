"""What Prefect's engine logs when the run of a deployment has ended."""

import logging

from prefect.exceptions import CancelledRun, FailedRun
from pydantic import ValidationError

from flows.services.failures import EXPECTED

LOGGERS = ("prefect.flow_runs", "prefect.engine")


def omit_tracebacks_of_final_states() -> None:
    """Let the log of a run that has failed end with its final state.

    After it, the engine raises the state as an exception, and logs that twice, with forty lines of its own code.
    Contract test: tests/deployments/test_deployments.py.
    """
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_is_not_of_final_state)


def _is_not_of_final_state(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (FailedRun, CancelledRun, ValidationError, *EXPECTED))
