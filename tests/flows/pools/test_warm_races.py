"""Actors that stay after a run, in moments that are too short to be met on a real Ray."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from flows.pools.nodes.node_set import NodeSet
from flows.pools.pool import Pool
from flows.pools.replica import Replica
from flows.pools.sizing import PoolSpec
from flows.pools.startup import HOLD_EVERY_S, Startup
from flows.pools.warm import kept_set, takeover, tenure
from flows.pools.warm.kept_set import PREFIX, KeptSet, kept_sets
from flows.pools.warm.policy import WarmPolicy
from flows.pools.warm.takeover import claimed
from flows.pools.warm.tenure import UNCLAIMED_S, Tenure
from flows.pools.worker import ActorOptions
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions

SET = f"{PREFIX}a"
ACTORS = [f"{SET}/light/0", f"{SET}/light/1"]


def test_actors_that_another_run_starts_during_the_look_are_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their reservation is made before them: it must not be looked for first."""
    there: dict[str, dict[str, str]] = {}
    named: list[str] = []

    def after(look: Callable[[], Any]) -> Callable[[], Any]:
        def looked() -> Any:
            found = look()
            there["1"] = {"name": SET, "state": "CREATED"}
            named[:] = ACTORS
            return found

        return looked

    ended: list[str] = []
    monkeypatch.setattr(kept_set, "placement_group_table", after(lambda: dict(there)))
    monkeypatch.setattr(ray.util, "list_named_actors", after(lambda: list(named)))
    monkeypatch.setattr(kept_set, "_end", ended.append)
    assert kept_sets() == {}
    assert kept_sets() == {SET: ACTORS}
    assert ended == []


def test_a_set_whose_run_was_killed_while_it_left_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first actor was at rest, the second was still the run's."""
    says = {ACTORS[0]: KeptSet(SET, "node", "process", {}), ACTORS[1]: KeptSet(SET, "", "", {})}
    ended: list[str] = []
    monkeypatch.setattr(takeover, "kept_sets", lambda: {SET: ACTORS})
    monkeypatch.setattr(takeover, "_claims", lambda actors, _: [says[actor] for actor in actors])
    monkeypatch.setattr(takeover, "end_set", ended.append)
    assert list(claimed("job")) == []
    assert ended == [SET]


def test_a_set_ends_also_if_ray_does_not_answer_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's head may be started again just then; what is not ended holds its GPU for ever."""
    tries: list[str] = []

    def end(name: str) -> None:
        tries.append(name)
        if len(tries) == 1:
            raise RuntimeError
        threading.Event().wait()  # Ray has ended the process

    monkeypatch.setattr(tenure, "CHECK_EVERY_S", 0.01)
    monkeypatch.setattr(tenure, "UNCLAIMED_S", 0.0)
    monkeypatch.setattr(tenure, "end_own_set", end)
    Tenure(SET)
    deadline = time.monotonic() + 10
    while len(tries) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tries == [SET, SET]


@pytest.mark.parametrize("answer", [None, RuntimeError("it is being restarted")])
def test_a_process_that_was_restarted_idle_hears_of_its_run_before_it_ends_its_set(answer: Exception | None) -> None:
    """It had nothing to do when it died, so no call tells the run of its death."""
    told: list[str] = []

    def hold(job: str) -> SimpleNamespace:
        told.append(job)
        said: Future[None] = Future()
        said.set_exception(answer) if answer else said.set_result(None)
        return SimpleNamespace(future=lambda: said)

    spec = PoolSpec("load audio", ("load audio",), size=1, slots=1, num_cpus=1.0)
    actor = SimpleNamespace(hold=SimpleNamespace(remote=hold))
    pools = [Pool(spec, [Replica(actor, spec, ready=True), Replica(actor, spec, ready=True)])]
    warm = WarmPolicy("job", "process", {}, (), keep_s=600.0)
    options = ActorOptions(ModelOptions(), TranscribeOptions(), None, None, warm=warm)
    nothing: Any = SimpleNamespace(placed=True)
    startup = Startup(pools, options, nothing, nothing, nothing, nothing)
    began = time.monotonic()
    for tick in range(1, int(2 * HOLD_EVERY_S) + 5):
        startup.check(began + tick)
    assert told == ["job"] * 4
    assert HOLD_EVERY_S < UNCLAIMED_S / 2


@pytest.mark.parametrize("trouble", [{"restarts": 1}, {"ready": False}])
def test_a_run_says_that_nothing_stays_if_an_actor_had_trouble(
    caplog: pytest.LogCaptureFixture, trouble: dict[str, Any]
) -> None:
    """Who has asked for it would otherwise learn it from the next run, which starts cold."""
    replica = Replica(None, PoolSpec("light", ("write",), size=1, slots=1, num_cpus=1.0), **{"ready": True} | trouble)
    warm = WarmPolicy("job", "process", {}, (), keep_s=600.0)
    node_set: Any = SimpleNamespace(_options=SimpleNamespace(warm=warm), replicas=[replica], node="the machine")
    assert NodeSet.keep(node_set) is None
    assert "nothing stays warm on the machine: a process has died" in caplog.text
