"""Machines of a Ray cluster die, join and are drained while a run goes on: real Ray processes, killed by SIGKILL."""

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from conftest import COMMAND, cut_speech
from machines import Machines
from prefect.settings import PREFECT_API_AUTH_STRING

NAMES = [f"piece {i:03}.wav" for i in range(120)]
LONGEST_PAUSE_S = 15.0
BETWEEN_S = 12.0
"""From one death to the next: then some of what the first has cost is at work elsewhere."""


@pytest.fixture(scope="module", name="machines")
def _machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    machines = Machines(tmp_path_factory.mktemp("machines"))
    yield machines
    machines.stop()


class Run:
    """The command, on those machines."""

    def __init__(self, machines: Machines, options: list[str], environment: dict[str, str], out: Path) -> None:
        self.out = out
        line = [COMMAND, *options, "-o", str(out), "--ray_address", machines.address, "--report", f"{out}.report.json"]
        self._log = Path(f"{out}.log")
        self.process = subprocess.Popen(line, env=environment, stderr=self._log.open("w"))

    def wait_for(self, count: int, seconds: float = 120.0) -> None:
        """Wait until so many files have been written."""
        deadline = time.monotonic() + seconds
        while len(list(self.out.glob("*.json"))) < count and self.process.poll() is None:
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        assert self.process.poll() is None, self.said

    def end(self) -> int:
        """Wait for the end, return the exit status."""
        return self.process.wait(180)

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def written(self) -> dict[str, bytes]:
        """Return all outputs."""
        return {path.name: path.read_bytes() for path in self.out.iterdir() if path.is_file()}

    def pauses(self) -> list[tuple[float, float]]:
        """Return when no file was written, as (from, seconds), the longest first."""
        times = sorted(path.stat().st_mtime for path in self.out.glob("*.json"))
        return sorted(((a, b - a) for a, b in itertools.pairwise(times)), key=lambda each: -each[1])


@pytest.fixture(scope="module", name="options")
def _options(tiny_en: str, small_models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    files = cut_speech(tmp_path_factory.mktemp("files"), *NAMES)
    models = ["--model", tiny_en, "--language", "en", "--align_model", str(small_models / "align-tiny")]
    return [str(files), *models, "--output_format", "json", "--ray_dashboard", "False"]


def until(holds: Callable[[], bool], run: Run, deadline: float = 0.0) -> None:
    """Wait until something holds, at most two minutes, while the run goes on."""
    deadline = deadline or time.time() + 120
    while not holds():
        assert time.time() < deadline, run.said
        assert run.process.poll() is None, run.said
        time.sleep(0.1)


def test_machines_that_die_and_join_cost_no_file_and_no_time(
    machines: Machines, options: list[str], api_url: str, alone: dict[str, str], tmp_path: Path
) -> None:
    """Two of three die one after the other, and the third goes on alone; one joins and works; all die, another joins.

    What was decoded on a machine that died is decoded once more. Then the same files while a machine is drained: it
    finishes what it has, and takes nothing new.
    """
    alone |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}
    machines.sleep(transcribe=8.0, align=0.2)
    first, second, third = machines.add(), machines.add(), machines.add()
    run = Run(machines, options, alone, tmp_path / "out")
    run.wait_for(4)
    # Two, as one may be transcribed from now on.
    until(lambda: len(machines.decoded_only(first)) > 1 and all(map(machines.worked, (second, third))), run)
    machines.kill(first)
    time.sleep(BETWEEN_S)
    machines.kill(second)
    time.sleep(5)
    fourth, joined = machines.add(), time.time()
    until(lambda: bool(machines.worked(fourth)), run, joined + 60)
    survived_until = time.time()
    machines.kill(third, fourth)
    machines.sleep(transcribe=1.0)
    time.sleep(5)
    fifth = machines.add()
    assert run.end() == 0, run.said
    assert machines.worked(fifth)
    report = json.loads(Path(f"{run.out}.report.json").read_text())
    assert {each["status"] for each in report["files"]} == {"done"}
    assert all(seconds < LONGEST_PAUSE_S for since, seconds in run.pauses() if since + seconds < survived_until)
    lost = machines.decoded_only(first)
    assert lost
    assert lost <= {digest for node in (second, third, fourth, fifth) for digest in machines.worked(node, "load-audio")}

    machines.sleep(transcribe=2.0)
    sixth = machines.add()
    again = Run(machines, options, alone, tmp_path / "clean")
    until(lambda: bool(machines.worked(sixth)), again)
    machines.drain(sixth)
    drained = time.time()
    assert again.end() == 0, again.said
    machines.kill(fifth, sixth)
    decoded = machines.worked(sixth, "load-audio").values()
    assert decoded
    assert max(decoded) < drained + 4
    assert again.written() == run.written()
    assert len(again.written()) == len(NAMES)


