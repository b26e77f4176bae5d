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
from tasks.people.known import Person, read_people

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

OFFSET_S = 1.5
NAMES = {f"{channel}SPEAKER_0{i}": name for channel in ("", "CHANNEL_0 ") for i, name in enumerate(("Ada", "Grace"))}


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


def options(manifest: Path, tiny_en: str, real_diarizer: Path) -> dict[str, Any]:
    """Return the options of a run."""
    return {
        "inputs": {"manifest": str(manifest)},
        "transcribe": transcribing(tiny_en),
        "align": {"align_model": "whisper"},  # its times are right, and so the speakers of the words
        "diarize": {"diarize_model": "campplus", "by_default": False},
        "models": {"device": "cpu", "threads": 1, "model_dir": str(real_diarizer), "offline": True},
    }


@pytest.fixture(scope="module", name="done")
def _done(manifest: Path, tiny_en: str, real_diarizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    out = tmp_path_factory.mktemp("out") / "out"
    write = {"output_dir": str(out), "output_format": "json,rttm"}
    return run_batch(manifest.parent, out, **options(manifest, tiny_en, real_diarizer), write=write)


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


def test_their_voices_are_known(done: Done, manifest: Path, tiny_en: str, real_diarizer: Path) -> None:
    """By the channel or the track that they are on: named once, they are named in all files, without a model."""
    chosen = options(manifest, tiny_en, real_diarizer)
    chosen |= {"write": {"output_dir": str(done.out), "output_format": "json,rttm"}}
    folder = OutputFolder.of(Batch.model_validate(chosen))
    heard = {(Path(each.file).name, each.speaker, each.channel) for each in gather(folder, folder.ledger()).voices}
    assert {("phone.wav", "SPEAKER_00", 0), ("room.wav", "CHANNEL_0 SPEAKER_00", 1)} <= heard
    assert {file for file, *_ in heard} <= {"phone.wav", "room.wav", "guest.wav"}
    where = str(done.out / "speakers")
    collect(folder, where, None)
    table = Path(where) / "speakers.csv"
    text = table.read_text("utf-8-sig")
    for person in read_people(where):
        voice = person.voices[0]
        name = "" if voice.file.endswith("guest.wav") else NAMES.get(voice.speaker, "")
        text = text.replace(f"{person.id},,", f"{person.id},{name},")
    table.write_text(text)
    again = run_batch(manifest.parent, done.out, **chosen, people={"speakers": where})
    assert all(file["timings_s"].keys() == {"write"} for file in again.report["files"])
    for name in ("phone", "room", "talk"):
        assert said(done, name).keys() >= {"Ada", "Grace"}
    assert forgotten_everywhere(folder, read_people(where))


def forgotten_everywhere(folder: OutputFolder, people: list[Person]) -> bool:
    """Forget people; return whether no stored diarization has a voice any more."""
    forget_voices(folder, people)
    return not any(read(folder, result).voices for result in diarizations(folder))
