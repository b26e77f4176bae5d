"""A folder of models and its `models.json`: which models, pinned to which revision, with the digest of each file."""

import os
import re
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import AfterValidator, BaseModel, ValidationError

from tasks.errors import InvalidInput, one_line
from tasks.models.sources import Bundle, Repository, Source
from tasks.storage.atomic import atomic_write, sha256_of

RECORD = "models.json"


class ModelFile(BaseModel):
    """A file as it was when it was fetched."""

    size: int
    sha256: str


def _in_the_folder(name: str) -> str:
    if os.path.isabs(name) or ".." in name.split("/"):
        raise ValueError("it leads out of the folder")
    return name


class Pinned(BaseModel):
    """A model: its revision (torchaudio's have none), and its files by their paths in the folder.

    The revision is the commit of a repository, and names the folder of the files.
    """

    revision: str | None
    files: dict[Annotated[str, AfterValidator(_in_the_folder)], ModelFile]

    def size(self) -> int:
        """Return its bytes."""
        return sum(file.size for file in self.files.values())


class Record(BaseModel):
    """What a folder of models holds: `models` by their names, and the languages that have an aligner among them."""

    languages: list[str] = []
    models: dict[str, Pinned] = {}


def read_record(model_dir: str | None) -> Record:
    """Return what was fetched into this folder; nothing, if nothing was. Raises InvalidInput."""
    try:
        return Record.model_validate_json(Path(model_dir or "", RECORD).read_bytes()) if model_dir else Record()
    except FileNotFoundError:
        return Record()
    except (OSError, ValidationError) as error:
        raise InvalidInput(f"--model_dir {one_line(model_dir or '')}: {RECORD} cannot be read: {error}") from None


def write_record(model_dir: str, record: Record) -> None:
    """Write the record, in one step."""
    with atomic_write(Path(model_dir, RECORD)) as file:
        file.write(record.model_dump_json(indent=1) + "\n")


def add_to_record(model_dir: str, name: str, pinned: Pinned, language: str | None) -> None:
    """Add a model, and the language that it is the aligner of, to what the record holds by now. Raises InvalidInput."""
    with FileLock(Path(model_dir, f".{RECORD}.lock")):  # other processes fetch into the same folder
        record = read_record(model_dir)
        record.models[name] = pinned
        record.languages = sorted({*record.languages, *filter(None, [language])})
        write_record(model_dir, record)


def missing(source: Source, model_dir: str | None, record: Record) -> list[str]:
    """Return descriptions of what a model lacks to be loaded from this folder; compares only names and sizes."""
    lacks = source.missing(model_dir)
    pinned = record.models.get(key(source))
    if lacks or pinned is None or model_dir is None:
        return lacks
    if not isinstance(source, Bundle) and (folder := source.folder(model_dir)) and folder.name != pinned.revision:
        return [f"revision {pinned.revision}, which {RECORD} names; {folder.name} is in use"]
    return [name for name, file in pinned.files.items() if _size(Path(model_dir, name)) != file.size]


def damaged(pinned: Pinned, model_dir: str) -> list[str]:
    """Return the files of a model that are not what was fetched; reads them all."""
    return [
        name
        for name, file in pinned.files.items()
        if _size(Path(model_dir, name)) != file.size or sha256_of(Path(model_dir, name)) != file.sha256
    ]


def key(source: Source) -> str:
    """Return the name of a model in the record."""
    return f"{source.name}@{source.revision}" if isinstance(source, Repository) and source.revision else source.name


def pin(source: Source, model_dir: str) -> Pinned:
    """Return the record of a model that is here, and read all of it. Raises OSError if the Hub's digest differs."""
    folder = None if isinstance(source, Bundle) else source.folder(model_dir)
    paths = [source.file(model_dir)] if isinstance(source, Bundle) else sorted((folder or Path()).rglob("*"))
    files = {}
    for path in filter(Path.is_file, paths):
        sha256, blob = sha256_of(path), path.resolve().name
        if re.fullmatch("[0-9a-f]{64}", blob) and blob != sha256:
            raise OSError(f"{path} is damaged: remove it")
        files[str(path.relative_to(model_dir))] = ModelFile(size=path.stat().st_size, sha256=sha256)
    return Pinned(revision=folder.name if folder else None, files=files)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
