"""Draw how busy the cores, or the GPU, were over time: `python benchmarks/plot.py CASE TARGET.png`.

The last round of a case that `bench.py` has run; of each program that it compares, the fastest setting.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

Points = list[tuple[float, float]]


def utilisation(measured: dict[str, Any]) -> Points:
    """Return seconds since the start and per cent: of the GPU where one was seen, else of all cores."""
    if measured["gpu"]:
        return [(float(second), float(use)) for second, (use, _) in enumerate(measured["gpu"])]
    cores = os.cpu_count() or 1
    return [(sample["at_s"], 100 * sample["cores"] / cores) for sample in measured["samples"]]


def main(case: str, target: str) -> None:
    """Draw one panel a program, below one another, on one time axis."""
    runs = json.loads(Path("bench", f"{case}.json").read_text())
    last = [run for run in runs if run["round"] == runs[-1]["round"] and run["corpus"] == runs[-1]["corpus"]]
    fastest: dict[str, dict[str, Any]] = {}
    for run in sorted(last, key=lambda run: run["measured"]["seconds"], reverse=True):
        if run["kind"] != "compute alone":
            fastest[run["kind"]] = run
    figure, panels = plt.subplots(
        len(fastest), sharex=True, sharey=True, figsize=(9, 1.6 * len(fastest)), squeeze=False
    )
    for panel, run in zip(panels[:, 0], reversed(fastest.values()), strict=True):
        seconds, percent = zip(*utilisation(run["measured"]), strict=True)
        panel.fill_between(seconds, percent, step="pre", linewidth=0)
        panel.set_title(f"{run['program']}: {run['measured']['seconds']:.0f} s", loc="left", fontsize=10)
        panel.set_ylim(0, 100)
        panel.set_ylabel("GPU %" if run["measured"]["gpu"] else "cores %")
    panels[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
