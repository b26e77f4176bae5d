"""Runs the flow in this process, on an existing Ray and Prefect server or on its own."""

import sys
from contextlib import ExitStack
from threading import Event
from typing import Any

from prefect.states import State

from flows.batch import whisperx_batch
from flows.cli.exit_status import INTERRUPTED, exit_status
from flows.config.parameters import Batch
from flows.host.programs import typed
from flows.host.terminal import say, wait_for, waiting
from flows.planning.plan import Plan
from flows.preflight.device import cluster_address
from flows.preflight.services import check_prefect, check_ray
from flows.prepared import prepared
from flows.reporting import run
from flows.reporting.ending import Ending, why_ended
from flows.reporting.final_state import FAILED_BEFORE
from flows.reporting.tracker import Tracker
from flows.services.failures import in_words
from flows.services.prefect_server import LocalServer, has_server, settle, where_to_look
from flows.services.ray_cluster.session import ray_session
from tasks.storage.scratch import remove_abandoned


def run_flow(batch: Batch, plan: Plan, tracker: Tracker) -> int:
    """Run the flow with the plan that was made for it. Returns the exit status; raises InvalidInput."""
    with waiting("looking for the Ray cluster and the Prefect server", quiet=not batch.run.verbose):
        check_ray(batch.run.ray_address)
        check_prefect()
    embedded, begun = not has_server(), Event()
    try:
        state = _run(batch, plan, tracker, begun, embedded=embedded)
    except (KeyboardInterrupt, Exception) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        ending = Ending("interrupted" if interrupted else in_words(error), interrupted=interrupted)
        if not begun.is_set():
            run.publish_not_started(tracker, ending, batch.run.report)
        sys.stderr.write(f"whisperx-batch: {ending.advice}\n")
        return INTERRUPTED if interrupted else 1
    finally:
        remove_abandoned()  # once more: by now the actors that the flow has killed are gone
    if batch.run.verbose:
        sys.stderr.write(where_to_look(state, embedded=embedded))
    if reason := why_ended(state):
        sys.stderr.write(f"whisperx-batch: {reason}\n")
    if state.is_cancelled():
        return INTERRUPTED
    return exit_status(not state.is_completed(), state.name == FAILED_BEFORE)


def _run(batch: Batch, plan: Plan, tracker: Tracker, begun: Event, *, embedded: bool) -> State[Any]:
    """Return the flow's final state; `begun` is set once the services are up: from then on the flow reports."""
    quiet = not batch.run.verbose
    ray = "joining the Ray cluster" if cluster_address(batch.run.ray_address) else "starting Ray"
    services = f"{ray} and a Prefect server" if embedded else ray
    with waiting(services, quiet=quiet, logged=True), ExitStack() as running:
        # The server starts while Ray does; each takes longer than ten seconds.
        server = running.enter_context(LocalServer()) if embedded else None
        with ray_session(batch.run.ray_address, dashboard=batch.run.ray_dashboard) as session:
            if session.dashboard_url and not quiet:
                say(f"Ray's dashboard: {session.dashboard_url} (its token: {typed('ray get-auth-token')})")
            if session.notice:
                say(session.notice)
            with prepared(batch, session, plan, tracker):
                if server:
                    wait_for("waiting for the Prefect server")
                    running.enter_context(server.used(nodes=len(session.nodes)))
                begun.set()
                wait_for("looking at the files, while the models load")
                state: State[Any] = whisperx_batch(**dict(batch), return_state=True)
        if server and tracker.ending:
            settle(state, timeout=2 if state.is_cancelled() else 10)
    return state
