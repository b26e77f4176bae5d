"""Actors that stay after a run, on a real Ray: who takes them over, and what ends them."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import ray
from planners import Fixed
from ray.util import placement_group_table

from flows.pools.group import Pools
from flows.pools.sizing import PoolSpec
from flows.pools.warm.kept_services import surroundings
from flows.pools.warm.kept_set import KeptSet, actor_name, end_set, kept_sets
from flows.pools.warm.policy import WarmPolicy
from flows.pools.warm.takeover import end_all
from flows.pools.worker import ActorOptions
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

ONE = [PoolSpec("load audio", ("load audio",), size=1, slots=1, num_cpus=1.5)]
TWO = [PoolSpec(name, (name,), size=1, slots=1, num_cpus=0.5) for name in ("load audio", "align")]
WAIT_S = 60.0


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Nothing stays for other tests."""
    yield
    for name in kept_sets():
        end_set(name)


def policy(keep_s: float = 600.0, process: str = "this code", **models: str) -> WarmPolicy:
    """Return the policy of a run of this process."""
    return WarmPolicy(ray.get_runtime_context().get_job_id(), process, models, ("a model",), keep_s)


def started(warm: WarmPolicy, specs: list[PoolSpec] = ONE) -> Pools:
    """Return pools whose actors are ready."""
    options = ActorOptions(ModelOptions(), TranscribeOptions(), None, None, warm=warm)
    pools = Pools(Fixed(specs), options)
    pools.start(float)
    deadline = time.monotonic() + WAIT_S
    while not all(replica.ready for replica in pools._replicas) and time.monotonic() < deadline:
        time.sleep(0.05)
    return pools


def processes(pools: Pools) -> set[int]:
    """Return the processes of all actors, and close the pools."""
    actors = len(pools._replicas)
    pids = {each.pid for each in pools.close()}
    assert len(pids) == actors
    return pids


def reserved() -> list[str]:
    """Return the state of each reservation for a set that stays."""
    return [each["state"] for each in placement_group_table().values() if each["name"].startswith("whisperx-batch")]


def gone(name: str) -> bool:
    """Return whether a set has ended in time, with nothing left to restart and nothing reserved."""
    deadline = time.monotonic() + WAIT_S
    while (name in kept_sets() or "CREATED" in reserved()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return name not in kept_sets() and set(reserved()) <= {"REMOVED"}


def test_the_next_run_with_the_same_models_goes_on_with_the_actors_and_their_room() -> None:
    """Also if it has models more, or stages fewer; a run that keeps nothing ends them."""
    first = started(policy(transcribe="tiny"), TWO)
    pids = processes(first)
    (kept,) = first.kept
    assert kept.memory_bytes > 50e6
    assert kept.reserved == {"CPU": 1.0}
    second = started(policy(transcribe="tiny", diarize="a"), [replace(TWO[0], stages=("write",)), TWO[1]])
    assert [each.name for each in second.taken_over] == [kept.name]
    assert processes(second) == pids
    assert dict(second.kept[0].models) == {"transcribe": "tiny", "diarize": "a"}
    last = started(policy(0.0, transcribe="tiny"), TWO)
    assert processes(last) == pids
    assert last.kept == []
    assert gone(kept.name)


def test_a_run_that_cannot_use_what_is_warm_ends_it() -> None:
    """Before it reserves room for its own: here there is none for both. Other pools, another model, other code."""
    runs = [
        (policy(transcribe="tiny"), ONE),
        (policy(transcribe="tiny"), [replace(ONE[0], slots=2)]),
        (policy(transcribe="small"), [replace(ONE[0], slots=2)]),
        (policy(process="other code", transcribe="small"), [replace(ONE[0], slots=2)]),
    ]
    seen: set[int] = set()
    for warm, specs in runs:
        pools = started(warm, specs)
        pids = processes(pools)
        assert pools.taken_over == []
        assert not pids & seen
        assert list(kept_sets()) == [kept.name for kept in pools.kept]
        seen |= pids


def test_actors_end_themselves_at_their_time() -> None:
    """Without any run, and Ray tries for ever to restart none of them."""
    first = started(policy(1.0), TWO)
    processes(first)
    assert gone(first.kept[0].name)


def test_what_a_run_uses_is_no_other_runs() -> None:
    """Nor does --stop_warm end it; at rest it does."""
    first = started(policy())
    pids = processes(first)
    second = started(policy())
    actor = ray.get_actor(actor_name(first.kept[0].name, "load audio", 0))
    assert ray.get(actor.claim.remote("another job", time.time() + WAIT_S)) is None
    assert end_all() == []
    assert processes(second) == pids
    assert [each.name for each in end_all()] == [first.kept[0].name]
    assert gone(first.kept[0].name)


def test_actors_that_had_trouble_are_not_kept() -> None:
    """One that was restarted may have lost more than its models."""
    pools = started(policy())
    pools._replicas[0].restarts = 1
    processes(pools)
    assert pools.kept == []
    assert kept_sets() == {}


def test_the_user_reads_what_is_warm_what_it_holds_and_until_when() -> None:
    """In a line."""
    kept = KeptSet("s", "n", "p", {}, ("Whisper small", "speakers by x"), {"CPU": 2.0, "GPU": 0.7}, 2_340_000_000, 0.0)
    assert str(kept).startswith("Whisper small, speakers by x (2.3 GB, 2 CPUs and 0.7 GPUs) until ")


def test_a_ray_that_stays_is_for_runs_with_the_same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its actors have that of its start; which terminal a run is started from is no matter."""
    before = surroundings()
    monkeypatch.setenv("TERM", "vt100")
    monkeypatch.setenv("SSH_TTY", "/dev/pts/7")
    assert surroundings() == before
    monkeypatch.setenv("HF_HOME", "/elsewhere")
    assert surroundings() != before
