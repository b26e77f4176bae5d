"""What a manifest says of each file, and all that is wrong in it."""

import json
from pathlib import Path

import pytest

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry
from flows.planning.discovery import check_below, find_inputs
from flows.planning.manifest import read_manifest
from flows.preflight.paths import check_files
from tasks.diarize import DiarizeOptions
from tasks.errors import InvalidInput
from tasks.transcribe import TranscribeOptions

PROMPT = "Guten Tag, Herr\nMüller"


def written(folder: Path, name: str, text: str) -> str:
    """Write a manifest and return its path."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_a_csv_file_and_json_lines_say_the_same(tmp_path: Path) -> None:
    """Empty cells and missing keys leave an option as the batch has it; paths are relative to the manifest."""
    csv = 'path,language,diarize,num_speakers,initial_prompt\na.mp3,de,yes,2,"Guten Tag, Herr\nMüller"\n\n/b.mp3,,,,\n'
    rows = [
        {"path": "a.mp3", "language": "de", "diarize": True, "num_speakers": 2, "initial_prompt": PROMPT},
        {"path": "/b.mp3"},
    ]
    expected = FileOverrides(language="de", diarize=True, num_speakers=2, initial_prompt=PROMPT)
    for name, text in (("m.csv", csv), ("m.jsonl", "\n".join(json.dumps(row) for row in rows))):
        entries = read_manifest(written(tmp_path, name, text))
        assert [(entry.path, entry.options) for entry in entries] == [
            (str(tmp_path / "a.mp3"), expected),
            ("/b.mp3", FileOverrides()),
        ]


def test_spreadsheets_part_cells_with_semicolons_and_begin_with_a_mark(tmp_path: Path) -> None:
    """As those of some countries do."""
    manifest = written(tmp_path, "m.csv", "\ufeffpath;language\r\na.mp3;fr\r\n")
    assert read_manifest(manifest) == [Entry(str(tmp_path / "a.mp3"), FileOverrides(language="fr"), 2)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_a_manifest_may_be_as_excel_and_windows_save_it(
    tmp_path: Path, encoding: str, delimiter: str, end: str
) -> None:
    """In UTF-16 or UTF-8 with its mark, with quoted names of columns, and with columns that are empty throughout."""
    rows = [['"path"', '"hotwords"', "language", "", ""], ["Müller.mp3", '"a; b, c"', "de", "", ""], [""] * 5]
    text = "\ufeff" + "".join(delimiter.join(row) + end for row in rows)
    (tmp_path / "m.txt").write_bytes(text.encode("utf-16-le" if encoding == "utf-16" else encoding))
    expected = FileOverrides(language="de", hotwords="a; b, c")
    assert read_manifest(str(tmp_path / "m.txt")) == [Entry(str(tmp_path / "Müller.mp3"), expected, 2)]


def test_json_lines_may_be_in_utf_16(tmp_path: Path) -> None:
    """As PowerShell writes what is redirected to a file."""
    (tmp_path / "m.jsonl").write_bytes('{"path": "ü.mp3"}\r\n'.encode("utf-16"))
    assert [entry.path for entry in read_manifest(str(tmp_path / "m.jsonl"))] == [str(tmp_path / "ü.mp3")]


def test_urls_stay_what_they_are(tmp_path: Path) -> None:
    """And relative paths in a manifest in a store are relative to that."""
    assert read_manifest(written(tmp_path, "m.csv", "path\ns3://b/a.mp3\n"))[0].path == "s3://b/a.mp3"


def test_all_errors_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    """Of both kinds of manifest."""
    csv = "path,num_speakers,diarize,output\na.mp3,none,,\n,,,\n,2,,\nb.mp3,,maybe,\nc.mp3,1,,../x\nd.mp3,1,,,x\n"
    with pytest.raises(InvalidInput) as error:
        read_manifest(written(tmp_path, "m.csv", csv))
    lines = str(error.value).splitlines()
    assert [line.split(", line ")[1].split(":")[0] for line in lines] == ["2", "4", "5", "6", "7"]
    assert all("m.csv" in line for line in lines)
    assert "num_speakers: Input should be a valid integer" in lines[0]
    assert "no path" in lines[1]
    assert "leads out of the output folder" in lines[3]
    with pytest.raises(InvalidInput) as error:
        read_manifest(
            written(tmp_path, "m.csv", "path,language,min_speakers,max_speakers,output\n,klingon,3,2,/x,too many\n")
        )
    assert [line.partition(", line 2: ")[2] for line in str(error.value).splitlines()] == [
        "6 cells under 5 columns",
        "no path",
        "output: '/x' leads out of the output folder",
        "language: Whisper knows no language 'klingon'; give a code such as 'en' or a name",
        "min_speakers 3 is more than max_speakers 2",
    ]
    with pytest.raises(InvalidInput, match=r"(?s)line 1: not JSON.*2: not a JSON object.*3: langage: there is no"):
        read_manifest(written(tmp_path, "m.jsonl", '{"path": \n[1]\n{"path": "a.mp3", "langage": "de"}\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,language\n", "line 1: unknown column file; the columns are path, language"),
        ("path,langauge\n", "line 1: unknown column langauge; did you mean language"),
        ("language\n", "line 1.*it must name the column path"),
        ('path\n"a.mp3\n', "line 2: unexpected end"),
        ("", "it must name the column path"),
    ],
)
def test_a_csv_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With what its first line must have."""
    with pytest.raises(InvalidInput, match=message):
        read_manifest(written(tmp_path, "m.csv", text))


