"""flows/services/deployment.py: which options a run has, and which its deployment; test_deployments.py runs one."""

from flows.config.inputs import Inputs
from flows.services.deployment import merged
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
