"""Which known people the speakers of a file are, by the cosines of their voices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from tasks.diarization.voices import Voice
from tasks.people.known import PeopleFolder, Person
from tasks.people.limits import LIMITS, SURE_S, Limits

Vectors = npt.NDArray[np.float32]


class Match(TypedDict):
    """Who a speaker of a file is, in report, ledger and the format `quality`.

    `name` is the person's name, or the id of one who has none; it ends with ? and is in no other output if it is not
    `sure`. `margin` is how much less alike the next other person is; None if nobody else can be compared.
    """

    label: str
    person: str
    name: str
    sure: bool
    similarity: float
    margin: float | None


class Candidate(NamedTuple):
    """A person whom a speaker may be."""

    similarity: float
    label: str
    person: Person
    sure: bool
    margin: float | None


def comparable(voice: Voice) -> tuple[str, str]:
    """Return what two voices must have in common to be compared: the model, and the bandwidth of the sound."""
    return voice.model, voice.bandwidth


def unit_vectors(voices: Iterable[Voice]) -> Vectors:
    """Return the embeddings, each scaled to length 1, shape (voices, dimension)."""
    vectors = np.stack([voice.vector() for voice in voices])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def limits_of(voice: Voice, given: Limits | None) -> Limits:
    """Return the limits for a voice: those given, or those of its model; for an unknown one, nothing reaches them."""
    return given or LIMITS.get(voice.model, Limits(np.inf, np.inf))


@dataclass(frozen=True)
class Comparison:
    """Voices that can be compared, those of each person together; `seconds` is the most speech behind one of them."""

    people: list[Person]
    seconds: list[float]
    vectors: Vectors
    starts: list[int]

    def least_alike(self, voice: Voice) -> npt.NDArray[np.float32]:
        """Return the cosine with the least like voice of each person (complete linkage), shape (people,)."""
        [vector] = unit_vectors([voice])
        return np.asarray(np.minimum.reduceat(self.vectors @ vector, self.starts), np.float32)


def comparisons(people: list[Person]) -> dict[tuple[str, str], Comparison]:
    """Return the people's voices by what makes them comparable."""
    found = {}
    for kind in {comparable(each.voice) for person in people for each in person.voices}:
        of_kind = [(p, [each.voice for each in p.voices if comparable(each.voice) == kind]) for p in people]
        of_kind = [(person, voices) for person, voices in of_kind if voices]
        found[kind] = Comparison(
            [person for person, _ in of_kind],
            [max(voice.seconds for voice in voices) for _, voices in of_kind],
            unit_vectors(voice for _, voices in of_kind for voice in voices),
            [0, *np.cumsum([len(voices) for _, voices in of_kind])[:-1].tolist()],
        )
    return found


class Matcher:
    """Finds known people among the speakers of files."""

    def __init__(self, people: list[Person], limits: Limits | None) -> None:
        """Limits that are None are those of the voices' embedding model."""
        self._limits = limits
        self._comparisons = comparisons(people)
        self._owner = {each.voice.embedding: person for person in people for each in person.voices}

    def knows_only_others(self, voices: Mapping[str, Voice]) -> bool:
        """Return whether there are voices here and there, but none of the same model."""
        models = {model for model, _ in self._comparisons}
        return bool(models and voices) and models.isdisjoint(voice.model for voice in voices.values())

    def matches(self, voices: Mapping[str, Voice]) -> list[Match]:
        """Return who the speakers of a file are, as far as they are like somebody. No person is two of its speakers.

        Where its channels or tracks were diarized that holds for each of them: they may hear each other's speakers. A
        speaker whose very voice is among those of a person is that person, whatever the limits.
        """
        candidates = [each for label, voice in voices.items() for each in self._candidates(label, voice)]
        chosen: dict[str, Candidate] = {}
        taken: set[tuple[str, str]] = set()
        for each in sorted(candidates, key=lambda each: -each.similarity):
            part = each.label.rpartition(" ")[0]  # as tasks/channels/speakers.py has it; else empty
            if each.label not in chosen and (part, each.person.id) not in taken:
                chosen[each.label] = each
                taken.add((part, each.person.id))
        return [_match(chosen[label]) for label in voices if label in chosen]

    def _candidates(self, label: str, voice: Voice) -> Iterable[Candidate]:
        owner, known = self._owner.get(voice.embedding), self._comparisons.get(comparable(voice))
        if known is None:
            return
        alike, limits = known.least_alike(voice), limits_of(voice, self._limits)
        if owner:
            alike[known.people.index(owner)] = 1.0
        for i in np.flatnonzero(alike >= min(limits.suggested, 1.0)):
            person = known.people[i]
            enough = min(voice.seconds, known.seconds[i]) >= SURE_S and alike[i] >= limits.named
            others = [alike[j] for j in np.argsort(-alike)[:_MOST_ALIKE] if known.people[j].shown != person.shown]
            margin = float(alike[i] - others[0]) if others else None
            yield Candidate(float(alike[i]), label, person, person is owner or bool(enough), margin)


_MOST_ALIKE = 100
"""Among so many there is somebody else, unless so many ids have one name."""


def _match(chosen: Candidate) -> Match:
    return Match(
        label=chosen.label,
        person=chosen.person.id,
        name=chosen.person.shown + "?" * (not chosen.sure),
        sure=chosen.sure,
        similarity=round(chosen.similarity, 3),
        margin=None if chosen.margin is None else round(chosen.margin, 3),
    )


@lru_cache(maxsize=2)
def matcher_of(folder: PeopleFolder, limits: Limits | None) -> Matcher:
    """Return the matcher with the people of a folder; the same object while that stays as it is."""
    return Matcher(folder.read(), limits)
