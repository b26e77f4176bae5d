"""Which stages a file still has to go through, by the results of it that are stored."""

from collections.abc import Callable

from flows.planning.file_run import FileRun
from tasks.errors import FileFault
from tasks.second_pass.stretches import doubts_of
from tasks.stage_table import SECOND_PASS, TABLE, inputs_of
from tasks.storage.results import StoredResult


class NoTurns(FileFault):
    """Nothing says who speaks when in a file, and an output holds just that."""


def check_turns(file: FileRun, formats: list[str]) -> None:
    """Raise NoTurns for the format rttm of a file that turns out to have one channel, and is not diarized."""
    if "rttm" in formats and "diarize" not in file.stages and not file.source.is_split:
        raise NoTurns(
            "output_format rttm holds speaker turns, and it has one channel: set --diarize, or leave rttm out"
        )


def missing_stages(
    file: FileRun, results: str, stored: Callable[[str], bool], *, asked: bool, written: bool
) -> frozenset[str]:
    """Return the stages to run: `write`, and backwards from it those whose results are needed and not stored.

    `stored` says whether a stage's result is stored, `asked` whether the check is to be written, `written` whether the
    file has outputs. One whose outputs were written without a check is not decoded again for one, unless it is asked
    for, or a second pass is; a second pass is for files whose check, if it is stored, doubts any text.
    """
    if SECOND_PASS & file.stages:
        checked = stored("check") and StoredResult(results, file.source.keys["check"]).read()
        if not checked or doubts_of(checked.findings):
            return _needed("write", file.stages, stored)
        file.leave_out(SECOND_PASS)
    stages = file.stages - {"check"}
    missing = _needed("write", stages, stored)
    if "check" not in file.stages:
        return missing
    if "load audio" in missing or not written or asked or stored("check"):
        return missing | _needed("check", stages, stored)
    file.stages = stages
    return missing


def _needed(last: str, stages: frozenset[str], stored: Callable[[str], bool]) -> frozenset[str]:
    missing: set[str] = set()
    needed = [last]
    while needed:
        stage = needed.pop()
        if stage not in missing and not (TABLE[stage].stored and stored(stage)):
            missing.add(stage)
            needed += filter(None, inputs_of(stage, stages).values())
    return frozenset(missing)
