"""One plan for the command and for the flow that it starts."""

import shutil
from pathlib import Path

import pytest
from batches import batch_of
from conftest import SAMPLES

from flows import prepared
from flows.planning.plan import Plan
from flows.planning.selection import checked_entries
from flows.prepared import Prepared, take_plan
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run


@pytest.fixture(name="plan")
def _plan(tmp_path: Path) -> Plan:
    """A file of speech, and one that holds no audio."""
    speech = tmp_path / "speech"
    speech.mkdir()
    shutil.copy(SAMPLES / "en" / "hello_world.wav", speech / "hello.wav")
    (speech / "broken.wav").write_text("no audio")
    batch = batch_of(speech)
    return Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())


def test_a_plan_is_handed_over_once(plan: Plan) -> None:
    """A flow that Prefect runs again makes its own, as that of a deployment does."""
    assert take_plan() is None
    handed = plan, Tracker.of(plan)
    token = prepared._prepared.set(Prepared(handed))
    try:
        assert take_plan() is handed
        assert take_plan() is None
    finally:
        prepared._prepared.reset(token)


def test_what_the_command_has_found_is_found_once(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow goes on where the command was: a file that is refused has failed in this run, not before."""
    tracker = Tracker.of(plan)
    plan.recall(tracker)
    plan.probe(tracker)
    with monkeypatch.context() as patched:
        known = "flows.planning.sources.known"
        patched.setattr(f"{known}.probe", lambda *_: pytest.fail("a file was opened again"))
        patched.setattr(f"{known}.check_regular", lambda _: pytest.fail("a file was looked at again"))
        with exclusive_run(OutputFolder.of(plan.batch).state_dir):
            plan.begin()
            plan.recall(tracker)
            plan.probe(tracker)
            plan.ledger.share()
    statuses = {file.source.name: file.status for file in plan.files}
    assert statuses == {"hello.wav": "waiting", "broken.wav": "failed"}
    assert (tracker.new_failures, tracker.known_failures) == (1, 0)
    ledger = OutputFolder.of(plan.batch).ledger()
    rows = {Path(path).name: row for path, row in ledger.rows.items()}
    assert {name: row["status"] for name, row in rows.items()} == statuses
    assert rows["broken.wav"]["refused"]
    assert rows["broken.wav"]["error"] == next(file.error for file in plan.files if file.status == "failed")
