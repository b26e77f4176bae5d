"""An upgrade that changes it fails here."""

import contextvars
import logging
import os
import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import ray
from loopback import free_port
from planners import Fixed
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TaskRun
from prefect.context import FlowRunContext, TaskRunContext, serialize_context
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, State

from flows.host.allocator_env import KEEP_MEMORY
from flows.pools.call import Call
from flows.pools.group import Pools
from flows.pools.replica import Replica
from flows.pools.sizing import PoolSpec
from flows.pools.task_engine import KEPT, Sessions, _run
from flows.pools.task_runner import ActorPoolTaskRunner, PoolFuture
from flows.pools.worker import ActorOptions
from flows.services.failures import ModelsNotLoaded
from flows.services.prefect_events import flush
from tasks.audio.types import AudioFile
from tasks.models.options import ModelOptions
from tasks.storage.results import StoredResult, result_store
from tasks.transcribe import TranscribeOptions, Transcript

BATCH = ActorOptions(ModelOptions(), TranscribeOptions(), None, None)


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
def say(name: str, after: Any = None) -> dict[str, Any]:
    """Tell where and in what context this runs."""
    context, run = FlowRunContext.get(), TaskRunContext.get()
    assert context
    assert run
    linked, client = len(context.run_results), id(run.client)
    return {
        "name": name,
        "pid": os.getpid(),
        "context": id(context),
        "after": after,
        "linked": linked,
        "client": client,
    }


@task(cache_policy=NO_CACHE, persist_result=False)
def kept_memory() -> bool:
    """Tell whether this process began with what lets it keep memory."""
    began = Path("/proc/self/environ").read_bytes().split(b"\0")
    return all(f"{name}={value}".encode() in began for name, value in KEEP_MEMORY.items())


@task(retries=1, cache_policy=NO_CACHE, persist_result=False)
def fail_once(marker: str) -> str:
    """Fail the first time."""
    if not os.path.exists(marker):
        Path(marker).touch()
        raise ValueError("not yet")
    return "at last"


@task(cache_policy=NO_CACHE, persist_result=False)
def die(marker: str, times: int) -> int:
    """Kill this process the first `times` times."""
    died = Path(marker).stat().st_size if os.path.exists(marker) else 0
    if died < times:
        with open(marker, "a") as file:
            file.write(".")
        os._exit(9)
    return died


@task(cache_policy=NO_CACHE, persist_result=False)
def die_later(marker: str) -> None:
    """Kill this process the first time, after a while in which another may have done so."""
    time.sleep(2)
    if not os.path.exists(marker):
        Path(marker).touch()
        os._exit(9)


@task(cache_policy=NO_CACHE, persist_result=False)
def wait(seconds: float, marker: str = "") -> float:
    """Hold a slot."""
    if marker:
        Path(marker).touch()
    time.sleep(seconds)
    return time.time()


@task(cache_policy=NO_CACHE, persist_result=False)
def listen(file: AudioFile) -> None:
    """Take a hundredth of a file's length."""
    time.sleep(file.duration_s / 100)


@task(cache_policy=NO_CACHE, persist_result=False)
def poison(marker: str) -> str:
    """Fail the first time as CUDA does when it cannot be used any more."""
    if not os.path.exists(marker):
        Path(marker).touch()
        raise RuntimeError("CUDA error: device-side assert triggered")
    return str(os.getpid())


@task(cache_policy=NO_CACHE, persist_result=False)
def greet(transcript: Transcript) -> str:
    """Take an upstream result."""
    return transcript.language


def start(
    size: int = 1, slots: int = 2, stages: tuple[str, ...] = ("load audio",), stage_timeout: float | None = None
) -> Pools:
    """Start a pool that loads no model."""
    specs = [PoolSpec("light", stages, size=size, slots=slots, num_cpus=0.5)]
    pools = Pools(Fixed(specs), BATCH, stage_timeout)
    pools.start(audio_left=float)
    return pools


