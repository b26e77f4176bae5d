"""flows/pools/autoscaler.py: when a pool gets one more actor."""

from flows.pools.autoscaler import MIN_SAVING_S, MIN_SPEEDUP, ROUNDS, WINDOW_S, Autoscaler

SLOTS = 2
PLENTY = 1e9


class Clock:
    """Takes an autoscaler through time, with files of 60 s that come through at a given speed."""

    def __init__(self, actors: int = 1) -> None:
        self.autoscaler = Autoscaler(SLOTS, actors)
        self.now = 100.0

    def due(self, speed: float, *, actors: int = 1, waiting: int = 1, audio_left: float = PLENTY) -> bool:
        """Tell whether an actor is added while files come through for as long as a measurement takes."""
        due = self.autoscaler.should_grow(waiting=0, actors=actors, now=self.now, audio_left=lambda: audio_left)
        for _ in range(ROUNDS * SLOTS * actors + 2):
            due |= self.autoscaler.should_grow(
                waiting=waiting, actors=actors, now=self.now, audio_left=lambda: audio_left
            )
            self.autoscaler.record(60.0)
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
    assert not clock.due(18.0 * MIN_SPEEDUP - 0.5, actors=3)
    assert clock.autoscaler.stopped
    assert not clock.due(100.0, actors=3)


def test_a_pool_on_four_gpus_grows_by_an_actor_on_each() -> None:
    """Each GPU takes a quarter more with a second: one actor for all four would have shown a sixteenth."""
    clock = Clock(actors=4)
    assert clock.due(40.0, actors=4)
    assert not clock.due(42.0, actors=5)
    assert clock.due(50.0, actors=8)
    assert not clock.due(52.0, actors=12)
    assert clock.autoscaler.stopped


def test_the_actor_that_is_being_started_is_waited_for() -> None:
    """Its load keeps a core from the others, who are slower meanwhile."""
    clock = Clock()
    assert clock.due(10.0)
    assert not clock.due(8.0, actors=1)
    assert clock.due(18.0, actors=2)


def test_a_few_files_show_nothing() -> None:
    """Neither a moment with many nor a long time with one."""
    autoscaler = Autoscaler(SLOTS, 1)
    autoscaler.should_grow(waiting=1, actors=1, now=100.0, audio_left=lambda: PLENTY)
    autoscaler.record(60.0)
    assert not autoscaler.should_grow(waiting=1, actors=1, now=100.0 + 9 * WINDOW_S, audio_left=lambda: PLENTY)
    for _ in range(ROUNDS * SLOTS):
        autoscaler.record(60.0)
    assert autoscaler.should_grow(waiting=1, actors=1, now=100.0 + 10 * WINDOW_S, audio_left=lambda: PLENTY)


def test_it_grows_for_what_saves_more_time_than_a_start_takes() -> None:
    """One actor beside another takes half of what is left."""
    clock = Clock()
    assert not clock.due(10.0, audio_left=0.9 * 10.0 * 2 * MIN_SAVING_S)
    assert clock.autoscaler.stopped  # there will not be more
    assert Clock().due(10.0, audio_left=1.1 * 10.0 * 2 * MIN_SAVING_S)
