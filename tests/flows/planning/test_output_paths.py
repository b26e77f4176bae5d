"""flows/planning/output_paths.py: outputs that cannot collide, named as the user wants them."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisperx.utils import get_writer

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry
from flows.planning.output_paths import output_patterns
from tasks.storage.outputs import OutputPath
from tasks.write import WriteOptions


def names_of(*paths: str, known: dict[str, str] | None = None, template: str | None = None) -> list[str]:
    """Return what the srt files, in English, of these inputs are named, without `.srt`."""
    options = WriteOptions(output_template=template) if template else WriteOptions()
    patterns = output_patterns(options, [Entry(path) for path in paths], known or {})
    return [OutputPath("", "", pattern).render("en", "srt").removesuffix(".srt") for pattern in patterns]


def test_outputs_mirror_the_tree_and_never_collide() -> None:
    """Equal names in two folders stay apart; equal stems keep their extensions; also where case does not count."""
    assert names_of("/in/a/ep1.mp3", "/in/b/ep1.mp3", "/in/a/ep1.wav", "/in/a/EP2.wav", "/in/a/ep2.mp3") == [
        "a/ep1.mp3",
        "b/ep1",
        "a/ep1.wav",
        "a/EP2.wav",
        "a/ep2.mp3",
    ]


def test_a_kept_extension_collides_with_no_other_name() -> None:
    """`talk.mp4.mp3` would have the outputs of `talk.mp4`."""
    names = [f"/in/{name}" for name in ("talk.mp4", "talk.mp3", "talk.mp4.mp3")]
    assert names_of(*names) == ["talk.mp4", "talk.mp3", "talk.mp4.mp3"]


def test_files_of_one_folder_have_their_outputs_side_by_side() -> None:
    """As the `whisperx` program puts them."""
    assert names_of("/in/a.mp3", "/in/b.tar.wav") == ["a", "b.tar"]


def test_urls_and_paths_have_names_like_each_other() -> None:
    """A bucket is a folder; a query is no part of a name."""
    assert names_of("s3://calls/2026/a.mp3", "s3://calls/2026/b/c.mp3") == ["a", "b/c"]
    assert names_of("https://host/x/My%20talk.mp3?token=1", "https://host/x/b.mp3") == ["My talk", "b"]
    assert names_of("/calls/a.mp3", "s3://calls/a.wav") == ["a.mp3", "a.wav"]


def test_a_file_keeps_the_pattern_that_it_is_known_by() -> None:
    """Although the common folder of the inputs is another this time; the new ones make way."""
    known = {"/in/a/ep1.wav": "ep1.{format}", "/in/a/talk.mp4.mp3": "a/talk.mp4.{format}"}
    paths = [f"/in/a/{name}" for name in ("ep1.wav", "ep1.mp3", "talk.mp4.mp3", "talk.mp4", "talk.wav")]
    assert names_of(*paths, "/in/b/ep1.wav", known=known)[::5] == ["ep1", "b/ep1"]
    names = names_of(*paths, "/in/ep1.ogg", known=known)
    assert len({name.casefold() for name in names}) == len(names)
    assert (names[0], names[2], names[5]) == ("ep1", "a/talk.mp4", "ep1.ogg")


def test_a_pattern_that_two_files_are_known_by_is_kept_by_neither() -> None:
    """As a run with --overwrite may have left them; or one would be taken for the other's output."""
    known = {"/in/a/ep1.wav": "ep1.{format}", "/in/b/ep1.wav": "EP1.{format}"}
    assert names_of("/in/a/ep1.wav", "/in/b/ep1.wav", known=known) == ["a/ep1", "b/ep1"]
    assert names_of("/in/a/ep1.wav", "/in/b/ep2.wav", known=known) == ["ep1", "b/ep2"]
    entries = [Entry("/in/a/ep1.wav"), Entry("/in/b/x.wav", FileOverrides(output="ep1"))]
    assert output_patterns(WriteOptions(), entries, known) == ["a/ep1.{format}", "ep1.{format}"]


@pytest.mark.parametrize(
    "pattern",
    ["../x.{format}", "/etc/x.{format}", "a/../../x.{format}", "{language}/{0}", "{format.__class__}", "{", "{x}", 7],
)
def test_a_known_pattern_that_is_none_of_ours_is_not_used(pattern: Any) -> None:
    """The ledger may come from a bucket that others can write to."""
    assert names_of("/in/a.wav", known={"/in/a.wav": pattern}) == ["a"]