@pytest.fixture(scope="module", name="pools")
def _pools(one_ray: None, api_url: str) -> Iterator[Pools]:
    pools = start()
    yield pools
    pools.close()


def in_flow(pools: Pools, body: Callable[[], Any], stage: str = "load audio") -> Any:
    """Run `body` in a flow whose tasks go to the pool, and return what it returns."""
    returned = []

    @flow(name="contract", task_runner=ActorPoolTaskRunner(stage, pools), persist_result=False)
    def contract() -> State[Any]:
        returned.append(body())
        return Completed()

    contract()
    return returned[0]


def recorded(future: PoolFuture) -> TaskRun:
    """Return a task run as the API shows it, once the state that the driver knows has got there."""
    with get_client(sync_client=True) as client:
        for _ in range(100):
            try:
                run = client.read_task_run(future.task_run_id)
                if run.state_type == future.state.type:
                    return run
            except Exception:
                pass
            time.sleep(0.1)
        return client.read_task_run(future.task_run_id)


@flow(name="many tickets", persist_result=False)
def with_many_tickets(number: int) -> State[Any]:
    """Run a task for as many flow runs as an actor meets in a large run, and the first once more."""
    sessions = Sessions()
    tickets = [ray.put((serialize_context(), say)) for _ in range(number)]
    ended = [sessions.run(ticket, uuid4(), {"name": str(i)})[0] for i, ticket in enumerate([*tickets, tickets[0]])]
    return Completed(message=f"{Counter(state.type.value for state in ended)}, {len(sessions._open)} open")


@pytest.mark.usefixtures("one_ray", "api_url")
def test_an_actor_closes_the_contexts_of_flow_runs_that_are_over() -> None:
    """A run in shards has hundreds of them; one that is closed too early is opened again."""
    state = with_many_tickets(KEPT + 4, return_state=True)
    assert state.message == f"Counter({{'COMPLETED': {KEPT + 5}}}), {KEPT} open"


def test_a_server_that_is_away_when_an_actor_first_works_for_a_flow_run_fails_no_task(
    one_ray: None, api_url: str
) -> None:
    """As after a restart of both: the states of the task are sent later, and checked at the end of a shard."""
    pools, away = start(), {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}

    def body() -> Any:
        with temporary_settings(away):
            future = say.submit("away")
        future.wait()
        return future

    try:
        assert in_flow(pools, body).outcome.error is None
    finally:
        pools.cancel("enough")
        pools.close()


@pytest.mark.usefixtures("one_ray", "api_url")
def test_pools_that_are_closed_leave_nobody_waiting(tmp_path: Path) -> None:
    """For a call that an actor runs, as after a second signal, or for one that comes later."""
    pools, marker = start(), str(tmp_path / "marker")

    def body() -> list[Any]:
        running = wait.submit(600.0, marker)
        running.wait()
        late = say.submit("late")
        late.wait()
        return [running, late]

    def close_once_it_runs() -> None:
        while not os.path.exists(marker):
            time.sleep(0.05)
        pools.close()

    closing = threading.Thread(target=close_once_it_runs)
    closing.start()
    futures = in_flow(pools, body)
    closing.join()
    assert [(each.state.is_cancelled(), each.outcome.error) for each in futures] == [(True, "the run has ended")] * 2


def test_results_go_from_actor_to_actor_and_the_driver_holds_none(pools: Pools) -> None:
    """The next task gets the value; the driver has a state without data, and the run its name and final state."""

    def body() -> tuple[PoolFuture, PoolFuture]:
        first = say.submit("first")
        first.wait()
        second = say.submit("second", first)
        second.wait()
        return first, second  # type: ignore[return-value]

    first, second = in_flow(pools, body)
    assert isinstance(first.value, ray.ObjectRef)
    assert first.state.data is None
    assert second.fetch()["after"]["name"] == "first"
    run = recorded(second)
    assert (run.name, run.state_name) == ("second", "Completed")
    assert [edge.id for edge in run.task_inputs["after"]] == [first.task_run_id]
    first.release()
    assert first.value is None


