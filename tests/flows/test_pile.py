"""A pile as people have it: files of six languages in one batch, with a manifest that knows something of a few."""

import json
from pathlib import Path

import pytest
from conftest import SAMPLES
from runs import run_batch

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

CLIPS = ("en/hello_world", "ja/konnichiwa_sekai", "es/pangrama", "zh/pangrama", "fr/bonjour_monde", "ja/pangrama")


def test_a_pile_of_languages_is_done_in_one_batch(base: str, small_models: Path, tmp_path: Path) -> None:
    """Each file in its own language, with an aligner for each that is loaded once, and in its own folder.

    The manifest says that one file is German, which has no aligner here: Whisper times its words, and the report and a
    later run know that something better was wanted.
    """
    rows = [{"path": str(SAMPLES / f"{clip}.wav")} for clip in CLIPS]
    rows += [{"path": str(SAMPLES / "en" / "quick_brown_fox.wav"), "language": "German", "output": "fox"}]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    named = ",".join(f"{language}={small_models}/align-{language}" for language in ("es", "fr", "ja", "zh"))
    out = tmp_path / "out"
    options = {
        "transcribe": {"model": base, "compute_type": "int8"},
        "align": {"align_model": f"en={small_models}/align-tiny,{named}"},
        "models": {"device": "cpu", "model_cache_only": True},
        "write": {"output_dir": str(out), "output_format": "srt,json", "output_template": "{language}/{stem}.{format}"},
    }
    done = run_batch(tmp_path / "none", out, **options, inputs={"manifest": str(tmp_path / "manifest.jsonl")})
    files = done.report["files"]
    assert done.state.message == "7 files: 7 done", done.report
    languages = [each["language"] for each in files]
    assert languages == [clip[:2] for clip in CLIPS] + ["de"]
    timed = [Path(each["aligned_by"]).name for each in files]
    assert timed == ["align-tiny", *(f"align-{clip[:2]}" for clip in CLIPS[1:]), "whisper"]
    assert done.report["summary"]["model_loads"] == {"transcribe": 1, "align": 5}
    assert (out / "de" / "fox.json").is_file()
    assert all(Path(output).parent.name == each["language"] for each in files for output in each["outputs"])
    assert " " not in "".join((out / "ja" / "konnichiwa_sekai.srt").read_text().splitlines()[2:3])
    kept = {path.name for path in (out / ".whisperx-batch" / "results" / "align").rglob("*") if path.is_file()}
    assert len(kept) == 6
