"""SegLST, the JSON of the CHiME challenges and of MeetEval: a list of segments with their times and speakers."""

import json

from tasks.formats.rttm import recording_id
from tasks.formats.writers import Result


def seglst(result: Result, title: str) -> bytes:
    """Return the segments; the speaker is empty where none is known.

    The format: https://github.com/fgnt/meeteval#segment-wise-long-form-speech-transcription-seglst
    """
    segments = [
        {
            "session_id": recording_id(title),
            "speaker": segment.get("speaker", ""),
            "start_time": round(float(segment["start"]), 3),  # WhisperX's times may be NumPy's
            "end_time": round(float(segment["end"]), 3),
            "words": segment["text"].strip(),
        }
        for segment in result["segments"]
    ]
    return f"{json.dumps(segments, ensure_ascii=False, indent=1)}\n".encode()
