"""flows/state/ledger.py: what a later run must know, whatever became of the one that wrote it."""

import os
import time
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from flows.state.ledger import FOLDER, LEDGER, Ledger
from flows.state.ledger_rows import Row, Written
from tasks.storage.filesystems import FileVersion
from tasks.storage.io import digest_of, read
from tasks.storage.write_ahead import WriteAhead
from tasks.written import Facts


def ledger_in(folder: Path) -> Ledger:
    """Return what is known in a folder, whose outputs go there, too."""
    return Ledger(folder, str(folder))


def begun(folder: Path) -> Ledger:
    """Return the ledger of a run that holds the folder."""
    ledger = ledger_in(folder)
    ledger.begin({})
    return ledger


def version(path: Path) -> FileVersion:
    """Return the version of a file that is there."""
    return path.stat().st_size, path.stat().st_mtime_ns


def outputs(**versions: FileVersion) -> Written:
    """Return outputs as a run notes them."""
    return Written(language="en", speakers=None, aligned_by=None, note=None, outputs=versions, changed={})


def test_what_was_noted_is_known_to_the_next_run(tmp_path: Path) -> None:
    """Each thing that was learnt, the last of its kind; names of any bytes."""
    ledger = begun(tmp_path)
    ledger.note("/in/\udcff\n.wav", duration_s=1.5)
    ledger.note("/in/\udcff\n.wav", status="failed", error="no")
    written = {"k": outputs(txt=(3, 4))}
    ledger.note("/in/\udcff\n.wav", status="done", error=None, pattern="a", written=written)
    ledger.share()
    row = ledger_in(tmp_path).row("/in/\udcff\n.wav")
    assert row == {"duration_s": 1.5, "status": "done", "error": None, "pattern": "a", "written": written}
    assert [path for path, _ in ledger_in(tmp_path).owners("a")] == ["/in/\udcff\n.wav"]


def test_each_output_keeps_the_options_that_it_was_written_for(tmp_path: Path) -> None:
    """Of several runs with other formats; also when the ledger is written anew."""
    ledger = begun(tmp_path)
    ledger.note("/in/a.wav", pattern="a", written={"plain": outputs(srt=(1, 1), txt=(1, 1))})
    ledger.note("/in/a.wav", pattern="a", written={"speakers": outputs(srt=(2, 2))})
    ledger.share()
    known = {"plain": outputs(txt=(1, 1)), "speakers": outputs(srt=(2, 2))}
    assert ledger_in(tmp_path).row("/in/a.wav")["written"] == known
    assert begun(tmp_path).row("/in/a.wav")["written"] == known
    ledger = begun(tmp_path)
    ledger.note("/in/a.wav", pattern="a", written={"plain": outputs(srt=(3, 3))})
    ledger.share()
    assert ledger_in(tmp_path).row("/in/a.wav")["written"] == {"plain": outputs(txt=(1, 1), srt=(3, 3))}


def test_outputs_in_another_place_are_other_outputs(tmp_path: Path) -> None:
    """With another template those of before are no longer known as this file's."""
    ledger = begun(tmp_path)
    ledger.note("/in/a.wav", pattern="a", written={"k": outputs(srt=(1, 1))})
    ledger.note("/in/a.wav", pattern="b", written={"k": outputs(txt=(2, 2))})
    assert ledger.row("/in/a.wav")["written"] == {"k": outputs(txt=(2, 2))}
    ledger.share()


def test_a_line_that_was_cut_short_costs_no_other(tmp_path: Path) -> None:
    """As by a machine that lost its power."""
    ledger = begun(tmp_path)
    ledger.note("/in/a.wav", status="done")
    ledger.share()
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b'{"path": "/in/b.wav", "sta')
    assert set(ledger_in(tmp_path).rows) == {"/in/a.wav"}
    ledger = begun(tmp_path)
    ledger.note("/in/c.wav", status="done")
    ledger.share()
    assert set(ledger_in(tmp_path).rows) == {"/in/a.wav", "/in/c.wav"}


def test_a_last_line_without_its_end_costs_no_other(tmp_path: Path) -> None:
    """The crash may take the line break alone."""
    (tmp_path / LEDGER).write_text('{"path": "/in/a.wav", "status": "done"}')
    ledger = begun(tmp_path)
    ledger.note("/in/b.wav", status="done")
    ledger.share()
    assert set(ledger_in(tmp_path).rows) == {"/in/a.wav", "/in/b.wav"}


@pytest.mark.parametrize(
    "line",
    [
        '{"path": "/in/a.wav", "outputs": null}',
        '{"path": "/in/a.wav", "written": {"k": {"outputs": 3}}}',
        '{"path": "/in/a.wav", "pattern": "../../etc/{format}"}',
        '{"path": "/in/a.wav", "refused": 5}',
        '["/in/a.wav"]',
    ],
)
def test_a_line_that_nobody_wrote_so_is_passed_over(tmp_path: Path, line: str) -> None:
    """Also one by which outputs would lie outside of the output folder."""
    (tmp_path / LEDGER).write_text(line + "\n" + '{"path": "/in/b.wav", "status": "done"}\n')
    assert set(ledger_in(tmp_path).rows) == {"/in/b.wav"}


def test_only_the_run_that_has_locked_the_folder_writes(tmp_path: Path) -> None:
    """A dry run leaves no trace."""
    ledger_in(tmp_path).note("/in/a.wav", status="done")
    assert not (tmp_path / LEDGER).exists()


