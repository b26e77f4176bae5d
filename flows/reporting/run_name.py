"""What a run is called in Prefect: who started it, when, and how many files."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from flows.config.inputs import Inputs
from flows.reporting.console import counted
from tasks.errors import one_line
from tasks.storage.urls import shown
from tasks.write import WriteOptions

SEPARATOR = " · "


def first_name() -> str:
    """Return the name of the present run before its files have been found."""
    given = runtime.flow_run.parameters
    return _name(Inputs.model_validate(given["inputs"]), WriteOptions.model_validate(given["write"]))


def rename(files: int) -> None:
    """Add to the present run's name how many files it is about."""
    name = f"{runtime.flow_run.name.partition(SEPARATOR)[0]}{SEPARATOR}{counted(files)}"
    # Only a name: a run goes on under the first one while the server is away.
    with suppress(PrefectException, httpx.HTTPError), get_client(sync_client=True) as client:
        client.update_flow_run(UUID(runtime.flow_run.id), name=name)


def _name(inputs: Inputs, write: WriteOptions) -> str:
    if runtime.deployment.name:  # the context variable of services/deployment.py is set later
        return f"{runtime.deployment.name} {datetime.now().astimezone():%Y-%m-%d}"
    listed = [each for each in (inputs.batch_file, inputs.manifest) if each]
    given = [shown(each) for each in [*listed, *inputs.inputs]]
    return one_line(f"{', '.join(given[:2])}{' …' if given[2:] else ''} → {shown(write.output_dir)}")[:200]