def test_a_flow_run_is_hydrated_once_in_an_actor(pools: Pools) -> None:
    """All its tasks find one context there, in which nothing piles up; the next flow run has another."""

    def body() -> list[Any]:
        futures = [say.submit(str(i)) for i in range(20)]
        for future in futures:
            future.wait()
        return [future.fetch() for future in futures]  # type: ignore[attr-defined]

    told, other = in_flow(pools, body), in_flow(pools, body)
    assert len({each["context"] for each in told}) == 1
    assert len({each["pid"] for each in told + other}) == 1
    assert max(each["linked"] for each in told) < 20  # five for each task that runs beside it, not for each that ran
    assert len({each["client"] for each in told}) == 1


def test_a_task_run_is_told_to_run_and_to_end_and_nothing_else(pools: Pools) -> None:
    """That it is Pending would cost the server half as much again."""

    def body() -> Any:
        future = say.submit("told")
        future.wait()
        return future

    future = in_flow(pools, body)
    run = recorded(future)
    with get_client(sync_client=True) as client:
        states = client.read_task_run_states(run.id)
    assert [state.name for state in sorted(states, key=lambda state: state.timestamp)] == ["Running", "Completed"]


@flow(name="brief", persist_result=False)
def brief(folder: str) -> State[Any]:
    """Run tasks as an actor does, of stages whose start is not reported: one well, one at its second try, one badly."""
    written = say.with_options(name="write"), {"name": "brief"}
    loaded = fail_once.with_options(name="load audio"), {"marker": f"{folder}/once"}
    failed = fail_once.with_options(name="write", retries=0), {"marker": f"{folder}/failed"}
    ids = []
    for chosen, parameters in (written, loaded, failed):
        ids.append(uuid4())
        _run(chosen, ids[-1], parameters)
    flush()
    return Completed(message=" ".join(map(str, ids)))


@pytest.mark.usefixtures("api_url")
def test_of_a_load_or_a_write_prefect_is_told_only_how_it_ended(tmp_path: Path) -> None:
    """With the times and counts that it would have otherwise; a retry is reported as of any other task."""
    ids = [UUID(each) for each in str(brief(str(tmp_path), return_state=True).message).split()]
    with get_client(sync_client=True) as client:
        for _ in range(100):
            states = [client.read_task_run_states(each) for each in ids]
            if all(found and any(state.is_final() for state in found) for found in states):
                break
            time.sleep(0.1)
        told = [[state.name for state in sorted(found, key=lambda state: state.timestamp)] for found in states]
        runs = [client.read_task_run(each) for each in ids]
    assert told == [["Completed"], ["Retrying", "Completed"], ["Failed"]]
    assert [run.run_count for run in runs] == [1, 2, 1]
    assert runs[0].name == "brief"
    for run in runs:
        assert run.start_time
        assert run.end_time
        assert run.start_time < run.end_time
        assert run.total_run_time.total_seconds() > 0


def test_an_actor_keeps_the_memory_that_it_frees_also_in_a_ray_that_others_started(pools: Pools) -> None:
    """The C library reads that when a process begins."""

    def body() -> Any:
        future = kept_memory.submit()
        future.wait()
        return future.fetch()  # type: ignore[attr-defined]

    assert in_flow(pools, body) is True


def test_a_runner_that_has_travelled_holds_no_pools(pools: Pools) -> None:
    """Prefect enters a duplicate in every worker: it must not start or own anything there."""
    runner = pickle.loads(pickle.dumps(ActorPoolTaskRunner("align", pools)))
    assert (runner.stage, runner.pools) == ("align", None)
    assert ActorPoolTaskRunner("align", pools).duplicate().pools is pools


def test_prefects_retries_happen_in_the_actor(pools: Pools, tmp_path: Path) -> None:
    """Under one task run."""
    future = in_flow(pools, lambda: fail_once.submit(str(tmp_path / "marker")))
    future.wait()
    assert future.fetch() == "at last"
    assert recorded(future).run_count == 2


