"""Create or renew the deployments on the Prefect server that PREFECT_API_URL names: `python -m deployments.deploy`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from deployments.settings import DeploymentSettings, read_settings
from flows.config.canary import OptionSet
from flows.services.prefect_server import has_server

ROOT = Path(__file__).parent.parent
POOL = "whisperx-batch"
TOKEN = "whisperx-batch-hf-token"  # noqa: S105 - the name of the block that holds it
NIGHTLY = "whisperx-batch/nightly"
CANARY = "whisperx-batch/canary"


def deploy(settings: DeploymentSettings) -> None:
    """Create what is missing and renew the deployments; a schedule that was turned on stays on."""
    check_server()
    _keep_token(settings.hf_token.get_secret_value() if settings.hf_token else None)
    template = str(ROOT / "deployments" / "work-pool.json")
    _prefect("work-pool", "create", POOL, "--type", "process", "--base-job-template", template, "--overwrite")
    values = settings.model_dump(mode="json", include={"nightly_cron", "nightly_timezone", "nightly_stop_after"})
    active = _is_active() if settings.nightly_active is None else settings.nightly_active
    values |= {"nightly_active": str(active).lower()}
    values |= {name: str(getattr(settings, name).absolute()) for name in ("recordings", "transcripts")}
    environment = {f"WHISPERX_BATCH_{name.upper()}": value for name, value in values.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(with_options(settings, ROOT / "deployments" / "prefect.yaml"), file)
        file.flush()
        _prefect("--no-prompt", "deploy", "--all", "--prefect-file", file.name, **environment)


def with_options(settings: DeploymentSettings, prefect_file: Path) -> dict[str, Any]:
    """Return what is in the file, with the options among the settings in each deployment's parameters.

    The old options of the canary are those of `nightly`, apart from groups that the file gives the canary itself.
    """
    project: dict[str, Any] = yaml.safe_load(prefect_file.read_text())
    parameters = {each["name"]: dict(each["parameters"]) for each in project["deployments"]}  # aliases share one
    for deployment, own in parameters.items():
        for name, group in settings.parameters().items() if deployment != "canary" else ():
            own[name] = {**(own.get(name) or {}), **group}
    of_night = {name: group for name, group in parameters["nightly"].items() if name in OptionSet.model_fields}
    parameters["canary"]["old"] = of_night | parameters["canary"]["old"]
    for each in project["deployments"]:
        each["parameters"] = parameters[each["name"]]
    return project


def check_server() -> None:
    """Raise SystemExit if no server is named: Prefect would start one, for this program alone."""
    if not has_server():
        sys.exit("set PREFECT_API_URL to the address of the Prefect server, such as http://127.0.0.1:4200/api")


def _keep_token(token: str | None) -> None:
    """Keep the token, if there is one, in the block from which each run's environment gets it."""
    try:
        Secret.load(TOKEN)
    except ValueError:
        token = token or ""
    if token is not None:
        Secret(value=token).save(TOKEN, overwrite=True)


def _is_active() -> bool:
    with get_client(sync_client=True) as client:
        try:
            return any(schedule.active for schedule in client.read_deployment_by_name(NIGHTLY).schedules)
        except ObjectNotFound:
            return False


def _prefect(*arguments: str, **environment: str) -> None:
    """Run the `prefect` program from the project's folder. Raises SystemExit with what it printed if it fails."""
    line = [sys.executable, "-m", "prefect", *arguments]
    ran = subprocess.run(line, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"prefect {' '.join(arguments)}\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    deploy(read_settings())
