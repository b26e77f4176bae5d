"""Create or renew the automations on the Prefect server: `python -m deployments.automations` (`make automations`)."""

import sys
from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from deployments.deploy import CANARY, NIGHTLY, check_server
from deployments.settings import read_settings

RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
OURS = ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": "whisperx-batch"})
"""The runs of the flow itself: its stages are flows of other names."""
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
HEARTBEAT = "prefect.flow-run.heartbeat"
SILENCE = timedelta(minutes=5)
"""Ten heartbeats, and as long as Prefect keeps a silent run's place in the limit of its deployment. Earlier, a live run
would be ended for a server that was away, or a machine that was suspended, for two minutes."""
PATIENCE = timedelta(minutes=10)
"""How long a run may be late: a worker takes it up some seconds after its time."""
BEGINS = {f"prefect.flow-run.{state}" for state in ("Pending", "Running", "AwaitingConcurrencySlot")}
NEWS = '{"text": {{ (flow_run.name ~ " is " ~ flow_run.state.name ~ ". " ~ flow_run.state.message) | tojson }}}'
"""As chat services take it."""
LATE = """{"text": {{ (deployment.name ~ " was to begin at " ~ flow_run.expected_start_time ~ " and has not: no worker \
takes it up. Is the machine of the worker on?") | tojson }}}"""

AFTER_CANARY = "whisperx-batch: start the night after the canary"
GROUPS = {
    "transcribe": "{}",
    "align": "{}",
    "diarize": "none",
    "check": "{}",
    "second_pass": "none",
    "models": "{}",
}
"""The groups of options that the canary tries, with what a run has of each if neither set of options names it."""
TRIED = """{% set tried = flow_run.parameters %}{% set old = tried.get('old', {}).get('GROUP', DEFAULT) -%}
{% set new = tried.get('new', {}).get('GROUP', old) -%}
{{ (dict(old, **new) if old and new else new) | tojson }}"""
"""One of these groups as the canary had it with the new options; see `OptionSet.over_set`."""


def crash_zombies() -> AutomationCore:
    """Return the automation that ends runs whose process is gone without a word; the next run does what they left."""
    return AutomationCore(
        name="whisperx-batch: crash zombie flow runs",
        description="A run that has sent no heartbeat for a while is ended as crashed.",
        trigger=_not_followed(HEARTBEAT, {HEARTBEAT, *ENDS}, SILENCE),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat: the process of this run is gone")],
    )


def tell_of_failures(webhook: UUID) -> AutomationCore:
    """Return the automation that calls a webhook when a run has failed or crashed."""
    call: ActionTypes = CallWebhook(block_document_id=webhook, payload=NEWS)
    return AutomationCore(
        name="whisperx-batch: tell of failures",
        description="Which run has failed, with the counts of its files.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=RUNS,
            match_related=OURS,
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[call],
    )


def tell_of_late_runs(webhook: UUID) -> AutomationCore:
    """Return the automation that calls a webhook when a run has not begun some time after it was to."""
    call: ActionTypes = CallWebhook(block_document_id=webhook, payload=LATE)
    return AutomationCore(
        name="whisperx-batch: tell of late runs",
        description="Which run no worker has taken up.",
        trigger=_not_followed("prefect.flow-run.Late", BEGINS | ENDS, PATIENCE),
        actions=[call],
    )


def _not_followed(event: str, expected: set[str], within: timedelta) -> EventTrigger:
    """Return what fires for each of our runs that for so long after the event has none of those expected."""
    return EventTrigger(
        after={event},
        expect=expected,
        match=RUNS,
        match_related=OURS,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def start_night(canary: UUID, nightly: UUID) -> AutomationCore:
    """Return the automation that starts `nightly`, with the options that were tried, once the canary has passed."""
    parameters = {
        group: {
            "__prefect_kind": "json",
            "value": {
                "__prefect_kind": "jinja",
                "template": TRIED.replace("GROUP", group).replace("DEFAULT", default),
            },
        }
        for group, default in GROUPS.items()
    }
    start: ActionTypes = RunDeployment(deployment_id=nightly, parameters=parameters)
    return AutomationCore(
        name=AFTER_CANARY,
        description="A night with new options begins only if the canary was Completed with them.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Completed"},
            match=RUNS,
            match_related=ResourceSpecification(
                {"prefect.resource.role": "deployment", "prefect.resource.id": f"prefect.deployment.{canary}"}
            ),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[start],
    )


def renew(automation: AutomationCore) -> None:
    """Create an automation, or replace the one of its name."""
    remove(automation.name)
    with get_client(sync_client=True) as client:
        client.create_automation(automation)


def remove(name: str) -> None:
    """Delete the automation of this name, if there is one."""
    with get_client(sync_client=True) as client:
        for earlier in client.read_automations_by_name(name):
            client.delete_automation(earlier.id)


def main() -> None:
    """Create all of them; those that need a setting only if it is set."""
    check_server()
    settings = read_settings()
    renew(crash_zombies())
    sys.stdout.write("runs whose process is gone are ended as crashed\n")
    if settings.webhook_url is None:
        sys.stdout.write("WHISPERX_BATCH_WEBHOOK_URL is not set: nobody is told of failures or late runs\n")
    else:
        block = Webhook(method="POST", url=settings.webhook_url).save("whisperx-batch-failures", overwrite=True)
        webhook = UUID(str(block))
        renew(tell_of_failures(webhook))
        renew(tell_of_late_runs(webhook))
        sys.stdout.write("failures and late runs are told to WHISPERX_BATCH_WEBHOOK_URL\n")
    if settings.nightly_after_canary:
        with get_client(sync_client=True) as client:
            canary, nightly = (client.read_deployment_by_name(name).id for name in (CANARY, NIGHTLY))
        renew(start_night(canary, nightly))
        sys.stdout.write("a run of whisperx-batch/canary that is Completed starts whisperx-batch/nightly\n")
    else:
        remove(AFTER_CANARY)


if __name__ == "__main__":
    main()
