"""The lock on an output folder, between real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from batches import HOLDER
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.states import Running

from flows.state.run_lock import exclusive_run
from tasks.errors import InvalidInput


def test_a_second_run_is_refused_or_waits(tmp_path: Path) -> None:
    """It is refused where somebody is there to hear it; a deployment's waits, and says for whom."""
    folder = tmp_path / ".whisperx-batch"
    line = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InvalidInput, match="another run is writing there"), exclusive_run(folder):
            pass
        told: list[str] = []

        def waiting(message: str) -> None:
            told.append(message)
            holder.stdin.close()  # lets the other run end

        with exclusive_run(folder, waiting=waiting):
            assert holder.wait(10) == 0
    assert told == [f"waiting for another run, which is writing to {tmp_path}"]
    with exclusive_run(folder, waiting=told.append):
        assert len(told) == 1


def test_a_folder_of_another_user_is_refused_and_an_open_one_is_closed(tmp_path: Path) -> None:
    """What lies in it is believed."""
    folder = tmp_path / ".whisperx-batch"
    with exclusive_run(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with exclusive_run(folder):
        assert folder.stat().st_mode & 0o777 == 0o755
    if os.geteuid() == 0:  # only root can give a folder away
        os.chown(folder, 12345, -1)
        with pytest.raises(InvalidInput, match="use another --output_dir"), exclusive_run(folder):
            pass


@flow(name="stage of a shard", persist_result=False)
def stage() -> list[str]:
    """Return the identifiers of this run and of those that it is inside."""
    return [runtime.flow_run.id]


@flow(name="shard", persist_result=False)
def shard() -> list[str]:
    """Run a stage."""
    return [runtime.flow_run.id, *stage()]


@flow(name="in shards", persist_result=False)
def in_shards() -> list[str]:
    """Run a shard."""
    return [runtime.flow_run.id, *shard()]


@pytest.mark.usefixtures("api_url")
def test_a_run_that_was_killed_does_not_go_on_for_ever_in_prefect(tmp_path: Path) -> None:
    """The run that comes next to the folder ends it, its shards and their stages."""
    runs = [UUID(each) for each in in_shards()]
    folder = tmp_path / ".whisperx-batch"
    with exclusive_run(folder, str(runs[0])):
        (owner,) = folder.glob("*.json")
        left = owner.read_text()
    with get_client(sync_client=True) as client:
        for each in runs:
            client.set_flow_run_state(each, Running(), force=True)
        owner.write_text(left)
        assert json.loads(left)["flow_run_id"] == str(runs[0])
        with exclusive_run(folder, str(uuid4())):
            assert [client.read_flow_run(each).state_name for each in runs] == ["Crashed"] * 3
