"""tasks/models/cache.py: models load once, and no more threads compute than the process may fill."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect.filesystems import RemoteFileSystem

from tasks.models.cache import cached_model, forget_calls, load_counts
from tasks.models.compute_limits import compute_limits
from tasks.models.instances import InstancePool
from tasks.models.options import ModelOptions
from tasks.storage.filesystems import _filesystem, forget_filesystems
from tasks.storage.results import releases


@pytest.fixture(name="two_threads", autouse=True)
def _two_threads() -> None:
    compute_limits.configure(parallel=2, threads=1)


def test_threads_that_ask_at_once_load_a_model_once() -> None:
    """The others wait for it."""

    @cached_model("test")
    def load(name: str) -> object:
        time.sleep(0.05)
        return object()

    before = load_counts["test"]
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(load, ["a"] * 8))
    assert len(set(map(id, models))) == 1
    assert load("b") is not models[0]
    assert load_counts["test"] - before == 2


def test_of_many_models_the_last_used_are_kept() -> None:
    """Those that are there are had at once, also while another is loading."""
    loading, go_on = threading.Event(), threading.Event()

    @cached_model("test", most=2)
    def load(name: str) -> object:
        if name == "slow":
            loading.set()
            assert go_on.wait(10)
        return object()

    a, b = load("a"), load("b")
    assert load("a") is a
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(load, "slow")
        assert loading.wait(10)
        assert load("a") is a
        go_on.set()
        assert load("slow") is slow.result()
    assert load("a") is a
    assert load("b") is not b


def test_a_load_that_failed_is_tried_again() -> None:
    """The next file finds the network back."""
    tries = []

    @cached_model("test")
    def load() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no network")
        return 7

    with pytest.raises(OSError, match="no network"):
        load()
    assert load() == 7


def test_no_more_instances_are_lent_than_threads_compute() -> None:
    """Eight threads, two at a time, each alone with its instance."""
    made, at_once, most = [], 0, 0
    lock = threading.Lock()
    instances = InstancePool(lambda: made.append(threading.Lock()) or made[-1])

    def use(_: int) -> None:
        nonlocal at_once, most
        with instances.acquire() as instance:
            assert instance.acquire(blocking=False)
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.02)
            with lock:
                at_once -= 1
            instance.release()

    instances.fill()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert most == 2
    assert len(made) == 2


def test_an_instance_comes_back_after_a_failure() -> None:
    """A bad file does not use up a model."""
    instances = InstancePool(object)
    for _ in range(5):
        with pytest.raises(ValueError, match="bad"), instances.acquire():
            raise ValueError("bad")
    with instances.acquire(), instances.acquire():
        pass


def test_offline_implies_the_cache_alone() -> None:
    """Also where a form says otherwise."""
    assert ModelOptions(offline=True, model_cache_only=False).model_cache_only
    assert not ModelOptions().model_cache_only


def test_what_the_calls_of_a_run_have_cached_is_forgotten_and_models_are_not() -> None:
    """A file system has the credentials of its run; whatever a module caches later is forgotten by itself."""
    held = cached_model("held")(lambda: object())  # noqa: PLW0108
    model = held()
    earlier, of_prefect = _filesystem("memory://"), RemoteFileSystem(basepath="memory://results").filesystem
    releases("torch")
    forget_calls()
    forget_filesystems()
    assert _filesystem("memory://") is not earlier  # nor one that fsspec has kept
    assert RemoteFileSystem(basepath="memory://results").filesystem is not of_prefect
    assert releases.cache_info().currsize == 0
    assert held() is model
