"""Where a batch keeps its state, its ledger and its stages' results."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flows.config.parameters import Batch
from flows.state.ledger import FOLDER, LEDGER, Ledger
from tasks.storage.urls import absolute, is_url, join


@dataclass(frozen=True)
class OutputFolder:
    """An output folder, local or a URL, and where its results are kept if not inside it."""

    location: str
    results_dir: str | None = None

    @classmethod
    def of(cls, batch: Batch) -> "OutputFolder":
        """Return the output folder of a batch."""
        return cls(absolute(batch.write.output_dir), batch.run.results_dir)

    @property
    def state_dir(self) -> Path:
        """The local folder of the ledger and the run lock: in the output folder, or for a URL in the user's state."""
        if not is_url(self.location):
            return Path(self.location, FOLDER)
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return state / "whisperx-batch" / sha256(self.location.rstrip("/").encode()).hexdigest()[:16]

    @property
    def results(self) -> str:
        """The location of Prefect's result storage, which all machines of the run must see."""
        return absolute(self.results_dir) if self.results_dir else join(join(self.location, FOLDER), "results")

    def ledger(self) -> Ledger:
        """Read what earlier runs learnt of their files. Raises OSError, UnsupportedLocation."""
        copy = join(join(self.location, FOLDER), LEDGER) if is_url(self.location) else None
        return Ledger(self.state_dir, self.location, copy)
