"""Pages in real runs: of an old output folder, in shards, read and heard in a real browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from browser import chromium, opened, wait_until
from conftest import COMMAND, SAMPLES, TWO_SPEAKERS
from runs import run_batch, transcribing

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")


def test_an_old_folder_gets_pages_without_a_model(tiny_en: str, tmp_path: Path) -> None:
    """And an index, from which a doubt is heard; a command with nothing left to do writes it again."""
    files, out = tmp_path / "files", tmp_path / "out"
    (files / "a b").mkdir(parents=True)
    shutil.copy(TWO_SPEAKERS, files / "a b" / "100% #1?.wav")
    shutil.copy(SAMPLES / "pl" / "liczenie.wav", files / "polish.wav")
    (files / "broken.wav").write_bytes(b"RIFF")
    options = {
        "transcribe": transcribing(tiny_en),
        "align": {"align_model": "whisper"},
        "models": {"device": "cpu"},
    }
    before = run_batch(files, out, **options, write={"output_dir": str(out), "output_format": "json"})
    assert before.report["index"] is None
    assert not (out / "index.html").exists()
    pages = {"write": {"output_dir": str(out), "output_format": "html"}, "run": {"shard_size": 1}}
    after = run_batch(files, out, **options, **pages)
    assert after.report["summary"]["model_loads"] == {}
    assert {stage for each in after.report["files"] for stage in each["timings_s"]} == {"write"}
    assert after.report["index"] == str(out / "index.html")
    (out / "index.html").unlink()
    again = [COMMAND, str(files), "-o", str(out), "-f", "html", "--model", tiny_en, "--language", "en"]
    again += ["--compute_type", "int8", "--align_model", "whisper", "--device", "cpu"]
    again += ["--report", str(tmp_path / "again.json")]
    ran = subprocess.run(again, capture_output=True, text=True, check=False)
    assert ran.returncode == 3, ran.stderr
    assert f"index of the pages: {out / 'index.html'}" in ran.stderr
    assert json.loads((tmp_path / "again.json").read_text())["index"] == str(out / "index.html")
    _listen(out / "index.html")


def _listen(index: Path) -> None:
    """Follow the listening list to a page, and hear a word there."""
    with chromium() as browser, opened(browser, index) as page:
        states = page.locator("#files tbody tr:not(.space) td:nth-child(2)").all_text_contents()
        assert states == ["failed", "done", "done"]
        page.locator("#stretches a").filter(has_text="polish").first.click()
        page.locator("main").wait_for()
        assert page.locator("#doubts li").count() >= 1
        page.go_back()
        page.locator("#files a").filter(has_text="100% #1?").click()
        wait_until(page, "audio?.readyState > 0")
        word = page.locator("main span[data-t]").nth(5)
        word.click()
        wait_until(page, f"audio.currentTime > {word.get_attribute('data-t')} && !audio.paused")
