"""Fuzz target: whatever is in a manifest, `read_manifest` returns its entries or raises InvalidInput."""

import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
from fuzzing import fuzz

with atheris.instrument_imports(include=["flows"]):
    errors, manifest = map(import_module, ("tasks.errors", "flows.planning.manifest"))

FOLDER = Path(tempfile.mkdtemp())

SEEDS = {
    "table.csv": b'path,language,num_speakers\na.wav,en,2\n"b,c.wav",de,\n',
    "table.tsv": "path\tlanguage\nü.wav\tfr\n".encode(),
    "semicolons.csv": b'\xef\xbb\xbfpath;hotwords\r\na.wav;"x; ""y"""\r\n',
    "lines.jsonl": b'{"path": "a.wav", "language": "en", "num_speakers": 2}\n{"path": "b.wav"}\n',
    "list.json": b'[{"path": "a.wav", "options": {"a": [1, 2.5, null, true]}}, {"path": "b.wav"}]',
    "wide.csv": "path,language\na.wav,en\n".encode("utf-16"),
}


def target(content: bytes) -> None:
    """Read it under each extension that it may have."""
    for extension in ("csv", "tsv", "jsonl", "json"):
        path = FOLDER / f"manifest.{extension}"
        path.write_bytes(content)
        with suppress(errors.InvalidInput):
            manifest.read_manifest(str(path))


if __name__ == "__main__":
    fuzz("manifests", target, SEEDS)
