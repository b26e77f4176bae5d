"""One folder of people for several output folders: two commands at once change it one after the other."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import COMMAND
from voices import diarized, recordings, voice

from flows.people.registry import one_at_a_time, write_private
from tasks.errors import InvalidInput

LIMITS = ("--speaker_limits", "0.65,0.55")


def known(people: Path) -> list[dict[str, Any]]:
    """Return the people that are stored."""
    stored: list[dict[str, Any]] = json.loads((people / "voices.json").read_text())["people"]
    return stored


def test_two_commands_that_share_a_folder_of_people_lose_nobody(tmp_path: Path, alone: dict[str, str]) -> None:
    """Both wait while a third has it, which is this process; then it has the people of both, with ids of their own."""
    people = tmp_path / "people"
    people.mkdir(mode=0o700)
    for name, recording, seed in (("first", "0.wav", 1), ("second", "1.wav", 2)):
        diarized(recordings(tmp_path / name / "speech", 2), {recording: {"SPEAKER_00": voice(seed)}})
    with one_at_a_time(str(people)):
        commands = [
            subprocess.Popen(
                [f"{COMMAND}-speakers", str(tmp_path / name / "out"), "--speakers", str(people), *LIMITS],
                env=alone,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for name in ("first", "second")
        ]
        _wait_until_locked(tmp_path, commands)
        assert [path.name for path in people.iterdir()] == [".lock"]
    said = [command.communicate(timeout=120)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    assert sorted(person["id"] for person in known(people)) == ["P0001", "P0002"]
    files = {Path(each["file"]).parents[1].name for person in known(people) for each in person["voices"]}
    assert files == {"first", "second"}


def _wait_until_locked(folder: Path, commands: "list[subprocess.Popen[str]]") -> None:
    """Wait until each command holds its output folder, which it takes just before it waits for the people; and a bit.

    Without a lock it would have written by then.
    """
    locks = {str(folder / name / "out" / ".whisperx-batch" / "lock") for name in ("first", "second")}
    deadline = time.monotonic() + 120
    held: set[str] = set()
    while held != locks:
        assert time.monotonic() < deadline
        assert all(command.poll() is None for command in commands), [each.communicate() for each in commands]
        held = {file.path for each in commands for file in psutil.Process(each.pid).open_files()} & locks
        time.sleep(0.1)
    time.sleep(2)
    assert all(command.poll() is None for command in commands), [each.communicate() for each in commands]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_people_of_another_user_is_refused_by_the_option_that_names_it(tmp_path: Path) -> None:
    """Its voices would be taken for those of people whom this user has named."""
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(InvalidInput, match="use another --speakers"):
        write_private(str(tmp_path), {"voices.json": b"{}"})
    assert list(tmp_path.iterdir()) == []
