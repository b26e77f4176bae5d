"""flows/people/, flows/cli/speakers.py: people of an output folder, found in its stored results without a model."""

import csv
import json
import os
import random
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import av
import pytest
from batches import planned
from voices import diarized, recordings, voice

from flows.cli import speakers as command
from flows.people.forgetting import forget_voices
from flows.people.gathering import gather
from flows.people.grouping import grouped
from flows.people.registry import next_ids
from flows.state.folder import OutputFolder
from tasks.audio.decoding import decode
from tasks.people.known import KnownVoice, Person
from tasks.people.limits import Limits
from tasks.storage.results import StoredResult

LIMITS = "0.65,0.55"


def speakers(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run the command in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["whisperx-batch-speakers", *arguments])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    return exit_.value.code


def table(folder: Path) -> list[dict[str, str]]:
    """Return the rows of speakers.csv."""
    return list(csv.DictReader((folder / "speakers.csv").read_text("utf-8-sig").splitlines()))


def test_speakers_of_all_files_are_grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their voices; a page plays a clip of each, and all is for this user alone."""
    speech, out = recordings(tmp_path / "speech", 3), tmp_path / "out"
    voices = {
        "0.wav": {"SPEAKER_00": voice(1, 1), "SPEAKER_01": voice(2, 1)},
        "1.wav": {"SPEAKER_00": voice(2, 2), "SPEAKER_01": voice(3, 1, bandwidth="telephone")},
        "2.wav": {"SPEAKER_00": voice(3, 2), "SPEAKER_01": voice(1, 2, seconds=8)},
    }
    diarized(speech, voices)
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS) == 0
    rows = table(out / "speakers")
    assert [(row["id"], row["files"], row["maybe"]) for row in rows] == [
        ("P0002", "2", ""),
        ("P0001", "1", "P0004"),  # who says little in another file
        ("P0003", "1", ""),
        ("P0004", "1", "P0001"),
        ("P0005", "1", ""),  # the voice of P0003 on the telephone
    ]
    assert (out / "speakers").stat().st_mode & 0o777 == 0o700
    page = (out / "speakers" / "speakers.html").read_text()
    assert page.count("data:audio/mpeg;base64,") == 5
    assert 'src="http' not in page


def test_a_damaged_recording_has_no_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' clips, and the table, are written all the same."""
    speech, out = recordings(tmp_path / "speech", 2), tmp_path / "out"
    with av.open(str(speech / "0.mp3"), "w") as damaged:
        stream = damaged.add_stream("libmp3lame", rate=16_000, layout="mono")
        samples = decode(str(speech / "0.wav"))[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        for part in av.AudioResampler("s16p", "mono", 16_000, frame_size=576).resample(frame):
            damaged.mux(stream.encode(part))
    content = (speech / "0.mp3").read_bytes()
    (speech / "0.mp3").write_bytes(content[: len(content) // 4] + random.Random(0).randbytes(len(content) // 2))
    diarized(speech, {"0.mp3": {"SPEAKER_00": voice(1)}, "1.wav": {"SPEAKER_00": voice(2)}})
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS) == 0
    page = (out / "speakers" / "speakers.html").read_text()
    assert "not here: no clip can be cut from it" in page
    assert page.count("data:audio/mpeg;base64,") == 1


def test_ids_are_the_same_over_ten_runs_with_files_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run finds new files; no voice ever changes its id, and names stay with the ids."""
    names = [f"{i}.wav" for i in range(20)]
    recordings(tmp_path / "all", len(names))
    people = {name: random.Random(i).sample(range(6), 2) for i, name in enumerate(names)}
    voices = {
        name: {f"SPEAKER_0{j}": voice(each, i) for j, each in enumerate(people[name])} for i, name in enumerate(names)
    }
    random.Random(0).shuffle(names)
    out, speech, before = tmp_path / "out", tmp_path / "speech", {}
    speech.mkdir()
    for run in range(10):
        for name in names[2 * run : 2 * run + 2]:
            shutil.copy(tmp_path / "all" / name, speech)
        diarized(speech, {path.name: voices[path.name] for path in speech.iterdir()})
        assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS) == 0
        stored = json.loads((out / "speakers" / "voices.json").read_text())["people"]
        ids = {each["voice"]["embedding"]: person["id"] for person in stored for each in person["voices"]}
        assert before.items() <= ids.items()
        before = ids
    of_person: defaultdict[int, set[str]] = defaultdict(set)
    for name in names:
        for label, each in zip(voices[name].values(), people[name], strict=True):
            of_person[each].add(before[label.embedding])
    assert sorted(map(len, of_person.values())) == [1] * 6
    assert len(set.union(*of_person.values())) == 6


def test_two_speakers_of_a_file_are_two_people_however_alike() -> None:
    """Also if a third recording has somebody who is like both."""
    known = [
        KnownVoice(voice(1, noise), f"{file}.wav", file, label)
        for noise, file, label in ((1, "a", "S0"), (2, "a", "S1"), (3, "b", "S0"))
    ]
    people = grouped([], known, Limits(0.65, 0.55), next_ids([], "/no/such"))
    assert sorted(len(person.voices) for person in people) == [1, 2]


def test_a_recording_that_is_diarized_anew_keeps_its_people() -> None:
    """Its old voices go, and its new ones are of the same people by the same ids."""
    old, new = (KnownVoice(voice(1, noise), "a.wav", "a", "S0") for noise in (1, 2))
    [person] = grouped([], [old], Limits(0.65, 0.55), iter(["P0001"]))
    assert grouped([person], [new], Limits(0.65, 0.55), iter(["P0002"])) == [Person("P0001", "", [new])]


def test_a_person_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name: the voice is in no stored result, also of an earlier diarization, and in no file of the folder."""
    speech, out = recordings(tmp_path / "speech", 2), tmp_path / "out"
    ada, bob = voice(1, 1), voice(2, 1)
    diarized(speech, {"0.wav": {"SPEAKER_07": voice(1, 3)}}, min_speakers=2)
    batch = diarized(speech, {"0.wav": {"SPEAKER_00": ada, "SPEAKER_01": bob}, "1.wav": {"SPEAKER_00": voice(1, 2)}})
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS) == 0
    people = out / "speakers"
    rows = table(people)
    rows[0]["name"] = "Ada"
    with (people / "speakers.csv").open("w", newline="") as written:
        writer = csv.DictWriter(written, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS, "--forget", "Bob") == 2
    assert "nobody" in capsys.readouterr().err
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS, "--forget", "Ada") == 0
    assert "voices were removed from 3 results" in capsys.readouterr().out
    assert [row["name"] for row in table(people)] == [""]
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert bob.embedding.encode() in everything
    for gone in (ada, voice(1, 2), voice(1, 3)):
        assert gone.embedding.encode() not in everything
    assert b"Ada" not in everything
    key = planned(batch)["0.wav"].source.keys["diarize"]
    assert StoredResult(OutputFolder.of(batch).results, key).read().voices.keys() == {"SPEAKER_01"}