def test_a_file_that_kills_machines_is_given_up_after_four_of_them(
    machines: Machines, options: list[str], api_url: str, alone: dict[str, str], tmp_path: Path
) -> None:
    """Those that ran beside it are done, though each time there is one machine alone for all of them."""
    alone |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}
    few = tmp_path / "few.txt"
    files = [Path(options[0], name) for name in NAMES[:12]]
    few.write_text("\n".join(map(str, files)))
    machines.sleep(kills=files[4], transcribe=1.5)
    node = machines.add()
    run = Run(machines, ["--batch_file", str(few), *options[1:]], alone, tmp_path / "out")
    for _ in range(4):
        machines.wait_for_death(node)
        node = machines.add()
    assert run.end() == 1, run.said
    machines.kill(node)
    report = json.loads(Path(f"{run.out}.report.json").read_text())
    errors = {each["path"]: each["error"] for each in report["files"] if each["error"]}
    assert errors == {str(files[4]): "transcribe: 4 machines of the cluster died while they worked on it"}
    assert report["summary"]["done"] == len(files) - 1


def test_a_cluster_scaled_to_zero_starts_machines_for_a_run_and_gets_them_back(
    options: list[str], api_url: str, alone: dict[str, str], tmp_path: Path
) -> None:
    """Ray's own autoscaler, which may start three, starts one for every 64 files, and removes them after the run."""
    alone |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}
    (tmp_path / "machines").mkdir()
    machines = Machines(tmp_path / "machines", scales_to=3)
    try:
        machines.sleep(transcribe=2.0)
        assert not machines.up()
        run = Run(machines, options, alone, tmp_path / "out")
        until(lambda: len([node for node in machines.up() if machines.worked(node)]) == 2, run)
        assert run.end() == 0, run.said
        assert len(run.written()) == len(NAMES)
        deadline = time.time() + 60
        while machines.up():
            assert time.time() < deadline, "a machine stays, although the run has ended"
            time.sleep(0.5)
    finally:
        machines.stop()


def test_a_cluster_whose_head_is_killed_ends_the_run_with_a_summary_and_the_reason(
    options: list[str], api_url: str, alone: dict[str, str], tmp_path: Path
) -> None:
    """Though it was being asked for more machines: that question has no answer, and Ray ends who waits for it."""
    alone |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}
    machines = Machines(tmp_path)
    ours = psutil.Process(machines.process.pid)
    try:
        machines.sleep(transcribe=2.0)
        machines.add()
        run = Run(machines, options, alone, tmp_path / "out")
        run.wait_for(2)
        for each in ours.children(recursive=True):
            if each.name() == "gcs_server":
                each.kill()
        assert run.end() == 1, run.said
    finally:
        for each in [*ours.children(recursive=True), ours]:
            each.kill()
    report = json.loads(Path(f"{run.out}.report.json").read_text())
    assert report["summary"]["ended_early"].startswith("Ray's head process at ")
    assert {each["status"] for each in report["files"]} == {"done", "left"}
    assert f"{report['summary']['left']} left for the next run" in run.said
