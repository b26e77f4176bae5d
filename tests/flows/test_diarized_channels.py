"""Channels and tracks on which several people speak, in a real run with real voices."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLES, TWO_SPEAKERS
from runs import Done, run_batch, transcribing
from sound_files import placed, write_wav

from flows.config.parameters import Batch
from flows.people.collecting import collect
from flows.people.forgetting import forget_voices
from flows.people.gathering import diarizations, gather, read
from flows.state.folder import OutputFolder
from tasks.audio.decoding import decode
from tasks.people.known import Person, read_people, table_of

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

OFFSET_S = 1.5


@pytest.fixture(scope="module", name="manifest")
def _manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who share a telephone, and a guest: on two channels, and as two tracks; the two alone."""
    folder = tmp_path_factory.mktemp("meeting")
    phone = decode(str(TWO_SPEAKERS))
    fox, count = (decode(str(SAMPLES / "en" / f"{name}.wav")) for name in ("quick_brown_fox", "counting"))
    guest = placed(len(phone) / 16_000, (0.5, fox), (3.8, count))
    shutil.copy(TWO_SPEAKERS, folder / "phone.wav")
    write_wav(folder / "room.wav", phone, guest)
    write_wav(folder / "guest.wav", guest)
    shared = {"diarize_channels": True}
    rows: list[dict[str, Any]] = [
        {"path": "phone.wav", "diarize": True},
        {"path": "room.wav", "channels": "split", "channel_names": "Phone,Guest", **shared},
        {"path": "phone.wav", "group": "talk", "speaker": "Phone", "offset": OFFSET_S, **shared},
        {"path": "guest.wav", "group": "talk", "speaker": "Guest", **shared},
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


def options(manifest: Path, tiny_en: str, small_models: Path, real_diarizer: Path) -> dict[str, Any]:
    """Return the options of a run."""
    return {
        "inputs": {"manifest": str(manifest)},
        "transcribe": transcribing(tiny_en),
        "align": {"align_model": str(small_models / "align-tiny")},
        "diarize": {"diarize_model": "campplus", "by_default": False},
        "models": {"device": "cpu", "threads": 1, "model_dir": str(real_diarizer), "offline": True},
    }


@pytest.fixture(scope="module", name="done")
def _done(
    manifest: Path, tiny_en: str, small_models: Path, real_diarizer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    out = tmp_path_factory.mktemp("out") / "out"
    write = {"output_dir": str(out), "output_format": "json,rttm"}
    return run_batch(manifest.parent, out, **options(manifest, tiny_en, small_models, real_diarizer), write=write)


def said(done: Done, name: str, earlier_s: float = 0.0) -> dict[str, list[tuple[str, float]]]:
    """Return the words of each speaker, "" if nobody is known to say them, and when they begin."""
    found: dict[str, list[tuple[str, float]]] = {}
    for word in json.loads((done.out / f"{name}.json").read_text())["word_segments"]:
        spoken = found.setdefault(word.get("speaker", ""), [])
        spoken.append((word["word"], round(word["start"] - earlier_s, 3)))
    return found


@pytest.mark.parametrize(("name", "earlier_s"), [("room", 0.0), ("talk", OFFSET_S)])
def test_who_shares_a_channel_or_a_track_is_told_apart(done: Done, name: str, earlier_s: float) -> None:
    """As in a file of that channel alone; the guest, who is alone on the other, keeps the plain name."""
    alone, shared = said(done, "phone"), said(done, name, earlier_s)
    assert alone.keys() >= {"SPEAKER_00", "SPEAKER_01"}
    assert shared.pop("Guest")
    assert shared == {f"Phone {label}".strip(): words for label, words in alone.items()}
    turns = [line.split() for line in (done.out / f"{name}.rttm").read_text().splitlines()]
    assert {fields[7] for fields in turns} == {"Phone_SPEAKER_00", "Phone_SPEAKER_01", "Guest"}
    assert done.file(name if name == "talk" else f"{name}.wav")["speakers"] == 3


def test_their_voices_are_known(
    done: Done, manifest: Path, tiny_en: str, small_models: Path, real_diarizer: Path
) -> None:
    """By the channel or the track that they are on: named once, they are named in all files, without a model."""
    chosen = options(manifest, tiny_en, small_models, real_diarizer)
    chosen |= {"write": {"output_dir": str(done.out), "output_format": "json,rttm"}}
    folder = OutputFolder.of(Batch.model_validate(chosen))
    heard = {(Path(each.file).name, each.speaker, each.channel) for each in gather(folder, folder.ledger()).voices}
    assert {("phone.wav", "SPEAKER_00", 0), ("room.wav", "CHANNEL_0 SPEAKER_00", 1)} <= heard
    assert {file for file, *_ in heard} <= {"phone.wav", "room.wav", "guest.wav"}
    where = str(done.out / "speakers")
    collect(folder, where, None)
    table = Path(where) / "speakers.csv"
    first = table_of(where)[0]["id"]
    table.write_text(table.read_text("utf-8-sig").replace(f"{first},", f"{first},Ada", 1))
    again = run_batch(manifest.parent, done.out, **chosen, people={"speakers": where})
    assert all(file["timings_s"].keys() == {"write"} for file in again.report["files"])
    for name, label in (("phone", ""), ("room", "CHANNEL_0 "), ("talk", "TRACK_0 ")):
        result = json.loads((done.out / f"{name}.json").read_text())
        [renamed] = [each for each, called in result["speaker_names"].items() if called == "Ada"]
        assert renamed.startswith(f"{label}SPEAKER_0")
        assert "Ada" in said(done, name)
    assert forgotten_everywhere(folder, read_people(where))


def forgotten_everywhere(folder: OutputFolder, people: list[Person]) -> bool:
    """Forget people; return whether no stored diarization has a voice any more."""
    forget_voices(folder, people)
    return not any(read(folder, result).voices for result in diarizations(folder))
