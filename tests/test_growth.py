"""flows/growth.py: when a pool gets one more actor."""

from flows.growth import GAIN, ROUNDS, WINDOW_S, WORTH_S, Growth

SLOTS = 2
PLENTY = 1e9


class Clock:
    """Takes a growth through time, with files of 60 s that come through at a given speed."""

    def __init__(self, actors: int = 1) -> None:
        self.growth = Growth(SLOTS, actors)
        self.now = 100.0

    def change(self, speed: float, *, actors: int = 1, waiting: int = 1, audio_left: float = PLENTY) -> int:
        """Return how many actors are added while files come through for as long as a measurement takes."""
        change = self.growth.change(waiting=0, actors=actors, now=self.now, audio_left=lambda: audio_left)
        for _ in range(ROUNDS * SLOTS * actors + 2):
            change += self.growth.change(waiting=waiting, actors=actors, now=self.now, audio_left=lambda: audio_left)
            self.growth.through(60.0)
            self.now += 60.0 / speed
        return change


def test_a_pool_that_nothing_waits_for_does_not_grow() -> None:
    """Another one is what the batch waits for."""
    assert Clock().change(10.0, waiting=0) == 0


def test_a_pool_grows_as_long_as_each_actor_helps() -> None:
    """Then it keeps what it has."""
    clock = Clock()
    assert clock.change(10.0) == 1
    assert clock.change(18.0, actors=2) == 1
    assert clock.change(18.0 * GAIN - 0.5, actors=3) == 0
    assert clock.growth.settled
    assert clock.change(100.0, actors=3) == 0


def test_an_actor_that_makes_its_pool_slower_is_taken_away() -> None:
    """No other is tried after it."""
    clock = Clock()
    assert clock.change(10.0) == 1
    assert clock.change(9.0, actors=2) == -1
    assert clock.change(100.0) == 0


def test_the_actor_that_is_being_started_is_waited_for() -> None:
    """Its load keeps a core from the others, who are slower meanwhile."""
    clock = Clock()
    assert clock.change(10.0) == 1
    assert clock.change(8.0, actors=1) == 0
    assert clock.change(18.0, actors=2) == 1


def test_a_few_files_show_nothing() -> None:
    """Neither a moment with many nor a long time with one."""
    growth = Growth(SLOTS, 1)
    growth.change(waiting=1, actors=1, now=100.0, audio_left=lambda: PLENTY)
    growth.through(60.0)
    assert not growth.change(waiting=1, actors=1, now=100.0 + 9 * WINDOW_S, audio_left=lambda: PLENTY)
    for _ in range(ROUNDS * SLOTS):
        growth.through(60.0)
    assert growth.change(waiting=1, actors=1, now=100.0 + 10 * WINDOW_S, audio_left=lambda: PLENTY)


def test_it_grows_for_what_saves_more_time_than_a_start_takes() -> None:
    """One actor beside another takes half of what is left."""
    assert Clock().change(10.0, audio_left=0.9 * 10.0 * 2 * WORTH_S) == 0
    assert Clock().change(10.0, audio_left=1.1 * 10.0 * 2 * WORTH_S) == 1
