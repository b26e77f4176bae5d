"""tasks/storage/filesystems.py: a real S3 endpoint and a web server, and what their faults become."""

import errno
import traceback

import pytest

from tasks.audio.container import UnreadableAudio
from tasks.faults import is_passing
from tasks.load_audio import probe
from tasks.storage.filesystems import BadPlace, find, glob
from tasks.storage.io import opened, print_of, put, read, remove
from tasks.storage.urls import join

SECRET = "geheim"


def test_a_bucket_is_searched_like_a_folder(bucket: str) -> None:
    """At any depth, and by wildcards."""
    put({join(bucket, name): b"x" for name in ("a.mp3", "b/c.wav", "b/d.txt")})
    assert list(find(bucket)) == [join(bucket, name) for name in ("a.mp3", "b/c.wav", "b/d.txt")]
    assert list(glob(join(bucket, "**/*.wav"))) == [join(bucket, "b/c.wav")]


def test_a_bucket_that_is_not_there_is_no_fault_that_passes(s3: str) -> None:
    """But a store that does not answer is."""
    with pytest.raises(FileNotFoundError):
        read("s3://no-such-bucket/a.mp3")
    with pytest.raises(OSError, match=r"refused|connect|Connect") as away:
        read("http://127.0.0.1:9/a.mp3")
    assert is_passing(away.value)


def test_what_goes_wrong_with_an_objects_content_is_no_fault_of_the_store(bucket: str) -> None:
    """It is raised as it is: as a fault that may pass it would be tried again and again."""
    put({join(bucket, "a.mp3"): b"no audio"})
    with pytest.raises(ValueError, match="invalid literal"), opened(join(bucket, "a.mp3")) as file:
        int(file.read())
    with pytest.raises(UnreadableAudio, match="not audio that FFmpeg reads"):
        probe(join(bucket, "a.mp3"))


def test_an_object_that_goes_while_it_is_read_is_a_fault_of_the_store(bucket: str) -> None:
    """Raised as of a file system."""
    url = join(bucket, "a.mp3")
    put({url: bytes(1 << 20)})
    with opened(url, 1 << 10) as file:
        assert file.read(10) == bytes(10)
        remove(url)
        assert file.seek(1 << 19) == file.tell()
        with pytest.raises(OSError, match="no such file"):
            file.read(10)


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
