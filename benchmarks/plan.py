"""Measure what it takes to plan a large manifest: seconds and memory, without the looks at the files themselves.

    python benchmarks/plan.py [LINES]

Three kinds of manifest: paths alone, a language for each file, a prompt of its own for each file.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LINES = 100_000


def write_manifest(path: Path, kind: str, lines: int) -> None:
    """Write a manifest of files that need not exist."""
    with path.open("w") as manifest:
        for i in range(lines):
            row = {"path": f"/archive/interviews/{i // 1000:03}/recording-{i:06}.mp3"}
            if kind != "paths":
                row["language"] = ("en", "de", "fr")[i % 3]
            if kind == "prompts":
                row["initial_prompt"] = f"Interview {i} with somebody"
            manifest.write(json.dumps(row) + "\n")


def measure(kind: str, lines: int) -> None:
    """Plan in this process, and print the seconds and the memory of each step."""
    from flows.config.parameters import Batch
    from flows.planning.plan import Plan
    from flows.planning.selection import checked_entries
    from flows.state.folder import OutputFolder

    def told(step: str, began: float) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{kind}: {step} {time.monotonic() - began:.1f} s, {used} MB", flush=True)
        return time.monotonic()

    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "manifest.jsonl")
        write_manifest(manifest, kind, lines)
        batch = Batch.model_validate(
            {
                "inputs": {"manifest": str(manifest)},
                "transcribe": {"model": "tiny"},
                "write": {"output_dir": f"{folder}/out"},
            }
        )
        OutputFolder.of(batch).state_dir.mkdir(parents=True)
        began = told("imports", time.monotonic())
        entries = checked_entries(batch)
        began = told("manifest read and checked", began)
        plan = Plan(batch, entries, OutputFolder.of(batch).ledger())
        began = told("plan", began)
        plan.begin()
        told("ledger written", began)


def main(lines: int) -> None:
    """Measure each kind in a process of its own."""
    for kind in ("paths", "languages", "prompts"):
        subprocess.run([sys.executable, __file__, str(lines), kind], check=True)


if __name__ == "__main__":
    given = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    if len(sys.argv) > 2:  # noqa: PLR2004
        measure(sys.argv[2], given)
    else:
        main(given)