def test_a_manifest_in_a_windows_code_page_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Its letters could be those of any code page."""
    (tmp_path / "m.csv").write_bytes("path\r\nMüller.mp3\r\n".encode("cp1252"))
    with pytest.raises(
        InvalidInput, match=r"m.csv: line 2 is not UTF-8 \(byte 7\): save the file as UTF-8, which Excel"
    ):
        read_manifest(str(tmp_path / "m.csv"))
    (tmp_path / "m.csv").write_bytes("path\na.mp3\n".encode("utf-16")[:-1])
    with pytest.raises(InvalidInput, match=r"m.csv: line 2 is not UTF-16"):
        read_manifest(str(tmp_path / "m.csv"))
    with pytest.raises(InvalidInput, match="No such file"):
        read_manifest(str(tmp_path / "missing.csv"))


def test_a_file_that_a_folder_names_too_has_the_manifests_options(tmp_path: Path) -> None:
    """Once; a file that is in the manifest twice, with other options, is a mistake."""
    (tmp_path / "a.mp3").touch()
    manifest = written(tmp_path, "m.csv", "path,language\na.mp3,de\n")
    assert [entry.options.language for entry in find_inputs([str(tmp_path)], None, manifest)] == ["de"]
    twice = written(tmp_path, "m.csv", "path,language\na.mp3,de\na.mp3,fr\n")
    with pytest.raises(InvalidInput, match=r"line 3: .*a.mp3 is in line 2 already, with other options"):
        find_inputs([], None, twice)


def test_what_the_batch_cannot_do_for_a_file_is_refused() -> None:
    """A language that Whisper does not know, numbers of speakers that exclude each other, two files of one name."""
    entries = [
        Entry("/a.mp3", FileOverrides(language="klingon"), 2),
        Entry("/b.mp3", FileOverrides(diarize=True, min_speakers=3), 3),
        Entry("/c.mp3", FileOverrides(output="x"), 4),
        Entry("/d.mp3", FileOverrides(output="./X"), 5),
    ]
    with pytest.raises(InvalidInput) as error:
        check_files(entries, "m.csv", TranscribeOptions(), DiarizeOptions(max_speakers=2), rttm=False)
    assert [line.split(": ", 1)[1] for line in str(error.value).splitlines()] == [
        "Whisper knows no language 'klingon'; give a code such as 'en' or a name",
        "min_speakers 3 is more than max_speakers 2",
        "2 files have the output x",
    ]
    with pytest.raises(InvalidInput, match="line 3: the batch has no options for diarization"):
        check_files(entries[1:2], "m.csv", TranscribeOptions(), None, rttm=False)
    with pytest.raises(
        InvalidInput, match="line 4: output_format rttm holds speaker turns, and this file is not diarized"
    ):
        check_files(entries[2:3], "m.csv", TranscribeOptions(), DiarizeOptions(by_default=False), rttm=True)


def test_a_file_has_the_batchs_options_but_for_its_own() -> None:
    """Names of languages count as their codes, as on the command line."""
    batch = TranscribeOptions(model="base", beam_size=1)
    own = FileOverrides(language="german", hotwords="Ray").transcribing(batch)
    assert own == TranscribeOptions(model="base", beam_size=1, language="de", hotwords="Ray")
    assert FileOverrides().transcribing(batch) is batch


def test_who_is_diarized_is_said_by_the_manifest_or_the_batch() -> None:
    """A batch can leave it to the manifest."""
    everyone, marked = DiarizeOptions(max_speakers=4), DiarizeOptions(max_speakers=4, by_default=False)
    assert FileOverrides().diarizing(everyone) is everyone
    assert FileOverrides(diarize=False).diarizing(everyone) is None
    assert FileOverrides().diarizing(marked) is None
    wanted = FileOverrides(diarize=True, num_speakers=2).diarizing(marked)
    assert wanted
    assert (wanted.num_speakers, wanted.max_speakers) == (2, 4)


def test_inputs_lie_below_the_allowed_roots(tmp_path: Path) -> None:
    """However a manifest writes them: `..`, an absolute path, a symbolic link, another bucket."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.mp3").symlink_to("/etc/passwd")
    roots = [str(tmp_path / "in"), "s3://calls/2026"]
    check_below([Entry(str(tmp_path / "in" / "a.mp3")), Entry("s3://calls/2026/a.mp3")], roots)
    wrong = ["in/../secret.mp3", "in/link.mp3", "/etc/passwd", "inside.mp3"]
    urls = ["s3://calls/2026/../a.mp3", "s3://other/a.mp3", "s3://calls/20267", "s3://other/../calls/2026/a.mp3"]
    urls += [
        f"https://{path}" for path in ("evil/../host/a/f.wav", "evil/?/../../host/a/f.wav", "host/b#/../../host/a/f")
    ]
    urls += ["https://host/a/%2e%2e/b.wav", "https://me@host/a/f.wav"]
    check_below([Entry("https://host/a/f.wav?token=1")], ["https://host/a"])
    roots.append("https://host/a")
    for path in [*(str(tmp_path / name) for name in wrong), *urls]:
        with pytest.raises(InvalidInput, match=r"line 7: .* lies below none of the --input_roots"):
            check_below([Entry(path, line=7)], roots)


def test_one_file_is_one_file_however_it_is_written(tmp_path: Path) -> None:
    """With a dot, as a `file://` URL; what the manifest says of it counts."""
    (tmp_path / "a.mp3").touch()
    for path in ("./a.mp3", f"file://{tmp_path}/a.mp3", "../" + tmp_path.name + "/a.mp3"):
        manifest = written(tmp_path, "m.csv", f"path,language\n{path},de\n")
        entries = find_inputs([str(tmp_path)], None, manifest)
        assert [(entry.path, entry.options.language) for entry in entries] == [(str(tmp_path / "a.mp3"), "de")]


def test_half_a_character_is_a_mistake_in_its_line(tmp_path: Path) -> None:
    """No file system has such a name. The bytes of a name that is not Unicode may be given."""
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(
        '{"path": "a\\ud800.wav"}\n{"path": "b.wav", "output": "b\\ud800"}\n{"path": "caf\\udce9.wav"}\n'
    )
    with pytest.raises(InvalidInput) as error:
        read_manifest(str(manifest))
    said = "'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed"
    told = [line.partition("m.jsonl, ")[2] for line in str(error.value).splitlines()]
    assert told == [f"line 1: path: {said}", f"line 2: output: {said}"]
