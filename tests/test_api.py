"""docs/python.md: what a notebook or another flow calls. Its blocks are run as they stand."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICK_BROWN_FOX
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

PAGE = Path(__file__).parent.parent / "docs" / "python.md"


def blocks(folder: Path, model: str) -> str:
    """Return the page's Python, with the folder of its data and the model replaced."""
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return "\n".join(found).replace('"/data/', f'"{folder}/').replace('"large-v3"', repr(model))


@pytest.fixture(scope="module", name="page")
def _page(
    one_ray: None, api_url: str, tiny_en: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """What the page's names stand for after all of it has run, and the folder of its data."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "recordings").mkdir()
    shutil.copy(QUICK_BROWN_FOX, folder / "recordings" / "talk.wav")
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(blocks(folder, tiny_en), str(PAGE), "exec"), names)
    return folder, names


def test_the_batch_is_a_subflow_of_ones_own_flow(page: tuple[Path, dict[str, Any]]) -> None:
    """It ends with its counts, and is a child of a task run of the flow that called it."""
    _, names = page
    with get_client(sync_client=True) as client:
        flows = {run.id: client.read_flow(run.flow_id).name for run in client.read_flow_runs()}
        (weekly,) = (run_id for run_id, name in flows.items() if name == "weekly")
        children = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id={"any_": [weekly]}))
        assert [client.read_flow(child.flow_id).name for child in children] == ["whisperx-batch"]
        state = client.read_flow_run(weekly).state
    assert state
    assert state.is_completed()
    assert names["report"]["summary"]["done"] == 1


def test_the_report_names_the_outputs(page: tuple[Path, dict[str, Any]]) -> None:
    """Each by its path."""
    folder, names = page
    (file,) = names["report"]["files"]
    assert (file["status"], file["error"], file["aligned_by"]) == ("done", None, "whisper")
    assert sorted(file["outputs"]) == [str(folder / "transcripts" / f"talk.{each}") for each in ("json", "srt")]


def test_a_stored_result_is_the_transcript(page: tuple[Path, dict[str, Any]]) -> None:
    """With the words of the json output."""
    _, names = page
    stored = names["transcript"]
    assert (stored.language, stored.aligned_by) == ("en", "whisper")
    assert "brown fox" in " ".join(segment["text"] for segment in stored.result["segments"])


def test_the_plan_knows_what_is_done(page: tuple[Path, dict[str, Any]]) -> None:
    """After the run nothing remains."""
    _, names = page
    (planned,) = names["plan"].files
    assert (planned.status, names["plan"].audio_left()) == ("skipped", 0)


def test_the_pages_imports_need_no_server() -> None:
    """They are quick, and start nothing."""
    lines = [line for line in blocks(Path("/data"), "").splitlines() if line.startswith(("from ", "import "))]
    assert lines
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