def test_a_failure_says_why(pools: Pools, tmp_path: Path) -> None:
    """The exception's name and words, without the data."""

    def body() -> Any:
        return fail_once.with_options(retries=0).submit(str(tmp_path / "other"))

    future = in_flow(pools, body)
    future.wait()
    assert future.outcome.error == "ValueError: not yet"
    assert future.state.is_failed()


def test_a_killed_actor_comes_back_and_the_task_completes(pools: Pools, tmp_path: Path) -> None:
    """Under the same task run, with the context hydrated again."""
    marker = str(tmp_path / "marker")
    future = in_flow(pools, lambda: die.submit(marker, times=1))
    future.wait()
    assert future.fetch() == 1
    assert recorded(future).state_name == "Completed"


def test_a_task_that_kills_its_actor_twice_is_crashed_in_the_api_too(pools: Pools, tmp_path: Path) -> None:
    """Not Running for ever; and the actor serves the next task."""
    marker = str(tmp_path / "marker")
    future = in_flow(pools, lambda: die.submit(marker, times=99))
    future.wait()
    assert future.outcome.error == "worker died (2 times)"
    assert not future.outcome.lasting  # the next run may have more memory
    assert recorded(future).state_name == "Crashed"
    after = in_flow(pools, lambda: say.submit("after"))
    after.wait()
    assert after.fetch()["name"] == "after"


def test_a_task_that_kills_its_actor_takes_no_other_with_it(one_ray: None, api_url: str, tmp_path: Path) -> None:
    """Those that ran beside it run again, alone, and complete, however often the actor had to be started again."""
    pools = start(slots=4)

    def body() -> list[Any]:
        beside = [wait.submit(2) for _ in range(3)]
        return [*beside, die.submit(str(tmp_path / "marker"), times=99), *[wait.submit(0.1) for _ in range(4)]]

    try:
        futures = in_flow(pools, body)
        for future in futures:
            future.wait()
        assert [future.outcome.error for future in futures].count("worker died (2 times)") == 1
        assert {recorded(future).state_name for future in futures if future.outcome.error is None} == {"Completed"}
        assert len([future for future in futures if future.outcome.error is None]) == 7
    finally:
        pools.close()


def test_a_task_that_kills_one_actor_is_not_given_up_for_another_that_it_shared(
    one_ray: None, api_url: str, tmp_path: Path
) -> None:
    """It has killed its own once; the one before was killed by the task beside it."""
    pools = start(slots=2)

    def body() -> list[Any]:
        return [die.submit(str(tmp_path / "always"), times=99), die_later.submit(str(tmp_path / "once"))]

    try:
        always, once = in_flow(pools, body)
        for future in (always, once):
            future.wait()
        assert always.outcome.error == "worker died (2 times)"
        assert once.outcome.error is None
    finally:
        pools.close()


