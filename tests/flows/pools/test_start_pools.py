"""Pools that load their models before the flow run is there, on a real Ray and a real server."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from conftest import TWO_SPEAKERS
from prefect import flow
from prefect.states import Completed, State
from ray.util import placement_group_table

from flows.config.parameters import Batch
from flows.planning.plan import Plan
from flows.planning.selection import checked_entries
from flows.pools.group import Pools
from flows.pools.placement import CannotBePlaced
from flows.prepared import pools_for, prepared
from flows.reporting.tracker import Tracker
from flows.services.ray_cluster.session import RaySession, ray_session
from flows.state.folder import OutputFolder

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    return Path(shutil.copy(TWO_SPEAKERS, tmp_path / "call.wav"))


def planned(speech: Path, tiny_en: str, **options: Any) -> tuple[Batch, Plan, Tracker]:
    """Return a batch of one file, by default without word timings, its plan and its tracker."""
    defaults: dict[str, Any] = {
        "inputs": {"inputs": [str(speech)]},
        "transcribe": {"model": tiny_en, "language": "en", "compute_type": "int8"},
        "align": None,
        "models": {"device": "cpu"},
        "write": {"output_dir": str(speech.parent / "out")},
    }
    batch = Batch.model_validate(defaults | options)
    plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
    tracker = Tracker.of(plan)
    plan.recall(tracker)
    return batch, plan, tracker


def in_flow(body: Callable[[RaySession], Pools]) -> Pools:
    """Return the pools that a flow has got."""
    got = []

    @flow(name="start", persist_result=False)
    def start() -> State[Any]:
        with ray_session(None, dashboard=False) as session:
            got.append(body(session))
        return Completed()

    start()
    return got[0]


def reserved() -> dict[str, str]:
    """Return the state of each reservation that there ever was on this Ray."""
    return {name: group["state"] for name, group in placement_group_table().items()}


def test_a_flow_takes_the_pools_that_were_started_ahead(speech: Path, tiny_en: str) -> None:
    """So there is one reservation, and it ends with the command."""
    batch, plan, tracker = planned(speech, tiny_en)
    before = reserved()
    with ray_session(None, dashboard=False) as session, prepared(batch, session, plan, tracker):
        pools = in_flow(lambda session: pools_for(batch, session, plan))
        (mine,) = reserved().keys() - before.keys()
        assert pools.wait_placed(timeout=30)
        (facts,) = pools.facts(timeout=60)
        assert facts.pid
        actor = pools._replicas[0].actor
    assert reserved()[mine] == "REMOVED"
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(actor.facts.remote(), timeout=30)


def test_pools_that_lack_a_stage_make_room_for_others(speech: Path, tiny_en: str, small_models: Path) -> None:
    """What a file is missing may have changed since: somebody may have removed a stored result."""
    batch, plan, tracker = planned(speech, tiny_en)
    aligner = {"align_model": str(small_models / "align-tiny")}
    more, longer, _ = planned(speech, tiny_en, align=aligner)
    with ray_session(None, dashboard=False) as session, prepared(batch, session, plan, tracker):
        pools = in_flow(lambda session: pools_for(more, session, longer))
        try:
            assert "align" in pools.stages
            assert pools.wait_placed(timeout=30)
        finally:
            pools.close()


def test_what_does_not_fit_the_cluster_is_for_the_flow_to_say(speech: Path, tiny_en: str) -> None:
    """In its state, where Prefect shows it."""
    batch, plan, tracker = planned(speech, tiny_en, pools={"transcribe_num_gpus": 9})
    with (
        ray_session(None, dashboard=False) as session,
        prepared(batch, session, plan, tracker),
        pytest.raises(CannotBePlaced, match="transcribe 1 × 9"),
    ):
        in_flow(lambda session: pools_for(batch, session, plan))


def test_pools_that_no_flow_took_end_with_the_command(speech: Path, tiny_en: str) -> None:
    """The server may not have started."""
    batch, plan, tracker = planned(speech, tiny_en)
    before = reserved()
    with (
        pytest.raises(RuntimeError, match="no server"),
        ray_session(None, dashboard=False) as session,
        prepared(batch, session, plan, tracker),
    ):
        raise RuntimeError("no server")
    (mine,) = reserved().keys() - before.keys()
    assert reserved()[mine] == "REMOVED"


def test_pools_are_taken_once(speech: Path, tiny_en: str) -> None:
    """A flow that Prefect runs again finds those closed that its first run had."""
    batch, plan, tracker = planned(speech, tiny_en)
    with ray_session(None, dashboard=False) as session, prepared(batch, session, plan, tracker):
        first = in_flow(lambda session: pools_for(batch, session, plan))
        first.close()
        again = in_flow(lambda session: pools_for(batch, session, plan))
        try:
            assert again is not first
            assert again.wait_placed(timeout=30)
        finally:
            again.close()


def test_nothing_is_started_for_files_that_have_all_failed(speech: Path, tiny_en: str) -> None:
    """They need no stage; the flow reports them."""
    speech.write_bytes(b"")
    batch, plan, tracker = planned(speech, tiny_en)
    plan.probe(tracker)
    assert tracker.statuses["failed"] == 1
    before = reserved()
    with ray_session(None, dashboard=False) as session, prepared(batch, session, plan, tracker):
        assert reserved() == before