def test_a_new_run_writes_the_ledger_anew(tmp_path: Path) -> None:
    """Night after night it does not grow; what the run is to do waits."""
    for _ in range(5):
        ledger = begun(tmp_path)
        ledger.note("/in/old.wav", status="done")
        ledger.begin({"/in/new.wav": Row(status="waiting", error=None)})
        ledger.share()
    assert len((tmp_path / LEDGER).read_text().splitlines()) == 2
    assert ledger_in(tmp_path).row("/in/new.wav")["status"] == "waiting"


def test_a_file_is_read_once_while_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known by path, size and mtime, as in git's index."""
    audio = tmp_path / "a.wav"
    audio.write_bytes(b"one")
    reads: list[str] = []

    def counted(path: str, stop: object) -> str:
        reads.append(path)
        return digest_of(path)

    monkeypatch.setattr("flows.state.ledger.digest_of", counted)
    ledger = begun(tmp_path)
    first = ledger.digest(str(audio), version(audio))["digest"]
    ledger.share()
    assert begun(tmp_path).digest(str(audio), version(audio))["digest"] == first
    assert len(reads) == 1
    audio.write_bytes(b"two")
    os.utime(audio, ns=(1, 1))
    assert begun(tmp_path).digest(str(audio), version(audio))["digest"] != first
    assert len(reads) == 2


def test_a_ledger_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """It goes on in memory."""
    ledger = begun(tmp_path)
    (tmp_path / LEDGER).unlink()
    (tmp_path / LEDGER).mkdir()
    ledger.note("/in/a.wav", status="done")
    ledger.share()
    assert ledger.row("/in/a.wav") == {"status": "done"}


def test_lines_that_a_full_disk_did_not_take_are_written_with_the_next(tmp_path: Path) -> None:
    """And a write-ahead note goes only once the line that it stands for is on the disk."""
    ledger = begun(tmp_path)
    note = WriteAhead(ledger.notes_folder, "/in/a.wav", "k", "t", "a.{format}")
    note.note({"txt": b"text"}, FACTS)
    (tmp_path / LEDGER).unlink()
    (tmp_path / LEDGER).mkdir()
    ledger.note_written("/in/a.wav", note.location, status="done")
    ledger.note_written("/in/b.wav", None, status="done")
    time.sleep(0.2)
    assert Path(note.location).exists()
    (tmp_path / LEDGER).rmdir()
    ledger.note("/in/c.wav", status="done")
    ledger.share()
    assert set(ledger_in(tmp_path).rows) == {"/in/a.wav", "/in/b.wav", "/in/c.wav"}
    assert not Path(note.location).exists()


FACTS = Facts(language="en", speakers=2, aligned_by="whisper", note=None)


def test_outputs_whose_line_was_lost_are_known_by_their_write_ahead_note(tmp_path: Path) -> None:
    """Those whose content is the noted one, and no others; once the ledger has them, the note goes."""
    ahead = WriteAhead(str(tmp_path / FOLDER / "writing"), "/in/\udcff.wav", "k", "t", "{language}/a.{format}")
    ahead.note({"txt": b"text", "srt": b"never written", "vtt": b"another"}, FACTS)
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "a.txt").write_bytes(b"text")
    (tmp_path / "en" / "a.vtt").write_bytes(b"somebody's")
    row = ledger_in(tmp_path).row("/in/\udcff.wav")
    status = (tmp_path / "en" / "a.txt").stat()
    assert row["pattern"] == "{language}/a.{format}"
    assert row["written"]["k"] == {**FACTS, "outputs": {"txt": (4, status.st_mtime_ns)}, "changed": {}}
    assert Path(ahead.location).exists()  # a dry run changes nothing
    begun(tmp_path).share()
    assert not Path(ahead.location).exists()
    assert ledger_in(tmp_path).row("/in/\udcff.wav") == row


def test_a_note_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    """Nothing was written after it."""
    folder = tmp_path / FOLDER / "writing"
    folder.mkdir(parents=True)
    (folder / "0123").write_text('{"path": "/in/a.wav", "key"')
    assert ledger_in(tmp_path).rows == {}


def test_a_run_that_learns_nothing_copies_its_ledger_to_the_store_once(tmp_path: Path, bucket: str) -> None:
    """Another run also at its end, with what it has learnt."""
    store = S3FileSystem(use_listings_cache=False, version_aware=True)
    versioning = {"Status": "Enabled"}
    store.call_s3("put_bucket_versioning", Bucket=bucket.removeprefix("s3://"), VersioningConfiguration=versioning)
    copy = f"{bucket}/{FOLDER}/{LEDGER}"
    for learnt, versions in (([], 1), (["/in/a.wav"], 3)):
        ledger = Ledger(tmp_path, bucket, copy)
        ledger.begin({})
        for path in learnt:
            ledger.note(path, duration_s=1.5)
        ledger.share()
        assert len(store.object_version_info(copy)) == versions
        assert read(copy) == (tmp_path / LEDGER).read_bytes()


def test_a_refusal_holds_for_the_same_content_options_and_programs(tmp_path: Path) -> None:
    """It comes back from the file as it was noted."""
    ledger = begun(tmp_path)
    ledger.note("/in/a.wav", refused={"content": (5, 6), "made_with": "m", "error": "no audio"})
    ledger.share()
    later = ledger_in(tmp_path)
    assert later.refused("/in/a.wav", (5, 6), "m") == "no audio"
    assert later.refused("/in/a.wav", (5, 7), "m") is None
    assert later.refused("/in/a.wav", (5, 6), "n") is None
    assert later.refused("/in/b.wav", (5, 6), "m") is None
