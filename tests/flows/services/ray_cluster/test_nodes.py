"""flows/services/ray_cluster/nodes.py: the machines of a cluster, as the driver sees them; deaths: tests/faults."""

import socket
import threading
from dataclasses import replace

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.nodes import alive_nodes, is_gone, sees_server, watch_nodes
from flows.services.ray_cluster.records import draining_nodes

pytestmark = pytest.mark.usefixtures("one_ray")


def test_a_machine_is_known_with_what_it_offers_and_where_it_listens() -> None:
    """Ray's own records say which machines are to leave."""
    (node,) = alive_nodes()
    assert (node.cpus, node.gpus, node.draining) == (2, 1, False)
    assert node.store_bytes > 10**7
    assert not draining_nodes()


def test_a_machine_is_gone_once_it_refuses_connections() -> None:
    """Not while it is silent, nor while it answers."""
    (node,) = alive_nodes()
    assert not is_gone(node)
    with socket.socket() as port:
        port.bind((node.host, 0))
        assert is_gone(replace(node, port=port.getsockname()[1]))
    assert not is_gone(replace(node, host="192.0.2.255"), timeout=0.1)


def test_the_watch_tells_of_machines_once_and_again_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that Ray believes to be alive, and that refuses connections, is left out."""
    (node,) = alive_nodes()
    with socket.socket() as port:
        port.bind((node.host, 0))
        dead = replace(node, id="dead", port=port.getsockname()[1])
        known = [node, dead]
        monkeypatch.setattr("flows.services.ray_cluster.nodes.alive_nodes", lambda: list(known))
        monkeypatch.setattr("flows.services.ray_cluster.nodes.CHECK_EVERY_S", 0.05)
        ended, told, changed = threading.Event(), [], threading.Event()

        def change(nodes: list[Node]) -> None:
            told.append(nodes)
            changed.set()

        thread = watch_nodes(ended, change)
        assert changed.wait(10)
        changed.clear()
        assert not changed.wait(0.5)
        known[0] = replace(node, draining=True)
        assert changed.wait(10)
        ended.set()
        thread.join()
    assert told == [[node], [replace(node, draining=True)]]


def test_another_machine_does_not_see_a_server_on_127_0_0_1() -> None:
    """It must not get files, whose task runs could not begin there."""
    (node,) = alive_nodes()
    elsewhere = replace(node, host="192.0.2.1")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        assert sees_server(node)
        assert not sees_server(elsewhere)
    with temporary_settings({PREFECT_API_URL: "http://prefect:4200/api"}):
        assert sees_server(elsewhere)
