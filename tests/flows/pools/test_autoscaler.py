"""flows/pools/autoscaler.py: when a pool gets one more actor."""

from flows.pools.autoscaler import GAIN, ROUNDS, WINDOW_S, WORTH_S, Growth

SLOTS = 2
PLENTY = 1e9


class Clock:
    """Takes a growth through time, with files of 60 s that come through at a given speed."""

    def __init__(self, actors: int = 1) -> None:
        self.growth = Growth(SLOTS, actors)
        self.now = 100.0

    def due(self, speed: float, *, actors: int = 1, waiting: int = 1, audio_left: float = PLENTY) -> bool:
        """Tell whether an actor is added while files come through for as long as a measurement takes."""
        due = self.growth.due(waiting=0, actors=actors, now=self.now, audio_left=lambda: audio_left)
        for _ in range(ROUNDS * SLOTS * actors + 2):
            due |= self.growth.due(waiting=waiting, actors=actors, now=self.now, audio_left=lambda: audio_left)
            self.growth.through(60.0)
            self.now += 60.0 / speed
        return due


def test_a_pool_that_nothing_waits_for_does_not_grow() -> None:
    """Another one is what the batch waits for."""
    assert not Clock().due(10.0, waiting=0)


def test_a_pool_grows_as_long_as_each_actor_helps() -> None:
    """Then it keeps what it has."""
    clock = Clock()
    assert clock.due(10.0)
    assert clock.due(18.0, actors=2)
    assert not clock.due(18.0 * GAIN - 0.5, actors=3)
    assert clock.growth.settled
    assert not clock.due(100.0, actors=3)


def test_the_actor_that_is_being_started_is_waited_for() -> None:
    """Its load keeps a core from the others, who are slower meanwhile."""
    clock = Clock()
    assert clock.due(10.0)
    assert not clock.due(8.0, actors=1)
    assert clock.due(18.0, actors=2)


def test_a_few_files_show_nothing() -> None:
    """Neither a moment with many nor a long time with one."""
    growth = Growth(SLOTS, 1)
    growth.due(waiting=1, actors=1, now=100.0, audio_left=lambda: PLENTY)
    growth.through(60.0)
    assert not growth.due(waiting=1, actors=1, now=100.0 + 9 * WINDOW_S, audio_left=lambda: PLENTY)
    for _ in range(ROUNDS * SLOTS):
        growth.through(60.0)
    assert growth.due(waiting=1, actors=1, now=100.0 + 10 * WINDOW_S, audio_left=lambda: PLENTY)


def test_it_grows_for_what_saves_more_time_than_a_start_takes() -> None:
    """One actor beside another takes half of what is left."""
    clock = Clock()
    assert not clock.due(10.0, audio_left=0.9 * 10.0 * 2 * WORTH_S)
    assert clock.growth.settled  # there will not be more
    assert Clock().due(10.0, audio_left=1.1 * 10.0 * 2 * WORTH_S)
