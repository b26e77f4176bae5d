"""The parameters of the deployment that a flow run was started from."""

from typing import Any
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from tasks.options import Options

SOURCES = {"inputs", "batch_file", "manifest"}
"""Whoever names files with one of these does not mean those that the deployment names."""


def with_deployment_options(batch: Batch) -> Batch:
    """Return the batch of the present run of a deployment, with the deployment's options where it sets none itself.

    Prefect replaces a whole group of a deployment's parameters by what a run gives of it. Raises ValidationError for
    options that do not go together.
    """
    with get_client(sync_client=True) as client:
        try:
            defaults = client.read_deployment(UUID(runtime.deployment.id)).parameters
        except ObjectNotFound:  # it was deleted since
            return batch
    return Batch(**{name: merged(group, defaults.get(name)) for name, group in batch})


def merged(group: Options | None, defaults: dict[str, Any] | None) -> Options | None:
    """Return a group of options, with these defaults for those that it does not set itself."""
    if group is None or not defaults:
        return group
    if isinstance(group, Inputs) and SOURCES & group.model_fields_set:
        defaults = {name: value for name, value in defaults.items() if name not in SOURCES}
    return group.over(defaults)
