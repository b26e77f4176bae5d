"""flows/evaluation/page.py: what the page holds; tests/flows/cli/test_evaluate.py reads a whole one."""

from flows.evaluation.evaluation import WORST, Evaluation
from flows.evaluation.page import page
from flows.evaluation.rates import Rate
from flows.evaluation.scoring import Chunk, Collars, Score


def test_words_are_shown_and_not_obeyed() -> None:
    """Whatever a normalizer leaves in them, also what is no valid Unicode."""
    evaluation = Evaluation(Collars(), [])
    chunks = [Chunk("substitute", ["<i>"], ["<script>", "\ud800"]), Chunk("equal", ["a&b"], ["a&b"])]
    evaluation.add(Score("a", "en", "none", {"wer": Rate(2, {"substitutions": 1})}), chunks)
    assert "<del>&lt;i&gt;</del> <ins>&lt;script&gt; ?</ins> a&amp;b" in page(evaluation).decode()


def test_the_worst_files_are_shown_word_by_word() -> None:
    """And no others, so that the page of a large run opens."""
    evaluation = Evaluation(Collars(), [])
    for errors in range(3 * WORST):
        rates = {"wer": Rate(1000, {"substitutions": errors})}
        evaluation.add(Score(f"f{errors}", "en", "none", rates), [Chunk("equal", ["a"], ["a"])])
    made = page(evaluation).decode()
    assert made.count("<details>") == WORST
    assert f"f{3 * WORST - 1}: WER 14.9%" in made
    assert "<td>f0</td>" in made
    assert "f0: WER" not in made
