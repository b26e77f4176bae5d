"""A Ray cluster of several machines on this one, whose machines are added and killed as lines of the input say.

`add CPUS GPUS`, `up`, `kill NODE_ID`, `await NODE_ID` (until it has died, at most two minutes) and `drain NODE_ID` are
each answered by a line of JSON; it ends with the input. With a number as its argument Ray's autoscaler adds and removes
machines, at most so many, each with 2 CPUs and 1 GPU.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from autoscaling import autoscaled
from ray.cluster_utils import Cluster

STORE_BYTES = 100 * 2**20


def main() -> None:
    """Start a head that offers nothing, then do what the lines say."""
    logging.disable()
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints there too
    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    head |= autoscaled(int(sys.argv[1]), STORE_BYTES) if sys.argv[1:] else {}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    nodes = {}

    def say(answer: dict[str, str]) -> None:
        said.write(json.dumps(answer) + "\n")
        said.flush()

    say({"address": cluster.address})
    for line in sys.stdin:
        order, *arguments = line.split()
        if order == "add":
            cpus, gpus = map(int, arguments)
            node = cluster.add_node(num_cpus=cpus, num_gpus=gpus, object_store_memory=STORE_BYTES)
            nodes[node.node_id] = node
            say({"id": node.node_id})
        elif order == "kill":
            (raylet,) = nodes[arguments[0]].all_processes["raylet"]
            os.kill(raylet.process.pid, signal.SIGKILL)
            say({"killed": arguments[0]})
        elif order == "up":
            up = [each["NodeID"] for each in cluster.global_state.node_table() if each["Alive"]]
            say({"ids": " ".join(each for each in up if each != cluster.head_node.node_id)})
        elif order == "await":
            (raylet,) = nodes[arguments[0]].all_processes["raylet"]
            raylet.process.wait(120)
            say({"died": arguments[0]})
        else:
            ray = Path(sys.executable).parent / "ray"
            drain = [ray, "drain-node", "--address", cluster.address, "--node-id", arguments[0]]
            drain += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "test"]
            drain += ["--deadline-remaining-seconds", "3600"]
            subprocess.run(drain, check=True, stdout=sys.stderr)
            say({"drained": arguments[0]})
    added = psutil.Process().children(recursive=True)  # those that the autoscaler has added would stay
    cluster.shutdown()
    for process in added:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    main()
