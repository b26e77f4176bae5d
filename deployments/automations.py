"""Create or renew the automations on the Prefect server: `python -m deployments.automations` (`make automations`)."""

import sys
from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from deployments.deploy import check_server
from deployments.settings import read_settings

RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
OURS = ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": "whisperx-batch"})
"""The runs of the flow itself: its stages are flows of other names."""
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
HEARTBEAT = "prefect.flow-run.heartbeat"
SILENCE = timedelta(seconds=90)
"""Three heartbeats: deployments/work-pool.json asks for one every 30 s, Prefect's shortest interval."""
NEWS = '{"text": {{ (flow_run.name ~ " is " ~ flow_run.state.name ~ ". " ~ flow_run.state.message) | tojson }}}'
"""As chat services take it."""


def crash_zombies() -> AutomationCore:
    """Return the automation that ends runs whose process is gone without a word; the next run does what they left."""
    return AutomationCore(
        name="whisperx-batch: crash zombie flow runs",
        description="A run that has sent no heartbeat for a while is ended as crashed.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ENDS},
            match=RUNS,
            match_related=OURS,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
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


def renew(automation: AutomationCore) -> None:
    """Create an automation, or replace the one of its name."""
    with get_client(sync_client=True) as client:
        for earlier in client.read_automations_by_name(automation.name):
            client.delete_automation(earlier.id)
        client.create_automation(automation)


def main() -> None:
    """Create both; the second if WHISPERX_BATCH_WEBHOOK_URL says where to."""
    check_server()
    renew(crash_zombies())
    sys.stdout.write("runs whose process is gone are ended as crashed\n")
    url = read_settings().webhook_url
    if url is None:
        sys.stdout.write("WHISPERX_BATCH_WEBHOOK_URL is not set: nobody is told of failures\n")
        return
    webhook = Webhook(method="POST", url=url).save("whisperx-batch-failures", overwrite=True)
    renew(tell_of_failures(UUID(str(webhook))))
    sys.stdout.write("failures are told to WHISPERX_BATCH_WEBHOOK_URL\n")


if __name__ == "__main__":
    main()
