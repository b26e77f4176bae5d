"""A Ray cluster of several machines on this one, whose actors sleep in place of models."""

import hashlib
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

FAULTS = Path(__file__).parent / "faults"


class Machines:
    """A Ray cluster, a head and the machines that are added to it, in whose actors the models are sleeps."""

    def __init__(self, folder: Path, scales_to: int = 0) -> None:
        """With `scales_to` Ray's autoscaler adds them, at most so many, and removes those that are idle."""
        self._folder = folder
        environment = {**os.environ, "WHISPERX_BATCH_TEST_SLEEPS": str(folder), "PYTHONPATH": str(FAULTS / "sleeping")}
        self.process = subprocess.Popen(
            [sys.executable, str(FAULTS / "raylets.py"), *([str(scales_to)] if scales_to else [])],
            env={key: value for key, value in environment.items() if not key.startswith("PREFECT_")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "ray.log").open("w"),
            text=True,
        )
        self.address = self._answer()["address"]

    def _answer(self) -> dict[str, str]:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())  # type: ignore[no-any-return]

    def _order(self, *words: object) -> dict[str, str]:
        assert self.process.stdin
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def add(self, gpus: int = 1) -> str:
        """Start a machine with 2 CPUs; return its identifier."""
        return self._order("add", 2, gpus)["id"]

    def kill(self, *nodes: str) -> None:
        """Kill machines: their Ray process, with which all that runs there ends."""
        for node in nodes:
            self._order("kill", node)

    def wait_for_death(self, node: str) -> None:
        """Wait until a machine has died of itself."""
        self._order("await", node)

    def up(self) -> list[str]:
        """Return the identifiers of the machines that are up, without the head."""
        return self._order("up")["ids"].split()

    def drain(self, node: str) -> None:
        """Tell Ray that a machine is going to leave."""
        self._order("drain", node)

    def stop(self) -> None:
        """End them all."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)

    def sleep(self, *, kills: Path | None = None, **stages: float) -> None:
        """Say how long each stage takes, and which file, 16 kHz mono, kills the machine that transcribes it."""
        orders: dict[str, object] = {**stages}
        if kills:
            with wave.open(str(kills)) as file:
                orders["kills"] = hashlib.sha256(file.readframes(file.getnframes())).hexdigest()[:8]
        (self._folder / "sleeps.json").write_text(json.dumps(orders))

    def worked(self, node: str, for_stage: str = "") -> dict[str, float]:
        """Return which files, by the digests of their samples, a machine has worked on last, and when; for a stage."""
        log = self._folder / "log"
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return {
            digest: float(when) for when, which, stage, digest in lines if which == node and for_stage in ("", stage)
        }

    def decoded_only(self, node: str) -> set[str]:
        """Return which files a machine has decoded and not transcribed, by the digests of their samples."""
        return {*self.worked(node, "load-audio")} - {*self.worked(node, "transcribe")}
