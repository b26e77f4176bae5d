"""The inputs that the user names: which files they mean, and what is wrong with them, before anything starts."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from flows.report import one_line

AUDIO_EXTENSIONS = frozenset(
    """
    .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .caf .dts .flac .flv .gsm .m2ts .m4a .m4b .m4v .mka .mkv
    .mov .mp2 .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg .ogv .opus .ra .rm .snd .spx .tta .ts .vob .voc .w64 .wav
    .webm .wma .wmv .wv
    """.split()
)
"""What a folder is searched for. A file that is named itself may have any extension."""


class BadInput(ValueError):
    """The inputs as a whole are wrong: nothing is run."""


def find_inputs(inputs: list[str], batch_file: str | None) -> list[Path]:
    """Return the files that are meant, in order and once each: files, folders (searched), globs, a list of paths.

    A file need not exist: that is its own failure. Raises BadInput.
    """
    given = given_paths(inputs, batch_file)
    if not given:
        raise BadInput("no input: name files, folders or globs, or a --batch_file")
    found = [path for each in given for path in _expand(each)]
    if not found:
        raise BadInput(f"no audio or video file in {', '.join(given)}")
    return list(dict.fromkeys(found))


def given_paths(inputs: list[str], batch_file: str | None) -> list[str]:
    """Return what the user names, on the command line and in a batch file. Raises BadInput."""
    return [*inputs, *(_batch_file(batch_file) if batch_file else [])]


def _batch_file(name: str) -> list[str]:
    """Return the paths in a batch file: one a line, or parted by NULs, as `find -print0` writes any name."""
    try:
        content = Path(name).read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise BadInput(f"--batch_file {one_line(name)}: {error.strerror}") from None
    if b"\0" in content:
        return [os.fsdecode(path) for path in content.split(b"\0") if path]
    return [os.fsdecode(line.strip()) for line in content.splitlines() if line.strip()]


def _expand(name: str) -> list[Path]:
    path = Path(os.path.abspath(name))
    if path.is_dir():
        return sorted(_search(path))
    if not os.path.lexists(path) and glob.has_magic(name):
        matches = sorted(Path(os.path.abspath(match)) for match in glob.iglob(name, recursive=True))
        if not matches:
            raise BadInput(f"nothing matches {one_line(name)}")
        return [match for match in matches if not match.is_dir()]
    return [path]


def _search(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise BadInput(f"folder {one_line(str(error.filename))}: {error.strerror}")

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in names:
            if Path(name).suffix.lower() in AUDIO_EXTENSIONS and not name.startswith("."):
                yield Path(parent, name)


def check_output_folder(folder: str) -> None:
    """Make the output folder and see that it can be written to. Raises BadInput."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--output_dir {one_line(folder)}: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"--output_dir {one_line(folder)}: no permission to write there")


def check_report(report: str) -> None:
    """See that a report can be written to this file. Raises BadInput."""
    path = Path(report)
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--report {one_line(report)}: {error.strerror}") from None
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise BadInput(f"--report {one_line(report)}: no file can be written there")


def check_model(option: str, model: str, holds: tuple[str, ...]) -> None:
    """See that a model that is named by a path is there, with at least one of the files that it `holds`.

    Raises BadInput.
    """
    first, *rest = model.split("/")
    looks_like_path = model.startswith(("/", ".", "~")) or len(rest) > 1 or bool(rest and os.path.isdir(first))
    if os.path.isdir(model):
        if not any(os.path.exists(os.path.join(model, name)) for name in holds):
            raise BadInput(f"--{option} {one_line(model)}: no {' or '.join(holds)} in this folder")
    elif looks_like_path and not os.path.isfile(model):
        raise BadInput(f"--{option} {one_line(model)}: no such folder")
