"""deployments/deploy.py: which options the deployments have; test_deployments.py creates and runs them."""

from pathlib import Path

from deployments.deploy import ROOT, with_options
from deployments.settings import DeploymentSettings


def test_the_canary_tries_new_options_against_those_of_the_night(tmp_path: Path) -> None:
    """Those of the file and of the settings; not where outputs go, or when it stops."""
    file = tmp_path / "prefect.yaml"
    shared = "      transcribe: {beam_size: 3}\n      align: {align_model: whisper}\n"
    file.write_text(
        (ROOT / "deployments" / "prefect.yaml").read_text().replace("&parameters\n", f"&parameters\n{shared}")
    )
    project = with_options(DeploymentSettings(model="tiny", output_format="srt"), file)
    parameters = {each["name"]: each["parameters"] for each in project["deployments"]}
    tried = {"transcribe": {"beam_size": 3, "model": "tiny"}, "align": {"align_model": "whisper"}}
    assert parameters["canary"]["old"] == tried
    for name in ("default", "nightly"):
        assert {group: parameters[name][group] for group in tried} == tried
        assert parameters[name]["write"]["output_format"] == "srt"
    assert "run" not in parameters["default"]
    own = file.read_text().replace("old: {}", "old: {align: null}")
    file.write_text(own)
    (canary,) = (each for each in with_options(DeploymentSettings(), file)["deployments"] if each["name"] == "canary")
    assert canary["parameters"]["old"] == {"transcribe": {"beam_size": 3}, "align": None}
