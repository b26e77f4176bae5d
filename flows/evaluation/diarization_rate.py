"""The diarization error rate."""

from collections.abc import Iterable

from flows.evaluation.rates import Rate
from flows.evaluation.transcripts.recording import Turn


def der(reference: Iterable[Turn], hypothesis: Iterable[Turn], collar_s: float) -> Rate | None:
    """Return pyannote.metrics' rate, overlapping speech included; None if the collars leave nothing of the reference.

    `collar_s` seconds before and after each boundary of a reference turn are not scored, as NIST counts a collar;
    pyannote.metrics takes both sides together.
    """
    from pyannote.core import Annotation, Timeline
    from pyannote.core import Segment as Span
    from pyannote.metrics.diarization import DiarizationErrorRate

    def annotation(turns: Iterable[Turn]) -> Annotation:
        made = Annotation()
        for track, turn in enumerate(turns):
            made[Span(turn.start, turn.end), track] = turn.speaker
        return made

    said, found = annotation(reference), annotation(hypothesis)
    whole = Timeline([said.get_timeline().extent() | found.get_timeline().extent()])
    parts = DiarizationErrorRate(collar=2 * collar_s)(said, found, uem=whole, detailed=True)
    kinds = {"missed": parts["missed detection"], "false_alarm": parts["false alarm"], "confusion": parts["confusion"]}
    return Rate(parts["total"], kinds) if parts["total"] else None
