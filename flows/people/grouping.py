"""Which voices are of one person: agglomerative clustering with complete linkage, which keeps earlier groups."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from tasks.people.known import KnownVoice, Person
from tasks.people.limits import SURE_S, Limits
from tasks.people.matching import Comparison, comparable, comparisons, limits_of, unit_vectors

AT_A_TIME = 1000
"""New voices: time and memory grow with the square of this, and with the number of known voices."""
FAR = 4.0
"""The distance of voices that are never of one person; that of two vectors is 1 - cosine, at most 2."""

Matrix = npt.NDArray[np.float64]


def grouped(people: list[Person], found: list[KnownVoice], limits: Limits | None, ids: Iterator[str]) -> list[Person]:
    """Return the people with the voices that were found: those who are there keep their ids and voices.

    New people get the next of `ids`. A new voice joins a person, or other new ones, if it is like all of the group's
    voices: above the upper limit, of 10 s of speech or more, of the same bandwidth, and of no recording in which the
    group has a voice already. Voices that a recording has no more, since it was diarized anew, are dropped at the end.
    """
    people = [Person(person.id, person.name, list(person.voices)) for person in people]
    current = {each.voice.embedding: each for each in found}
    known = {each.voice.embedding for person in people for each in person.voices}
    new = [each for each in found if each.voice.embedding not in known]
    for kind in sorted({comparable(each.voice) for each in new}):
        of_kind = [each for each in new if comparable(each.voice) == kind]
        for first in range(0, len(of_kind), AT_A_TIME):
            _join(people, of_kind[first : first + AT_A_TIME], limits, current.keys(), ids)
    sources = {each.source for each in found}
    for person in people:
        person.voices = [
            current.get(each.voice.embedding, each)
            for each in person.voices
            if each.voice.embedding in current or each.source not in sources
        ]
    return [person for person in people if person.voices]


def _join(
    people: list[Person], new: list[KnownVoice], limits: Limits | None, current: Iterable[str], ids: Iterator[str]
) -> None:
    """Add voices, all comparable, to the people that they are of, and to new people."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    furthest = 1.0 - limits_of(new[0].voice, limits).named
    near, distances = _distances(new, comparisons(people).get(comparable(new[0].voice)), furthest, set(current))
    clusters = list(range(len(distances)))
    if len(distances) > 1:
        tree = linkage(squareform(distances, checks=False), "complete")
        clusters = fcluster(tree, furthest, "distance").tolist()
    person_of = {clusters[len(new) + i]: person for i, person in enumerate(near)}
    for voice, cluster in zip(new, clusters, strict=False):
        if cluster not in person_of:
            person_of[cluster] = Person(next(ids))
            people.append(person_of[cluster])
        person_of[cluster].voices.append(voice)


def _distances(
    new: list[KnownVoice], known: Comparison | None, furthest: float, current: set[str]
) -> tuple[list[Person], Matrix]:
    """Return the people within reach of a new voice, and the distances among these voices and then these people."""
    vectors = unit_vectors(each.voice for each in new)
    among = 1.0 - vectors @ vectors.T
    sources = np.array([each.source for each in new])
    among[sources[:, None] == sources] = FAR
    near: list[Person] = []
    to_people = np.empty((len(new), 0))
    if known:
        to_people = 1.0 - np.minimum.reduceat(vectors @ known.vectors.T, known.starts, axis=1)
        to_people[:, np.array(known.seconds) < SURE_S] = FAR
        within = np.flatnonzero((to_people <= furthest).any(axis=0))
        near, to_people = [known.people[i] for i in within], to_people[:, within]
        for i, person in enumerate(near):
            heard_in = {each.source for each in person.voices if each.voice.embedding in current}
            to_people[np.isin(sources, list(heard_in)), i] = FAR
    size = len(new) + len(near)
    distances = np.full((size, size), FAR)
    distances[: len(new), : len(new)] = among
    distances[: len(new), len(new) :] = to_people
    distances[len(new) :, : len(new)] = to_people.T
    short = np.array([each.voice.seconds < SURE_S for each in new] + [False] * len(near))
    distances[short], distances[:, short] = FAR, FAR
    np.fill_diagonal(distances, 0.0)
    return near, distances


def suggestions(people: list[Person], limits: Limits | None) -> dict[str, str]:
    """Return, by id, another person whom somebody may be, by the longest voice of each: the most alike."""
    found: dict[str, tuple[float, str]] = {}
    for kind, known in comparisons(people).items():
        for person in known.people:
            voice = max((v.voice for v in person.voices if comparable(v.voice) == kind), key=lambda v: v.seconds)
            alike = known.least_alike(voice)
            alike[[j for j, other in enumerate(known.people) if other.shown == person.shown]] = -1
            best = int(alike.argmax())
            if alike[best] >= limits_of(voice, limits).suggested and alike[best] > found.get(person.id, (0.0, ""))[0]:
                found[person.id] = float(alike[best]), known.people[best].shown
    return {person: shown for person, (_, shown) in found.items()}
