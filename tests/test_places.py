"""tasks/storage/io.py: local paths, a real S3 endpoint and a web server."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK_BROWN_FOX

from tasks.faults import is_passing
from tasks.load_audio import AudioFile, decode, load_audio, probe
from tasks.storage import io
from tasks.storage.io import Stopped, digest_of, local_copy, print_of, put, read
from tasks.storage.urls import join


def test_what_is_put_can_be_read_and_has_a_print(tmp_path: Path, bucket: str) -> None:
    """The same in both kinds of place; the print changes with the content, also when the size does not."""
    for folder in (str(tmp_path), bucket):
        place = join(folder, "new/folder/a.txt")
        assert print_of(place) is None
        put({place: b"one"})
        first = print_of(place)
        assert first
        assert (read(place), first[0], print_of(place)) == (b"one", 3, first)
        put({place: b"two"})
        assert print_of(place) != first
        io.remove(place)
        io.remove(place)
        assert print_of(place) is None


def test_of_several_outputs_all_or_none_take_their_places(tmp_path: Path) -> None:
    """The folder of the last cannot be made: the first stays as it was, and no draft is left."""
    put({str(tmp_path / "a"): b"old"})
    with pytest.raises(FileExistsError):
        put({str(tmp_path / "a"): b"new", str(tmp_path / "a" / "b"): b"new"})
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_a_digest_stands_for_the_content_wherever_it_lies(tmp_path: Path, bucket: str) -> None:
    """Results of a local file hold for the same file in a store. More than one block of it is read."""
    content = os.urandom(9 << 20)
    for folder in (str(tmp_path), bucket):
        put({join(folder, "a.bin"): content})
    assert digest_of(str(tmp_path / "a.bin")) == digest_of(join(bucket, "a.bin"))


def test_reading_ends_when_the_run_does(tmp_path: Path) -> None:
    """Not after the last gigabyte."""
    (tmp_path / "a.wav").write_bytes(b"x")
    stop = threading.Event()
    assert len(digest_of(str(tmp_path / "a.wav"), stop)) == 32
    stop.set()
    with pytest.raises(Stopped):
        digest_of(str(tmp_path / "a.wav"), stop)


def test_a_local_copy_is_there_for_as_long_as_it_is_needed(bucket: str) -> None:
    """With the extension of the original, by which some formats are told."""
    put({join(bucket, "a b.wav"): b"sound"})
    with local_copy(join(bucket, "a b.wav")) as path:
        assert (Path(path).read_bytes(), Path(path).suffix) == (b"sound", ".wav")
    assert not os.path.lexists(path)


def test_a_killed_process_leaves_no_recording_behind(web: str, tmp_path: Path) -> None:
    """Its copy goes when another process makes one; a copy that is in use stays."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    source = (
        "import sys\nfrom tasks.storage.io import local_copy\n"
        "with local_copy(sys.argv[1]) as path:\n print(path, flush=True)\n sys.stdin.read()"
    )
    line = [sys.executable, "-c", source, f"{web}/fox.wav"]
    first, second = (
        subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    assert first.stdout
    assert second.stdout
    killed, in_use = Path(first.stdout.readline().strip()), Path(second.stdout.readline().strip())
    assert killed.stat().st_size == in_use.stat().st_size == QUICK_BROWN_FOX.stat().st_size
    first.kill()
    first.communicate()
    assert killed.exists()
    subprocess.run(line, env=environment, stdin=subprocess.DEVNULL, check=True)
    assert not killed.parent.exists()
    assert in_use.exists()
    second.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_was_cut_short_is_not_taken_for_the_file(web: str) -> None:
    """Half an interview would be transcribed."""
    with pytest.raises(OSError, match=r"short.mp3|ended") as short, local_copy(f"{web}/short.mp3"):
        pass
    assert is_passing(short.value)


def test_audio_is_read_from_a_web_server(web: str) -> None:
    """Also from one that gives all or nothing."""
    assert probe(f"{web}/fox.wav") == probe(str(QUICK_BROWN_FOX))
    away = load_audio.fn(AudioFile(f"{web}/fox.wav", "fox.wav", 2.9))
    np.testing.assert_array_equal(away.samples, decode(str(QUICK_BROWN_FOX)))
