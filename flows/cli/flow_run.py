"""Runs the flow in this process, on an existing Ray and Prefect server or on its own."""

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from typing import Any

from prefect.states import State

from flows.batch import whisperx_batch
from flows.cli.exit_status import INTERRUPTED, exit_status
from flows.config.parameters import Batch
from flows.config.run import RunSettings
from flows.host.programs import typed
from flows.host.ray_loopback import ray_to_join
from flows.host.ray_token import provide_token
from flows.host.terminal import say, wait_for, waiting
from flows.planning.plan import Plan
from flows.pools.warm.kept_services import found, kept_services, stop_unused
from flows.pools.warm.kept_set import KeptSet
from flows.pools.warm.takeover import end_all
from flows.preflight.device import cluster_address
from flows.preflight.services import check_prefect, check_ray
from flows.prepared import prepared
from flows.reporting import run
from flows.reporting.ending import Ending, why_ended
from flows.reporting.final_state import FAILED_BEFORE
from flows.reporting.tracker import Tracker
from flows.services.prefect_events import end_flows_at_once
from flows.services.prefect_server import LocalServer, has_server, settle, using_server, where_to_look
from flows.services.ray_cluster.session import ray_session
from flows.services.task_run_states import confirmed_at_end
from tasks.storage.scratch import remove_abandoned


def run_flow(batch: Batch, plan: Plan, tracker: Tracker) -> int:
    """Run the flow with the plan that was made for it. Returns the exit status; raises InvalidInput."""
    with waiting("looking for the Ray cluster and the Prefect server", quiet=not batch.run.verbose):
        check_ray(batch.run.ray_address)
        check_prefect()
    end_flows_at_once()
    embedded, begun = not has_server(), Event()
    try:
        state = _run(batch, plan, tracker, begun, embedded=embedded)
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        ending = Ending.by(error)
        if not begun.is_set():
            run.publish_not_started(tracker, ending, batch.run.report)
        if isinstance(error, SystemExit):  # by a signal; Ray's own handler, while Ray starts, leaves out the 128
            sys.exit(128 + int(error.code or 0) % 128)
        sys.stderr.write(f"whisperx-batch: {ending.advice}\n")
        return INTERRUPTED if ending.interrupted else 1
    finally:
        remove_abandoned()  # once more: by now the actors that the flow has killed are gone
    if batch.run.verbose:
        sys.stderr.write(where_to_look(state, embedded=embedded))
    if reason := why_ended(state):
        sys.stderr.write(f"whisperx-batch: {reason}\n")
    if state.is_cancelled():
        return INTERRUPTED
    return exit_status(not state.is_completed(), state.name == FAILED_BEFORE)


def _may_share(run: RunSettings) -> bool:
    """Return whether the run goes on with the Ray that stays on this machine: it asks for no other Ray."""
    return not (run.ray_address or os.environ.get("RAY_ADDRESS") or run.ray_dashboard)


def _services(run: RunSettings, *, embedded: bool) -> str:
    """Return what the run waits for at first."""
    if cluster_address(run.ray_address):
        return "joining the Ray cluster" + " and starting a Prefect server" * embedded
    if _may_share(run) and found():
        return "joining what is warm"
    return "starting Ray" + " and a Prefect server" * embedded


def stop_warm(address: str | None) -> int:
    """End what runs have kept in the cluster at the address or RAY_ADDRESS, without one on this machine."""
    cluster = ray_to_join(address)
    services = None if cluster else found()
    ended: list[KeptSet] = []
    if services:
        provide_token()
    if cluster or (services and services.answer()):
        with ray_session(services.ray if services else cluster, dashboard=False):
            ended = end_all()
    for kept in ended:
        say(f"ended: {', '.join(kept.labels)}")
    stopped = services is not None and stop_unused()
    if stopped and not ended:  # Ray's head, or the actors, did not answer
        say("ended: what was left of an earlier run")
    elif not ended:
        say("nothing is warm that no run uses")
    return 0


def _run(batch: Batch, plan: Plan, tracker: Tracker, begun: Event, *, embedded: bool) -> State[Any]:
    """Return the flow's final state; `begun` is set once the services are up: from then on the flow reports."""
    quiet = not batch.run.verbose
    with waiting(_services(batch.run, embedded=embedded), quiet=quiet, logged=True), ExitStack() as running:
        keep = batch.run.keep_warm is not None
        kept = running.enter_context(kept_services(keep=keep)) if _may_share(batch.run) else None
        # The server starts while Ray does; each takes longer than ten seconds.
        server = running.enter_context(LocalServer()) if embedded and not kept else None
        address = kept.ray if kept else batch.run.ray_address
        with ray_session(address, dashboard=batch.run.ray_dashboard) as there:
            session = replace(there, joined=there.joined and not kept)
            if session.dashboard_url and not quiet:
                say(f"Ray's dashboard: {session.dashboard_url} (its token: {typed('ray get-auth-token')})")
            if session.notice:
                say(session.notice)
            with prepared(batch, session, plan, tracker):
                if server:
                    wait_for("waiting for the Prefect server")
                    running.enter_context(server.used(nodes=len(session.nodes)))
                if kept and kept.prefect:
                    running.enter_context(using_server(kept.prefect))
                running.enter_context(confirmed_at_end())
                begun.set()
                wait_for("looking at the files, while the models load")
                state: State[Any] = whisperx_batch(**dict(batch), return_state=True)
        if server and tracker.ending:
            settle(state, timeout=2 if state.is_cancelled() else 10)
    return state
