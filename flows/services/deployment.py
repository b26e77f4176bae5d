"""The deployment that a flow run was started from, and its parameters."""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import _deployment_id
from prefect.exceptions import ObjectNotFound

from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from tasks.options import Options

SOURCES = {"inputs", "batch_file", "manifest"}
"""Whoever names files with one of these does not mean those that the deployment names."""


def deployment_id() -> UUID | None:
    """Return the deployment of the present flow run, or of the run that it is a part of.

    `runtime.deployment.id` is the same, but asks the server each time in a run without one, over a new connection.
    Contract test: tests/flows/services/test_deployment.py.
    """
    return _deployment_id.get()


def with_deployment_options(batch: Batch) -> Batch:
    """Return the batch of the present run, with the options of its deployment, if any, where it sets none itself.

    Prefect replaces a whole group of a deployment's parameters by what a run gives of it. Raises ValidationError for
    options that do not go together.
    """
    deployment = deployment_id()
    if deployment is None:
        return batch
    with get_client(sync_client=True) as client:
        try:
            defaults = client.read_deployment(deployment).parameters
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
