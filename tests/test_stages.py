"""tasks/stage_table.py, and how flows/pipeline.py joins the stages by it."""

import pickle
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.encoders import jsonable_encoder

from flows.admission import Admission
from flows.config.parameters import Batch
from flows.links import Links, ResultPolicy
from flows.pipeline import wire
from flows.reporting.tracker import Tracker
from flows.services.task_run_states import TaskRunStates
from flows.streams import Stream
from tasks.stage_table import STAGES, TABLE, inputs_of, planned_stages


def test_each_stage_comes_after_those_that_it_takes_from() -> None:
    """The order of the table is that of a file's way."""
    for stage in STAGES:
        providers = {each for each in inputs_of(stage, STAGES).values() if each}
        assert all(STAGES.index(each) < STAGES.index(stage) for each in providers)


def test_what_a_stage_left_out_would_make_comes_from_another_or_is_none() -> None:
    """Without alignment the transcript as it is is written; without diarization no speakers."""
    assert inputs_of("write", planned_stages(align=True, diarize=True, check=True, second_pass=True)) == {
        "transcript": "align",
        "diarization": "diarize",
        "quality": "check",
        "second": "check again",
    }
    assert inputs_of("write", planned_stages(align=False, diarize=False, check=False, second_pass=False)) == {
        "transcript": "transcribe",
        "diarization": None,
        "quality": None,
        "second": None,
    }


@pytest.mark.parametrize(
    ("options", "downstream"),
    [
        (
            {"diarize": {}},
            {
                "load audio": ["transcribe", "align", "diarize", "check"],
                "transcribe": ["align"],
                "align": ["check", "write"],
                "diarize": ["check", "write"],
                "check": ["write"],
                "write": ["written"],
            },
        ),
        (
            {"second_pass": {}},
            {
                "load audio": ["transcribe", "align", "check", "transcribe again", "align again", "check again"],
                "transcribe": ["align"],
                "align": ["check", "transcribe again", "check again", "write"],
                "check": ["transcribe again", "write"],
                "transcribe again": ["align again", "check again"],
                "align again": ["check again"],
                "check again": ["write"],
                "write": ["written"],
            },
        ),
        ({"align": None, "check": None}, {"load audio": ["transcribe"], "transcribe": ["write"], "write": ["written"]}),
    ],
)
def test_the_stages_are_joined_as_the_table_says(
    tmp_path: Path, options: dict[str, Any], downstream: dict[str, list[str]]
) -> None:
    """Each feeds those that take its result; the last one feeds the stream of files that are done."""
    batch = Batch.model_validate({"write": {"output_dir": str(tmp_path)}, **options})
    tracker, written = Tracker([]), Stream("write")
    admission = Admission([], SimpleNamespace(), refuse=tracker.failed)
    stages = wire(batch, tracker, [], admission, written, TaskRunStates())
    links = {flow.name: parameters["links"] for flow, parameters in stages.items()}
    names = {id(each.upstream): name for name, each in links.items()} | {id(written): "written"}
    assert {name: [names[id(stream)] for stream in each.downstream] for name, each in links.items()} == downstream
    assert links["load audio"].upstream is admission


def test_only_results_that_are_stored_are_looked_for() -> None:
    """Whether a file is written, its outputs tell; decoded audio is too large to keep."""
    assert [name for name, stage in TABLE.items() if stage.stored] == [
        *("transcribe", "diarize", "align", "check"),
        *("transcribe again", "align again", "check again"),
    ]


def test_links_travel_without_what_they_join() -> None:
    """As Prefect sends them: pickled with the flow's parameters, and encoded for the API."""
    links = Links(
        Stream(),
        [Stream("load audio")],
        Tracker([]),
        ResultPolicy("/results", refresh=False),
        TaskRunStates(),
        "3 files",
    )
    assert not isinstance(pickle.loads(pickle.dumps(links)), Links)
    with suppress(TypeError, ValueError):
        pytest.fail(str(jsonable_encoder(links)))