def test_a_person_is_forgotten_though_an_old_result_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed, with the voices in it."""
    speech, out = recordings(tmp_path / "speech", 1), tmp_path / "out"
    diarized(speech, {"0.wav": {"SPEAKER_07": voice(1, 3)}}, min_speakers=2)
    [old] = (out / ".whisperx-batch").rglob("diarize/v2/*")
    record = json.loads(old.read_text())
    record["result"] = record["result"].replace("seconds", "lasting")
    old.write_text(json.dumps(record))
    os.utime(old, (1, 1))
    diarized(speech, {"0.wav": {"SPEAKER_00": voice(1)}})
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS, "--forget", "P0001") == 0
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert voice(1).embedding.encode() not in everything
    assert voice(1, 3).embedding.encode() not in everything


def test_with_nobody_to_forget_no_result_is_read(tmp_path: Path) -> None:
    """There may be many. One that is broken shows it: reading removes it."""
    batch = diarized(recordings(tmp_path / "speech", 1), {"0.wav": {"SPEAKER_00": voice(1)}})
    folder = OutputFolder.of(batch)
    [stored] = Path(folder.results).rglob("diarize/v2/*")
    stored.write_text(stored.read_text().replace("seconds", "lasting"))
    assert (forget_voices(folder, []), stored.exists()) == (0, True)
    other = Person("P0001", voices=[KnownVoice(voice(2), "b.wav", "2")])
    assert (forget_voices(folder, [other]), stored.exists()) == (1, False)


def test_the_newest_diarization_stays_it_where_an_older_one_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a copy of the recording in which the person was found: it has the same voice."""
    speech, out = recordings(tmp_path / "speech", 2), tmp_path / "out"
    diarized(speech, {"1.wav": {"SPEAKER_07": voice(1)}}, min_speakers=2)
    [old] = (out / ".whisperx-batch").rglob("diarize/v2/*")
    os.utime(old, (1, 1))
    batch = diarized(speech, {"0.wav": {"SPEAKER_00": voice(1)}, "1.wav": {"SPEAKER_00": voice(2)}})
    assert speakers(monkeypatch, str(out), "--speaker_limits", LIMITS, "--forget", "P0001") == 0
    assert voice(1).embedding.encode() not in old.read_bytes()
    folder = OutputFolder.of(batch)
    assert [each.voice for each in gather(folder, folder.ledger()).voices] == [voice(2)]


def test_people_are_written_to_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Voices are for this user alone, which no store is told."""
    diarized(recordings(tmp_path / "speech", 1), {"0.wav": {"SPEAKER_00": voice(1)}})
    monkeypatch.chdir(tmp_path)
    assert speakers(monkeypatch, "out", "--speaker_limits", LIMITS, "--speakers", "memory://people") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "speech"]


def test_a_folder_without_speakers_has_nobody_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files were not diarized: nothing is written, and what to do is said."""
    diarized(recordings(tmp_path / "speech", 1), {})
    (tmp_path / "out" / ".whisperx-batch").mkdir(parents=True, exist_ok=True)
    assert speakers(monkeypatch, str(tmp_path / "out")) == 2
    assert "no file was run with --diarize" in capsys.readouterr().err
    assert not (tmp_path / "out" / "speakers" / "speakers.html").exists()


def test_an_unknown_embedding_model_needs_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a folder that is none of ours is refused."""
    speech = recordings(tmp_path / "speech", 1)
    diarized(speech, {"0.wav": {"SPEAKER_00": voice(1)}})
    assert speakers(monkeypatch, str(tmp_path / "out")) == 2
    assert "set --speaker_limits" in capsys.readouterr().err
    assert os.listdir(tmp_path / "out" / "speakers") == [".lock"]
    assert speakers(monkeypatch, str(speech)) == 2
