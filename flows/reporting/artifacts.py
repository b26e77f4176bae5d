"""The artifacts of a run in Prefect's UI: one each for its plan, its progress and its report."""

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException

from flows.reporting.live import Progress
from tasks.errors import describe

logger = logging.getLogger(__name__)

Kind = Literal["plan", "progress", "shards", "report", "canary"]
FOLLOW_EVERY_S = 10.0


class Artifacts:
    """The artifacts of a flow run, sent from a thread of their own so that files do not wait for the server."""

    def __init__(self, flow_run_id: UUID | str) -> None:
        self._flow_run_id = UUID(str(flow_run_id))
        self._ids: dict[Kind, UUID] = {}
        self._latest: dict[Kind, tuple[Any, str]] = {}
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="artifacts")
        # In the context of the run, where Prefect finds its server.
        self._context = contextvars.copy_context()

    def show(self, kind: Kind, data: Any, description: str = "") -> None:
        """Show this from now on. If something newer comes before it is sent, only that is sent."""
        self._latest[kind] = data, description
        self._sender.submit(self._context.run, self._send, kind)

    def _send(self, kind: Kind) -> None:
        latest = self._latest.pop(kind, None)
        if latest is None:
            return
        try:
            with get_client(sync_client=True) as client:
                self._put(client, kind, *latest)
        except (PrefectException, httpx.HTTPError) as error:
            logger.warning("the run's %s could not be shown: %s", kind, error)

    def _put(self, client: SyncPrefectClient, kind: Kind, data: Any, description: str) -> None:
        if kind in self._ids:
            client.update_artifact(self._ids[kind], ArtifactUpdate(data=data, description=description))
            return
        created = client.create_artifact(
            ArtifactCreate(
                key=f"whisperx-batch-{kind}",
                type="progress" if kind == "progress" else "markdown",
                data=data,
                description=description,
                flow_run_id=self._flow_run_id,
            )
        )
        self._ids[kind] = created.id

    @contextmanager
    def following(self, progress: Progress, look: Callable[[], object]) -> Iterator[None]:
        """Update the artifacts of a run's progress, and call `look`, every few seconds for the length of a `with`.

        An error of either is logged: what people see of a run must not end it, nor stay as it is for the rest of it.
        """
        ended = threading.Event()

        def show() -> None:
            self.show("progress", progress.percent(), progress.text())
            if shards := progress.shards():
                self.show("shards", shards, progress.headline())

        def follow() -> None:
            _logged(show)
            while not ended.wait(FOLLOW_EVERY_S):
                _logged(show)
                _logged(look)

        run = contextvars.copy_context().run
        following = threading.Thread(target=run, args=(follow,), name="progress artifact", daemon=True)
        following.start()
        try:
            yield
            _logged(look)  # a short run has not been looked at yet
        finally:
            ended.set()
            following.join()
            progress.end()
            _logged(show)

    def close(self) -> None:
        """Wait until all is sent."""
        self._sender.shutdown(wait=True)


def _logged(update: Callable[[], object]) -> None:
    try:
        update()
    except Exception as error:  # Ray's, for one: the machine whose actor is asked may be gone
        logger.warning("the run's progress could not be updated: %s", describe(error))