NAMES = st.sampled_from(["ep", "EP", "ep.mp4", "{stem}", "}{", "a}", "ß", "ss", ".x", "n" * 250])
PATHS = st.builds(
    "/in/{}{}.{}".format,
    st.sampled_from(["", "a/", "b/", "{language}/"]),
    NAMES,
    st.sampled_from(["mp3", "wav", "WAV"]),
)
PATTERNS = st.sampled_from(
    ["ep.{format}", "EP.{format}", "a/ep.{format}", "{language}/ep.{format}", "{{x}}.{format}", "../x.{format}", "{0}"]
)
TEMPLATES = st.sampled_from(
    ["{relpath}/{stem}.{format}", "{stem}.{format}", "{language}/{stem}.{format}", "{{{{x}}{stem}}}.{format}"]
)


@given(st.lists(PATHS, min_size=1, max_size=8, unique=True), st.dictionaries(PATHS, PATTERNS), TEMPLATES)
def test_no_two_files_have_one_output_whatever_is_known_of_them(
    paths: list[str], known: dict[str, str], template: str
) -> None:
    """And none of them lies outside of the output folder; who alone has a usable pattern keeps it."""
    entries = [Entry(path) for path in paths]
    patterns = output_patterns(WriteOptions(output_template=template), entries, known)
    outputs = [OutputPath("", "", pattern).render("en", "TextGrid") for pattern in patterns]
    assert len({output.casefold() for output in outputs}) == len(paths)
    assert not any(os.path.isabs(output) or ".." in output.split("/") for output in outputs)
    assert all(len(os.fsencode(part)) <= 255 for output in outputs for part in output.split("/"))
    mine = [known.get(path, "").casefold() for path in paths]
    for pattern, path in zip(patterns, paths, strict=True):
        if path in known and mine.count(known[path].casefold()) == 1 and known[path] not in ("../x.{format}", "{0}"):
            assert pattern == known[path]


def test_a_name_that_leaves_no_room_for_an_extension_is_cut() -> None:
    """At 255 bytes with the extension; two that begin alike stay apart; no character is cut in half."""
    long = "ü" * 125 + "a"
    names = names_of(*(f"/in/{long}{end}.wav" for end in "bc"), "/in/short.wav")
    assert len(set(names)) == 3
    assert all(len(os.fsencode(f"{name}.TextGrid")) <= 255 for name in names)
    assert names[0].startswith("ü" * 100)
    assert names[2] == "short"


def test_a_template_says_where_outputs_go() -> None:
    """Braces in a file's own name are no part of it."""
    template = "{language}/{relpath}/{stem}/transcript.{format}"
    assert names_of("/in/a/{x}.mp3", "/in/b.mp3", template=template) == ["en/a/{x}/transcript", "en/b/transcript"]


def test_doubled_braces_in_a_template_are_braces_in_names() -> None:
    """Through all passes, whatever stands between them."""
    template = "{{x}}{stem}-{{{language}}}.{format}"
    assert names_of("/in/{stem}.mp3", "/in/{b.mp3", template=template) == ["{x}{stem}-{en}", "{x}{b-{en}"]


def test_a_template_without_folders_still_keeps_outputs_apart() -> None:
    """Equal names get their extension, and what that does not part a mark of their own."""
    names = names_of("/in/a/ep.mp3", "/in/b/ep.mp3", "/in/a/ep.wav", template="{stem}.{format}")
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    "template",
    [
        "{stem}",
        "{format}",
        "{name}.{format}",
        "../{stem}.{format}",
        "/x/{stem}.{format}",
        "{stem!r}.{format}",
        ".{relpath}./{stem}.{format}",
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    """Also one that leads out of the output folder, or gives all formats one name."""
    with pytest.raises(ValueError, match=r"it needs|leads out"):
        WriteOptions(output_template=template)


def test_a_manifest_names_outputs() -> None:
    """Others make way."""
    entries = [Entry("/in/a.mp3", FileOverrides(output="b")), Entry("/in/b.mp3"), Entry("/in/b.wav")]
    patterns = output_patterns(WriteOptions(), entries, {"/in/a.mp3": "a.{format}"})
    assert patterns == ["b.{format}", "b.mp3.{format}", "b.wav.{format}"]


def test_no_path_leads_out_of_the_output_folder() -> None:
    """Not from beside a manifest, nor by what a URL escapes."""
    assert names_of("/in/m/a.wav", "/in/m/../other/b.wav") == ["m/a", "other/b"]
    up = "%2e%2e/" * 6
    assert names_of("https://host/1/2/ok.wav", f"https://host/1/2/{up}etc/x.wav") == ["host/1/2/ok", "etc/x"]


def test_of_equal_names_whisperx_keeps_the_last_and_we_keep_all(tmp_path: Path) -> None:
    """Its writer goes by the name alone."""
    names = ["/in/a/ep1.mp3", "/in/b/ep1.mp3", "/in/a/ep1.wav"]
    writer = get_writer("txt", str(tmp_path))
    for name in names:
        writer({"segments": [{"text": name}], "language": "en"}, name, {})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["/in/a/ep1.wav\n"]
    assert len(set(names_of(*names))) == 3
