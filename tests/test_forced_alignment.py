"""tasks/alignment/forced.py and its parts give what `whisperx.align` gives: the same JSON, to the last digit."""

import json
import logging
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchaudio
import whisperx
from conftest import SAMPLES, TWO_SPEAKERS
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.data import load as nltk_load
from whisperx.alignment import backtrack, get_trellis, merge_repeats

from tasks.alignment.emissions import emissions
from tasks.alignment.forced import align
from tasks.alignment.punkt import ensure_sentence_data
from tasks.alignment.trellis import token_spans
from tasks.load_audio import as_float, decode
from tasks.models.cache import share

Segment = dict[str, Any]

CALL = as_float(decode(str(TWO_SPEAKERS)))[7 * 16_000 : 15 * 16_000]
"""Eight seconds of speech."""
TEXTS = {
    "one sentence": " Hello, how are you?",
    "sentences": " Hello. How's it going? I am fine, thank you. Mr. Smith said so; good bye!",
    "digits and signs": " It costs $5.99 (or 6€) at 10:30 — ♪ really…",
    "nothing that the aligner knows": " 1 2 3. 4 5!",
    "no space between sentences": "One.Two.Three! Four?Five",
    "spaces": "   two  spaces   here .  And \t there.\n  ",
    "no-break and ideographic spaces": "\u00a0Good\u00a0day.\u3000Bye.\u2003",
    "other scripts": " Привет, 世界 and नमस्ते.",
    "two letters in lower case": " İstanbul'dan İzmir'e. Straße ǅ ﬁ.",
    "bars": " a | b || c. |",
    "a long word": " Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft.",
    "a letter": "a",
    "combining accents and emoji": " cafe\u0301 👩\u200d👩\u200d👧 yes. Ok 👍🏽!",
    "far too long": " supercalifragilistic" * 60,
    "nothing": "",
    "spaces alone": "   ",
    "a bar": " |",
}
JAPANESE = [" こんにちは。元気ですか? はい、元気です!", "今日は 2024 年です。 OK|です", "あ", "。。。"]
CHINESE = ["你好世界。今天天气很好!你呢?", " 我有 3 个 apple。 再见", "|", "他說:「好」。"]
METHODS = ["nearest", "linear", "ignore"]


def said(text: str, start: float, end: float, **more: Any) -> Segment:
    """Return a segment as Whisper gives it."""
    return {"text": text, "start": start, "end": end, **more}


