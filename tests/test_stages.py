"""tasks/stage_table.py, and how flows/pipeline.py joins the stages by it."""

import pickle
from contextlib import suppress
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi.encoders import jsonable_encoder

from flows.admission import Admission
from flows.config.parameters import Batch
from flows.links import Links, ResultPolicy
from flows.pipeline import wire
from flows.planning.file_run import FileRun
from flows.reporting.tracker import Tracker
from flows.services.task_run_states import TaskRunStates
from flows.streams import Stream
from tasks.audio.types import AudioFile
from tasks.stage_table import STAGES, TABLE, inputs_of, planned_stages
from tasks.storage.outputs import OutputPath


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


LEFT_OUT = [
    dict(zip(("align", "diarize", "check", "second_pass"), groups, strict=True))
    for groups in product((None, {}), repeat=4)
    if groups[2:] != (None, {})  # no second pass without the check
]


@pytest.mark.parametrize(
    "groups", LEFT_OUT, ids=lambda groups: ", ".join(name for name in groups if groups[name] == {})
)
def test_a_file_comes_out_of_every_set_of_stages(tmp_path: Path, groups: dict[str, Any]) -> None:
    """If each stage hands it on to all that it feeds."""
    batch = Batch.model_validate({"write": {"output_dir": str(tmp_path)}, **groups})
    admitted, written = Stream("admission"), Stream("write")
    file = FileRun(0, AudioFile("/a.wav", "a.wav"), OutputPath("/out", "", "a.{format}"))
    admitted.put(file)
    admitted.close("admission")
    stages = wire(batch, Tracker([]), [], cast(Admission, admitted), written, TaskRunStates())
    for flow, parameters in stages.items():  # in the order of the table, in which no stage comes before its inputs
        for passed in parameters["links"].upstream.drain():
            for stream in parameters["links"].downstream:
                stream.put(passed)
        for stream in parameters["links"].downstream:
            stream.close(flow.name)
    assert list(written.drain()) == [file]


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
