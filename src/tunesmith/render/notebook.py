"""What a notebook shows for a melody: its score, and a player below."""

from __future__ import annotations

from base64 import b64encode

from tunesmith.melody import Melody
from tunesmith.render.audio import seconds_of, to_wav
from tunesmith.render.svg import WIDTH, to_svg

_LONGEST_PLAYED_S = 180  # the notebook file holds the sound: some 7 MB a minute


def html(melody: Melody) -> str:
    """The melody's score as inline SVG and its sound as an <audio> element with the data in it.

    A melody of more than three minutes has no player, and the page says so, since
    its sound would be kept in the notebook's file.

    Raises:
        InputError: if notation cannot spell it.
    """
    return (
        f'<div style="max-width:{WIDTH}px">'
        f'<div style="overflow-x:auto">{to_svg([melody])}</div>{_player(melody)}</div>'
    )


def _player(melody: Melody) -> str:
    if seconds_of(melody) > _LONGEST_PLAYED_S:
        return "<p>Too long to play here; write it as .wav or .mid.</p>"
    sound = b64encode(to_wav(melody)).decode("ascii")
    return f'<audio controls preload="none" src="data:audio/wav;base64,{sound}"></audio>'
