"""flows/people/samples.py: which samples a folder has, and whose they are; making voices is in test_speakers.py."""

import sys
from pathlib import Path

import pytest
from batches import batch_of
from conftest import DIARIZER
from local_hub import LocalHub
from voices import recordings, voice

from flows.cli import main
from flows.people.samples import Sample, _with_samples, enrol, new_samples, samples_in
from flows.preflight.models import check_models
from tasks.errors import InvalidInput
from tasks.people.known import KnownVoice, Person, voices_json
from tasks.storage.results import options_digest


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Samples of three people, in the three ways that there are."""
    (tmp_path / "Ada Lovelace").mkdir()
    for name in ("Ada Lovelace/2.wav", "Ada Lovelace/1.mp3", "Ada Lovelace/.hidden", "Charles Babbage.flac"):
        (tmp_path / name).touch()
    for name in ("voices.json", "speakers.html"):
        (tmp_path / name).touch()
    (tmp_path / "speakers.csv").write_text(
        "id,name,file,start,end\n,Mary,talk.wav,2.5,20\nP0001,Ann,a.wav,,\n,,b.wav,,\n"
    )
    return tmp_path


def test_samples_are_found_by_folder_file_and_row(folder: Path) -> None:
    """Rows of people whose voices are stored, and those without a name, are none."""
    assert samples_in(folder, {"P0001"}) == [
        Sample("Mary", str(folder / "talk.wav"), 2.5, 20.0),
        Sample("Ada Lovelace", str(folder / "Ada Lovelace" / "1.mp3")),
        Sample("Ada Lovelace", str(folder / "Ada Lovelace" / "2.wav")),
        Sample("Charles Babbage", str(folder / "Charles Babbage.flac")),
    ]
    assert Sample("Ann", str(folder / "a.wav")) in samples_in(folder, set())


def test_a_time_that_is_none_is_refused_with_its_line(folder: Path) -> None:
    """In the table."""
    (folder / "speakers.csv").write_text("name,file,start\nAda,a.wav,0\nMary,b.wav,soon\n")
    with pytest.raises(InvalidInput, match=r"speakers\.csv, line 3: start and end are seconds"):
        samples_in(folder, set())


def test_a_row_may_be_of_a_recording_in_a_store(folder: Path) -> None:
    """The rows of people whose voices were removed are; one with a name and no recording is refused."""
    (folder / "speakers.csv").write_text("id,name,file,start,end\nP0001,Ann,s3://talks/a.wav,1,5\n")
    assert samples_in(folder, set())[0] == Sample("Ann", "s3://talks/a.wav", 1.0, 5.0)
    (folder / "speakers.csv").write_text("name,file\nAda,a.wav\nMary,\n")
    with pytest.raises(InvalidInput, match=r"speakers\.csv, line 3: Mary has no file"):
        samples_in(folder, set())


def test_a_sample_is_heard_once_whatever_number_of_speakers_a_batch_asks_for(tmp_path: Path) -> None:
    """It is of one speaker: no model is loaded, of which there is none here, and the person keeps the id."""
    speech, people = recordings(tmp_path / "speech", 1), tmp_path / "people"
    sample = recordings(people / "Ada", 1) / "0.wav"
    options = {"people": {"speakers": str(people), "speaker_limits": "0.65,0.55"}}
    asked = batch_of(speech, diarize={"diarize_model": "some/model", "min_speakers": 3}, **options)
    alone = batch_of(speech, diarize={"diarize_model": "some/model", "num_speakers": 1}, **options).diarize
    assert alone
    key = Sample("Ada", str(sample)).key(options_digest("voice", alone.cache_inputs(asked.models)))
    known = voices_json([Person("P0001", "Ada", [KnownVoice(voice(1), str(sample), key)])])
    (people / "voices.json").write_bytes(known)
    enrol(asked, check_models)
    assert new_samples(asked) == []
    assert (people / "voices.json").read_bytes() == known


def test_a_model_that_the_samples_need_is_refused_before_they_are_heard(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_en: str
) -> None:
    """A gated one at once, with what to do; a dry run names the samples that are new as well."""
    speech, people = recordings(tmp_path / "speech", 1), tmp_path / "people"
    sample = recordings(people / "Ada", 1) / "0.wav"
    command = ["whisperx-batch", str(speech), "--model", tiny_en, "--no_align", "--diarize", "--speakers", str(people)]
    command += ["--model_dir", str(tmp_path / "models"), "-o", str(tmp_path / "out")]
    for more in ([], ["--dry_run"]):
        monkeypatch.setattr(sys, "argv", [*command, *more])
        with pytest.raises(SystemExit) as exit_:
            main.main()
        assert exit_.value.code == 2
        shown, errors = capsys.readouterr()
        assert f"whisperx-batch: --diarize_model {DIARIZER}: it is gated: accept its terms at {hub.url}" in errors
        assert (f"voice   Ada: new sample {sample}\n" in shown) is ("--dry_run" in more)
    assert [path.name for path in people.iterdir() if path.name[0] != "."] == ["Ada"]


def test_a_table_that_is_no_csv_is_refused(folder: Path) -> None:
    """Such as one with the line ends of old Macintoshes."""
    (folder / "speakers.csv").write_bytes(b"name,file\rAda,a.wav\r")
    with pytest.raises(InvalidInput, match=r"speakers\.csv: not CSV, line [01]: "):
        samples_in(folder, set())


def test_samples_join_people_by_name_and_go_when_they_are_removed(tmp_path: Path) -> None:
    """A person's id stays when the folder of samples gets another name; one whose voices are all gone goes."""
    heard, old, new = (KnownVoice(voice(i), f"{i}.wav", str(i), "S0" * (i == 0)) for i in range(3))
    people = [Person("P0001", "Ada", [heard]), Person("P0002", "Mary", [old])]
    joined = _with_samples(people, {"1": "Mary", "2": "Ada"}, [new], str(tmp_path))
    assert joined == [Person("P0001", "Ada", [heard, new]), Person("P0002", "Mary", [old])]
    renamed = _with_samples(people, {"1": "Mary Somerville", "2": "Ann"}, [new], str(tmp_path))
    assert [(person.id, person.name) for person in renamed] == [
        ("P0001", "Ada"),
        ("P0002", "Mary Somerville"),
        ("P0003", "Ann"),
    ]
    assert _with_samples(people, {}, [], str(tmp_path)) == [people[0]]
    (tmp_path / "speakers.csv").write_text("id,name,file\nP0007,,x.wav\nP0002,Mary S.,1.wav\n")
    assert [person.id for person in _with_samples([], {"2": "Ann"}, [new], str(tmp_path))] == ["P0008"]
