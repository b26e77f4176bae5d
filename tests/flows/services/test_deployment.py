"""flows/services/deployment.py: which options a run has, and which its deployment; test_deployments.py runs one."""

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow

from flows.config.inputs import Inputs
from flows.services.deployment import deployment_id, merged
from tasks.align import AlignOptions
from tasks.write import WriteOptions


def test_a_run_adds_options_and_replaces_options_one_by_one() -> None:
    """One that is given as its default counts too; a stage that is left out stays out."""
    deployed = {"output_dir": "/out", "output_format": "srt,docx"}
    assert merged(WriteOptions(subtitles="readable"), deployed) == WriteOptions(**deployed, subtitles="readable")
    assert merged(WriteOptions(output_format="all"), deployed) == WriteOptions(output_dir="/out")
    assert merged(WriteOptions(), None) == WriteOptions()
    assert merged(None, {"align_model": "whisper"}) is None
    assert merged(AlignOptions(), {"align_model": "whisper"}) == AlignOptions(align_model="whisper")


def test_files_that_a_run_names_are_not_added_to_the_folder_of_the_deployment() -> None:
    """Other options of the inputs are."""
    deployed = {"inputs": ["/recordings"], "exclude": ["drafts/"]}
    assert merged(Inputs(manifest="/m.csv"), deployed) == Inputs(manifest="/m.csv", exclude=["drafts/"])
    assert merged(Inputs(only="failed"), deployed) == Inputs(**deployed, only="failed")


@flow(name="part", persist_result=False)
def part() -> list[str]:
    """Return the deployment of this run as we, and as Prefect tells it."""
    return [str(deployment_id()), str(runtime.deployment.id)]


@flow(name="deployed", persist_result=False)
def deployed() -> list[str]:
    """Return that of this run, and of a run inside."""
    return [str(deployment_id()), *part()]


@pytest.mark.usefixtures("api_url")
def test_a_run_knows_its_deployment_as_prefect_does_and_asks_nobody() -> None:
    """A contract: a context variable of Prefect has it, in a run inside a deployment's run too."""
    assert deployment_id() is None
    assert deployed() == ["None"] * 3
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(deployed), "contract")
        flow_run = client.create_flow_run_from_deployment(deployment)
    assert run_flow(deployed, flow_run=flow_run) == [str(deployment)] * 3
    assert deployment_id() is None