@pytest.fixture(scope="module", name="aligners", autouse=True)
def _aligners(small_models: Path) -> Iterator[dict[str, Any]]:
    share.take(parallel=1, threads=1)
    torch.set_num_threads(1)
    for language in ("en", "de"):
        ensure_sentence_data(language)
    names = {"en": "align-tiny", "de": "align-tiny", "ja": "align-ja", "zh": "align-zh", "hi": "align-hi"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whisperx.alignment.nltk_load", cache(nltk_load))  # WhisperX takes 0.2 s for each segment
        yield {
            language: whisperx.load_align_model(language, "cpu", str(small_models / name))
            for language, name in names.items()
        }


@pytest.fixture(name="logged")
def _logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What both log; WhisperX keeps its own from the root."""
    logging.getLogger("whisperx").addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        yield caplog
    logging.getLogger("whisperx").removeHandler(caplog.handler)


def both(segments: list[Segment], aligner: Any, audio: Any = CALL, **options: Any) -> tuple[str, str]:
    """Return WhisperX's result and ours, as JSON: the order of keys counts, and what is not a number is equal."""
    options = {"interpolate_method": "nearest", "return_char_alignments": False, "print_progress": False, **options}
    theirs = whisperx.align(segments, *aligner, audio, "cpu", **options)
    ours = align(segments, *aligner, audio, "cpu", **options)
    return json.dumps(theirs, indent=1), json.dumps(ours, indent=1)


@pytest.mark.parametrize("return_char_alignments", [False, True])
@pytest.mark.parametrize("interpolate_method", METHODS)
def test_a_transcript_is_aligned_as_whisperx_does(
    *, interpolate_method: str, return_char_alignments: bool, aligners: dict[str, Any]
) -> None:
    """Every text of above over the same speech, half of them with Whisper's likelihood."""
    segments = [
        said(text, 0.25, 7.9, avg_logprob=-0.25) if number % 2 else said(text, 1, 6.5)
        for number, text in enumerate(TEXTS.values())
    ]
    theirs, ours = both(
        segments,
        aligners["en"],
        interpolate_method=interpolate_method,
        return_char_alignments=return_char_alignments,
    )
    assert ours == theirs


@pytest.mark.parametrize("interpolate_method", METHODS)
@pytest.mark.parametrize(("language", "texts"), [("ja", JAPANESE), ("zh", CHINESE), ("en", JAPANESE), ("hi", JAPANESE)])
def test_scripts_without_spaces_are_aligned_as_whisperx_does(
    language: str, texts: list[str], interpolate_method: str, aligners: dict[str, Any]
) -> None:
    """With their own aligners, whose every character is a word, and with others'."""
    segments = [said(text, start, start + 2.5) for text in texts for start in (0.0, 3.3)]
    for return_char_alignments in (False, True):
        theirs, ours = both(
            segments,
            aligners[language],
            interpolate_method=interpolate_method,
            return_char_alignments=return_char_alignments,
        )
        assert ours == theirs


@pytest.mark.parametrize("interpolate_method", METHODS)
def test_words_without_times_are_interpolated_as_whisperx_does(
    interpolate_method: str, aligners: dict[str, Any]
) -> None:
    """An aligner that knows no bar cannot time one, nor a sentence of bars."""
    model, metadata = aligners["en"]
    barless = {letter: label for letter, label in metadata["dictionary"].items() if letter != "|"}
    texts = [
        "| one | | two |",
        "One. |. Two.",
        "|. One two. |! | |",
        "aaaaaaa|bbbbbb|ccccc one",
        "|. |. One. |. Two. |.",
    ]
    segments = [said(text, 0.5, 5.0) for text in texts]
    for language in ("en", "ja"):
        theirs, ours = both(
            segments,
            (model, {**metadata, "dictionary": barless, "language": language}),
            interpolate_method=interpolate_method,
            return_char_alignments=True,
        )
        assert ours == theirs


def test_short_and_late_segments_are_aligned_as_whisperx_does(
    aligners: dict[str, Any], logged: pytest.LogCaptureFixture
) -> None:
    """No sound, less than the network takes, beyond the end of the audio; and what cannot be aligned is told alike.

    WhisperX logs the text of a segment, for everybody who reads Ray's logs; ours is its times.
    """
    times = [(1.0, 1.0), (1.0, 1.01), (1.0, 1.0249), (1.0, 1.025), (1, 1.1), (2.0, 1.5), (7.9, 12.0), (7.999, 8.5)]
    times += [(8.0, 9.0), (100.0, 101.0), (0.0, 8.0), (0.3333333, 7.7777777)]
    segments = [said(text, *span) for span in times for text in ("a", " Hi.", " Hello. How are you?", " ♪ 1", " ")]
    theirs, ours = both(segments, aligners["en"])
    assert ours == theirs
    told = [record.getMessage() for record in logged.records if record.name == "whisperx.alignment"]
    ours_told = [record.getMessage() for record in logged.records if record.name == "tasks.alignment.forced"]
    assert [each.rpartition("): ")[2] for each in ours_told] == [each.rpartition("): ")[2] for each in told]
    assert "Failed to align segment (100.00 to 101.00 s): original start time" in "\n".join(ours_told)
    assert not any(text in "\n".join(ours_told) for text in ("Hi.", "Hello", "♪"))
    assert {message.rpartition("): ")[2] for message in told} == {
        "backtrack failed, resorting to original",
        "no characters in this segment found in model dictionary, resorting to original",
        "original start time longer than audio duration, skipping",
    }


def test_progress_is_printed_as_whisperx_does(aligners: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Before the work, as there."""
    both([said(" Hello.", 0.0, 1.0)] * 3, aligners["en"], print_progress=True)
    printed = capsys.readouterr().out
    assert printed == "Progress: 33.33%...\nProgress: 66.67%...\nProgress: 100.00%...\n" * 2


def test_nothing_said_is_aligned_as_whisperx_does(aligners: dict[str, Any]) -> None:
    """No segments."""
    theirs, ours = both([], aligners["en"])
    assert ours == theirs


def test_an_aligner_of_torchaudio_is_heard_as_in_whisperx() -> None:
    """Its network is called otherwise; this one has the size of the tests' and random weights."""
    torch.manual_seed(0)
    model = torchaudio.models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=None,
        extractor_conv_bias=False,
        encoder_embed_dim=32,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=2,
        encoder_num_layers=1,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=64,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=29,
    ).eval()
    dictionary = {letter: label for label, letter in enumerate("-|etaonihsrdlumwcfgypbvk'xjqz")}
    metadata = {"language": "en", "dictionary": dictionary, "type": "torchaudio"}
    segments = [said(" Hello. How are you? 1 - 2", *span) for span in ((0.0, 4.0), (3.0, 3.01), (4.5, 9.0))]
    theirs, ours = both(segments, (model, metadata))
    assert ours == theirs


def test_pieces_are_heard_in_their_order(aligners: dict[str, Any]) -> None:
    """However far ahead the network is; none stays behind."""
    model, metadata = aligners["en"]
    pieces = [torch.from_numpy(CALL[:length]).unsqueeze(0) for length in (4_000, 100, 16_000)]
    for number in range(len(pieces) + 1):
        heard = list(emissions(model, metadata["type"], pieces[:number], "cpu"))
        assert [len(emission) for emission in heard] == [12, 1, 49][:number]


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_the_dynamic_programme_is_that_of_whisperx(data: st.DataObject) -> None:
    """Over random emissions, with ties, and more tokens than frames."""
    frames, labels = data.draw(st.integers(1, 40)), data.draw(st.integers(2, 8))
    tokens = data.draw(st.lists(st.integers(0, labels - 1), min_size=1, max_size=frames + 3))
    blank, coarse = data.draw(st.integers(0, labels - 1)), data.draw(st.booleans())
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    logits = torch.randn(frames, labels, generator=generator) * data.draw(st.sampled_from([0.1, 1.0, 20.0]))
    emission = -torch.randint(0, 4, (frames, labels), generator=generator).float() if coarse else logits.log_softmax(-1)
    theirs = backtrack(get_trellis(emission, tokens, blank), emission, tokens, blank)
    ours = token_spans(emission, tokens, blank)
    if theirs is None:
        assert ours is None
    else:
        letters = "".join(map(chr, tokens))
        assert ours == [(each.start, each.end, each.score) for each in merge_repeats(theirs, letters)]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_text_is_aligned_as_whisperx_does(data: st.DataObject, aligners: dict[str, Any]) -> None:
    """Over any piece of the audio, in any of the aligners' languages."""
    letters = st.one_of(st.sampled_from("etaoin .?!,|'"), st.characters(exclude_categories=["Cs"]))
    texts = st.one_of(st.text("abcde .?!|5", max_size=60), st.text(letters, max_size=40))
    times = st.tuples(st.floats(0, 9), st.floats(0, 2))
    segments = [
        said(text, start, start + length, **({} if logprob is None else {"avg_logprob": logprob}))
        for text, (start, length), logprob in data.draw(
            st.lists(st.tuples(texts, times, st.none() | st.floats(-2, 0)), max_size=4)
        )
    ]
    theirs, ours = both(
        segments,
        aligners[data.draw(st.sampled_from(sorted(aligners)))],
        interpolate_method=data.draw(st.sampled_from(METHODS)),
        return_char_alignments=data.draw(st.booleans()),
    )
    assert ours == theirs


def test_a_path_through_real_speech_is_that_of_whisperx(aligners: dict[str, Any]) -> None:
    """Half a minute and its text: the sums are long, and rounding shows."""
    model, metadata = aligners["en"]
    sound = torch.from_numpy(as_float(decode(str(TWO_SPEAKERS)))).unsqueeze(0)
    emission = next(emissions(model, metadata["type"], [sound], "cpu"))
    words = "".join(path.read_text() for path in sorted((SAMPLES / "en").glob("*.txt"))).lower().replace(" ", "|")
    tokens = [metadata["dictionary"][letter] for letter in words if letter in metadata["dictionary"]]
    for number in (1, 50, 400):
        chosen = random.Random(number).choices(tokens, k=number)
        path = backtrack(get_trellis(emission, chosen), emission, chosen)
        spans = [(each.start, each.end, each.score) for each in merge_repeats(path, "x" * number)]
        assert np.array_equal(token_spans(emission, chosen, 0), spans)
