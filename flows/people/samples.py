"""Samples of people's voices in a folder: which there are, and the voices that the diarization's own model makes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from flows.config.parameters import Batch
from flows.host.private_folder import in_empty_folder
from flows.people.registry import next_ids, one_at_a_time, write_private
from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE
from tasks.diarization.voices import MIN_S, Voice
from tasks.diarize import DiarizeOptions, diarize_samples
from tasks.errors import FileFault, InvalidInput, describe, one_line, one_name
from tasks.models.options import ModelOptions, decline_statistics
from tasks.people.known import TABLE, VOICES, KnownVoice, Person, read_people, table_of, voices_json
from tasks.people.limits import check_limits
from tasks.storage.io import digest_of
from tasks.storage.results import options_digest
from tasks.storage.urls import is_url

VOICE_STAGES = frozenset({"diarize"})
"""The stages whose models make voices."""
CheckModels = Callable[[Batch, frozenset[str]], object]
"""Raises InvalidInput if a model of these stages is not available."""


@dataclass(frozen=True)
class Sample:
    """A recording, or a part of it in seconds, in which a person speaks and nobody else."""

    name: str
    file: str
    start: float = 0.0
    end: float | None = None

    def key(self, model: str) -> str:
        """Return what stands for its content and the model. Raises OSError."""
        return f"{digest_of(self.file)}-{self.start:g}-{self.end or 0:g}-{model}"


def samples_in(folder: Path, known: set[str]) -> list[Sample]:
    """Return the samples in a folder: of `NAME.flac`, `NAME/*`, and the rows of `speakers.csv` with a name.

    Rows with an id that is `known` are of people whose voices are stored. Raises InvalidInput, OSError.
    """
    found = list(_in_table(folder, known))
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix in (".csv", ".json", ".html"):
            continue
        files = sorted(each for each in path.iterdir() if each.name[0] != ".") if path.is_dir() else [path]
        found += [Sample(one_name(path.name if path.is_dir() else path.stem), str(file)) for file in files]
    return found


def _in_table(folder: Path, known: set[str]) -> Iterator[Sample]:
    for line, row in enumerate(table_of(str(folder)), start=2):
        if not row["name"] or row["id"] in known:
            continue
        if not row["file"]:
            raise InvalidInput(f"{folder / TABLE}, line {line}: {row['name']} has no file")
        try:
            start, end = float(row["start"] or 0), float(row["end"]) if row["end"] else None
        except ValueError:
            raise InvalidInput(f"{folder / TABLE}, line {line}: start and end are seconds, such as 12.5") from None
        file = row["file"] if is_url(row["file"]) else os.path.join(folder, row["file"])
        yield Sample(row["name"], file, start, end)


def new_samples(batch: Batch) -> list[Sample]:
    """Return the samples of known people whose voices are yet to be made. Raises InvalidInput, OSError."""
    if batch.people.speakers is None or batch.diarize is None:
        return []
    people = read_people(batch.people.speakers)
    samples = _by_key(batch.people.speakers, people, _of_one_speaker(batch.diarize), batch.models)
    return list(_unknown(samples, people).values())


def enrol(batch: Batch, check_models: CheckModels) -> None:
    """Make the voices of samples that are new in the folder of known people, and forget those of removed ones.

    Only this loads a model, in a process of its own that then ends; `check_models` is called before, to refuse one
    that is not available. Raises InvalidInput, OSError.
    """
    if batch.people.speakers is not None and batch.diarize is not None:
        with one_at_a_time(batch.people.speakers):
            _enrol(batch, batch.people.speakers, _of_one_speaker(batch.diarize), check_models)


def _of_one_speaker(options: DiarizeOptions) -> DiarizeOptions:
    return DiarizeOptions(diarize_model=options.diarize_model, num_speakers=1)


def _by_key(folder: str, people: list[Person], alone: DiarizeOptions, models: ModelOptions) -> dict[str, Sample]:
    samples = samples_in(Path(folder), {person.id for person in people})
    model = options_digest("voice", alone.cache_inputs(models)) if samples else ""
    return {sample.key(model): sample for sample in samples}


def _unknown(samples: dict[str, Sample], people: list[Person]) -> dict[str, Sample]:
    known = {each.source for person in people for each in person.voices}
    return {key: sample for key, sample in samples.items() if key not in known}


def _enrol(batch: Batch, folder: str, alone: DiarizeOptions, check_models: CheckModels) -> None:
    people = read_people(folder)
    keys = _by_key(folder, people, alone, batch.models)
    new = _unknown(keys, people)
    if new:
        check_models(batch, VOICE_STAGES)
    made = _made(list(new.values()), alone, batch.models)
    voices = [KnownVoice(voice, sample.file, key) for (key, sample), voice in zip(new.items(), made, strict=True)]
    names = {key: sample.name for key, sample in keys.items()}
    changed = _with_samples(people, names, voices, folder)
    if changed != people:
        write_private(folder, {VOICES: voices_json(changed)})
    try:
        check_limits((each.voice.model for person in changed for each in person.voices), batch.people.limits())
    except InvalidInput as error:
        raise InvalidInput(f"--speakers {one_line(folder)}: {error}") from None


def _with_samples(people: list[Person], names: dict[str, str], new: list[KnownVoice], folder: str) -> list[Person]:
    """Return the people with these samples, whose names are given by their keys, and no others.

    A person keeps a name that the table gives, and otherwise has that of the samples. People with a new name get ids.
    """
    in_table = {row["id"] for row in table_of(folder)}
    changed = []
    for person in people:
        kept = [each for each in person.voices if each.speaker or each.source in names]
        of_samples = [names[each.source] for each in kept if not each.speaker]
        name = of_samples[0] if of_samples and person.id not in in_table else person.name
        if kept:
            changed.append(Person(person.id, name, kept))
    ids = next_ids(people, folder)
    for voice in new:
        owner = next((person for person in changed if person.name == names[voice.source]), None)
        if owner is None:
            changed.append(owner := Person(next(ids), names[voice.source]))
        owner.voices.append(voice)
    return changed


def _made(samples: list[Sample], options: DiarizeOptions, models: ModelOptions) -> list[Voice]:
    if not samples:
        return []
    # Its Python imports from the current folder, and PyTorch's memory is freed when it ends.
    with in_empty_folder(), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            made = process.submit(_voices, samples, options, models).result()
        except Exception as error:
            raise InvalidInput(f"--speakers: the samples' voices cannot be made: {describe(error)}") from None
    wrong = [voice for voice in made if isinstance(voice, str)]
    if wrong:
        raise InvalidInput("\n".join(wrong))
    return [voice for voice in made if isinstance(voice, Voice)]


def _voices(samples: list[Sample], options: DiarizeOptions, models: ModelOptions) -> list[Voice | str]:
    """Return the voice of each sample, or what is wrong with it. Runs in a process of its own, on the CPU."""
    decline_statistics()
    cpu = models.model_copy(update={"device": "cpu"})
    return [_voice(sample, options, cpu) for sample in samples]


def _voice(sample: Sample, options: DiarizeOptions, models: ModelOptions) -> Voice | str:
    try:
        samples = decode(sample.file)
    except (FileFault, OSError) as error:
        return f"--speakers: {one_line(sample.file)}: {error}"
    end = None if sample.end is None else round(sample.end * SAMPLE_RATE)
    found = diarize_samples(samples[round(sample.start * SAMPLE_RATE) : end], options, models).voices
    if not found:
        return f"--speakers: {one_line(sample.file)}: less than {MIN_S:g} s of speech: a longer sample is needed"
    return next(iter(found.values()))
