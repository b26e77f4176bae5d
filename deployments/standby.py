"""Start the process that waits for the next run, in the Ray of RAY_ADDRESS: `python -m deployments.standby`.

A program apart from box.py, which calls it: Ray reads the variables that keep it on 127.0.0.1 when it is imported.
"""

from flows.pools.nodes.standby import start_standby
from flows.services.ray_cluster.session import ray_session

if __name__ == "__main__":
    with ray_session(None, dashboard=False) as session:
        for node in session.nodes:
            start_standby(node)