def test_what_has_lost_three_machines_runs_apart_and_what_has_lost_two_does_not(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two of three machines are taken back, what ran on both would wait for each other on the last one."""
    submit = pools.submit
    between = []
    for node_deaths in (2, 3):

        def submit_again(call: Call, node_deaths: int = node_deaths) -> Call:
            call.node_deaths = node_deaths
            return submit(call)

        monkeypatch.setattr(pools, "submit", submit_again)
        one, other = in_flow(pools, lambda: [wait.submit(2), wait.submit(2)])
        for future in (one, other):
            future.wait()
        between.append(abs(one.fetch() - other.fetch()))
    together, apart = between
    assert together < 1.5
    assert apart > 1.9


def test_an_actor_that_hangs_is_killed_and_the_others_complete(one_ray: None, api_url: str) -> None:
    """After the time that its calls may take together; then the one that hangs again alone has failed."""
    pools = start(slots=2, stage_timeout=3)
    try:
        hanging, well = in_flow(pools, lambda: [wait.submit(600), wait.submit(1)])
        for future in (hanging, well):
            future.wait()
        assert hanging.outcome.error == "worker timed out: the stage took more than 3 s (2 times)"
        assert not hanging.outcome.lasting  # a share may hang
        assert recorded(hanging).state_name == "Crashed"
        assert well.outcome.error is None
    finally:
        pools.close()


@pytest.fixture(name="growing")
def _growing(one_ray: None, api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Pools]]:
    """Start a pool of one actor that may get others, as soon as a file has shown how fast it is."""
    monkeypatch.setattr("flows.pools.autoscaler.WINDOW_S", 0.1)
    monkeypatch.setattr("flows.pools.autoscaler.ROUNDS", 1)
    started = []

    def grow(surplus_num_gpus: float) -> Pools:
        specs = [
            PoolSpec(
                "light", ("load audio",), size=1, slots=1, num_cpus=0.5, num_gpus=0.3, surplus_num_gpus=surplus_num_gpus
            )
        ]
        started.append(Pools(Fixed(specs), BATCH))
        started[0].start(audio_left=lambda: 1e9)
        return started[0]

    yield grow
    started[0].close()


@pytest.fixture(name="log")
def _log(tmp_path: Path) -> Iterator[Path]:
    """What the pools say: in a file, for the body of a flow is pickled with all that it refers to."""
    handler, logger = logging.FileHandler(tmp_path / "log"), logging.getLogger("flows")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield tmp_path / "log"
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def replicas(pools: Pools) -> list[Replica]:
    """Return all actors, also those that have not come up."""
    return [replica for each in pools._sets.by_node.values() for replica in each.replicas]


def listening(pools: Pools, log: Path, until: str) -> None:
    """Send more files through a pool than one actor takes, until its log says something; all must come through."""

    def body() -> list[Any]:
        deadline, futures = time.monotonic() + 120, []
        while until not in log.read_text() and time.monotonic() < deadline:
            futures += [listen.submit(AudioFile("a", "a", duration_s=50.0)) for _ in range(2)]
            time.sleep(0.5)
        for future in futures:
            future.wait()
        return futures

    assert {future.outcome.error for future in in_flow(pools, body)} == {None}
    assert until in log.read_text()
    assert not pools.broken.done()


def test_a_pool_that_files_wait_for_gets_one_more_actor(growing: Callable[[float], Pools], log: Path) -> None:
    """It takes files once its models are loaded, and leaves the GPU no room for a third, which is not asked for."""
    pools = growing(0.6)
    window = pools.max_in_flight
    listening(pools, log, "it has 2 actors from now on")
    for _ in range(300):
        if len(pools.facts()) == 2:
            break
        time.sleep(0.1)
    assert pools.max_in_flight == 2 * window
    both = in_flow(pools, lambda: [wait.submit(3), wait.submit(3)])
    for future in both:
        future.wait()
    assert abs(both[0].fetch() - both[1].fetch()) < 2
    assert "it has 3 actors" not in log.read_text()


def test_a_pool_that_has_no_room_to_grow_stays_as_it_is(growing: Callable[[float], Pools], log: Path) -> None:
    """It does not ask Ray for what it cannot give, for which a cluster would start machines."""
    pools = growing(0.8)
    listening(pools, log, "there is no room for more actors")
    assert len(replicas(pools)) == 1


def test_one_more_actor_that_does_not_load_ends_no_run(
    growing: Callable[[float], Pools], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pool was well without it."""
    pools = growing(0.6)
    (node_set,) = pools._sets.by_node.values()
    monkeypatch.setattr(node_set.startup, "options", replace(BATCH, token="no SecretStr"))
    listening(pools, log, "does without one more actor: the pool 'light' cannot load its models: AttributeError")
    assert len(replicas(pools)) == 1


def test_a_flow_that_is_over_holds_nothing_of_ray(pools: Pools) -> None:
    """Though its context outlives it, with events to be sent; what went while Ray ends would end the process."""
    contexts = []

    def body() -> None:
        wait.submit(0.0).wait()
        contexts.append(contextvars.copy_context())
        assert _runner(contexts[0])._tickets

    in_flow(pools, body)
    assert not _runner(contexts[0])._tickets


def _runner(context: contextvars.Context) -> ActorPoolTaskRunner:
    runner = context[FlowRunContext.__var__].task_runner
    assert isinstance(runner, ActorPoolTaskRunner)
    return runner


def test_models_without_room_on_the_gpu_name_their_pool_and_what_to_do() -> None:
    """The words of the GPU's library alone leave open which of the pools it was."""
    full = str(ModelsNotLoaded("transcribe", RuntimeError("CUDA failed with error out of memory")))
    assert full.startswith("the pool 'transcribe' cannot load its models: RuntimeError: CUDA failed")
    assert full.endswith("end what else uses the GPU, or choose a smaller --model or --compute_type int8")
    assert str(ModelsNotLoaded("transcribe", OSError("no such model"))).endswith("models: OSError: no such model")


def test_one_more_actor_that_does_not_come_up_is_not_waited_for(
    growing: Callable[[float], Pools], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program may have taken the room that Ray had for it."""
    monkeypatch.setattr("flows.pools.replica.SURPLUS_TIMEOUT_S", -1.0)
    pools = growing(0.6)
    listening(pools, log, "does without one more actor: it has not come up")
    assert len(replicas(pools)) == 1


def test_a_process_that_cuda_has_left_is_ended_and_the_task_runs_in_another(pools: Pools, tmp_path: Path) -> None:
    """Every further call would fail there."""
    before = in_flow(pools, lambda: say.submit("before"))
    before.wait()
    future = in_flow(pools, lambda: poison.submit(str(tmp_path / "poison")))
    future.wait()
    assert future.fetch() != str(before.fetch()["pid"])
    assert recorded(future).state_name == "Completed"


def test_a_result_of_an_earlier_run_is_read_where_it_is_needed(pools: Pools, tmp_path: Path) -> None:
    """In the actor; one that is broken fails the task, and is gone the next time."""
    store = result_store(str(tmp_path))
    store.persist_result_record(store.create_result_record(Transcript("de", {}), key="transcribe/v1/x"))
    stored = StoredResult(str(tmp_path), "transcribe/v1/x")
    future = in_flow(pools, lambda: greet.submit(stored))
    future.wait()
    assert future.fetch() == "de"
    os.truncate(tmp_path / stored.key, 50)
    broken = in_flow(pools, lambda: greet.submit(stored))
    broken.wait()
    assert "its stored result transcribe/v1/x was broken and is removed; run again" in broken.outcome.error
    assert not stored.exists()


def test_work_goes_to_the_actor_that_is_free(one_ray: None, api_url: str) -> None:
    """While one of two actors is busy, the other does all the rest."""
    pools = start(size=2, slots=1)

    def body() -> list[Any]:
        futures = [wait.submit(0), wait.submit(0)]  # both actors are up
        for future in futures:
            future.wait()
        return [wait.submit(3), *(wait.submit(0.01) for _ in range(5))]

    try:
        long, *short = in_flow(pools, body)
        for future in [long, *short]:
            future.wait()
        assert all(future.fetch() < long.fetch() for future in short)
    finally:
        pools.close()


def test_cancelling_ends_what_waits_and_what_runs(one_ray: None, api_url: str, tmp_path: Path) -> None:
    """At once, here and in the API."""
    pools = start(slots=1)
    marker = str(tmp_path / "runs")

    def cancel_once_it_runs() -> None:
        while not os.path.exists(marker):
            time.sleep(0.05)
        time.sleep(1)  # the API hears of the run
        pools.cancel("enough")

    threading.Thread(target=cancel_once_it_runs).start()
    began = time.monotonic()
    running, waiting = in_flow(pools, lambda: [wait.submit(60, marker), wait.submit(60)])
    for future in (running, waiting):
        future.wait()
        assert future.state.is_cancelled()
    pools.close()
    assert recorded(running).state_name == "Cancelled"
    assert time.monotonic() - began < 30
