"""The stages of a file: their order, what each takes from the others, and whose results are stored."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Stage:
    """One row of the table of stages."""

    inputs: dict[str, tuple[str, ...]]
    """For each argument of its task that is another stage's result, the stages that can provide it, preferred first."""
    stored: bool = False
    """Its results are stored for later runs."""


TABLE = {
    "load audio": Stage({}),
    "transcribe": Stage({"audio": ("load audio",)}, stored=True),
    "diarize": Stage({"audio": ("load audio",)}, stored=True),
    "align": Stage({"transcript": ("transcribe",), "audio": ("load audio",)}, stored=True),
    "check": Stage(
        {"transcript": ("align", "transcribe"), "audio": ("load audio",), "diarization": ("diarize",)},
        stored=True,
    ),
    "transcribe again": Stage(
        {"audio": ("load audio",), "transcript": ("align", "transcribe"), "quality": ("check",)}, stored=True
    ),
    "align again": Stage({"decoded": ("transcribe again",), "audio": ("load audio",)}, stored=True),
    "check again": Stage(
        {
            "transcript": ("align", "transcribe"),
            "decoded": ("transcribe again",),
            "again": ("align again", "transcribe again"),
            "audio": ("load audio",),
            "diarization": ("diarize",),
        },
        stored=True,
    ),
    "write": Stage(
        {
            "transcript": ("align", "transcribe"),
            "diarization": ("diarize",),
            "quality": ("check",),
            "second": ("check again",),
        }
    ),
}
"""By name, in the order of a file's way. Later stages go first: they finish files, and so free memory for others."""

STAGES = tuple(TABLE)
SECOND_PASS = frozenset(("transcribe again", "align again", "check again"))
"""The stages of the second pass, which a file without doubt does not go through."""
STORED = tuple(name for name, stage in TABLE.items() if stage.stored)


@cache
def planned_stages(*, align: bool, diarize: bool, check: bool, second_pass: bool) -> frozenset[str]:
    """Return the stages that a file goes through if nothing of it is stored."""
    optional = {"align": align, "diarize": diarize, "check": check, **dict.fromkeys(SECOND_PASS, second_pass)}
    optional["align again"] = align and second_pass
    return frozenset(stage for stage in STAGES if optional.get(stage, True))


def inputs_of(stage: str, planned: Collection[str]) -> dict[str, str | None]:
    """Return which of the `planned` stages provides each input of a stage's task; None if none of them does."""
    return {
        parameter: next((provider for provider in providers if provider in planned), None)
        for parameter, providers in TABLE[stage].inputs.items()
    }
