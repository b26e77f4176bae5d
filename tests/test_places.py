"""tasks/places.py: local paths and a real S3 endpoint, and what a store's faults become."""

import errno
import os
import threading
import traceback
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK_BROWN_FOX

from tasks import places
from tasks.audio import AudioFile, decode, load_audio, probe
from tasks.faults import is_passing
from tasks.places import BadPlace, Stopped, absolute, digest_of, join, local_copy, print_of, put, read, shown

SECRET = "geheim"


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
        places.remove(place)
        places.remove(place)
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


def test_a_bucket_is_searched_like_a_folder(bucket: str) -> None:
    """At any depth, and by wildcards."""
    put({join(bucket, name): b"x" for name in ("a.mp3", "b/c.wav", "b/d.txt")})
    assert list(places.find(bucket)) == [join(bucket, name) for name in ("a.mp3", "b/c.wav", "b/d.txt")]
    assert list(places.glob(join(bucket, "**/*.wav"))) == [join(bucket, "b/c.wav")]


def test_a_bucket_that_is_not_there_is_no_fault_that_passes(s3: str) -> None:
    """But a store that does not answer is."""
    with pytest.raises(FileNotFoundError):
        read("s3://no-such-bucket/a.mp3")
    with pytest.raises(OSError, match=r"refused|connect|Connect") as away:
        read("http://127.0.0.1:9/a.mp3")
    assert is_passing(away.value)


def test_an_answer_that_stays_the_same_is_not_asked_for_again(web: str) -> None:
    """403 is no fault that passes, 503 is one, 404 is a file that is not there."""
    url = "?token=".join((f"{web}/403", SECRET))
    with pytest.raises(OSError, match="403") as forbidden:
        read(url)
    assert (forbidden.value.errno, is_passing(forbidden.value)) == (errno.EACCES, False)
    assert SECRET not in "".join(traceback.format_exception(forbidden.value))
    with pytest.raises(OSError, match="503") as busy:
        read(f"{web}/503")
    assert is_passing(busy.value)
    assert print_of(f"{web}/404") is None


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


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopher://host/a.mp3", "no protocol that fsspec knows"),
        ("zip://a.wav::s3://bucket/x.zip", "chained URLs"),
        ("dropbox://a.wav", "needs a package that is not installed"),
    ],
)
def test_what_cannot_be_read_from_says_so(url: str, message: str) -> None:
    """And what to install."""
    with pytest.raises(BadPlace, match=message):
        read(url)


def test_secrets_in_a_url_are_not_shown() -> None:
    """Two signed URLs of one object stay two."""
    assert shown("https://me:secret@host/a.mp3") == "https://host/a.mp3"
    one, two = (shown(f"https://host/a.mp3?sig={secret}") for secret in ("geheim", "anders"))
    assert one.startswith("https://host/a.mp3?")
    assert one != two
    assert "geheim" not in one
    assert shown("/in/a?b=c.mp3") == "/in/a?b=c.mp3"


def test_a_file_url_is_a_path() -> None:
    """Whose characters are escaped."""
    assert absolute("file:///in/a%20b.mp3") == "/in/a b.mp3"
    assert absolute("s3://bucket/../a") == "s3://bucket/../a"
