"""What a MIDI file has besides its melody, kept when the melody is changed."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from pathlib import Path

from tunesmith import formats
from tunesmith.api.model import Tune
from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats import midi
from tunesmith.formats.midi_patch import patched
from tunesmith.melody import Melody

LARGEST = 512 * 1024
"""Bytes of a MIDI file that a receipt takes in."""


def keep_file(tunes: Sequence[Tune], path: Path, track: str) -> str:
    """Have the tunes written as MIDI into the file that their melody comes from.

    Other tracks, velocities, channels and all else stay as they are. The receipts take the file in,
    so that they suffice to write it again.

    Args:
        tunes: melodies made from the file's.
        path: the file; nothing is done for one that is not MIDI.
        track: as in `formats.scan`.

    Returns:
        Why it is not possible; '' if it is.
    """
    if path.suffix.lower() not in (".mid", ".midi"):
        return ""
    data = path.read_bytes()
    if len(data) > LARGEST:
        return f"it is larger than {LARGEST // 1024} KB"
    packed = base64.b64encode(zlib.compress(data, 9)).decode("ascii")
    track = formats.asked_track(track)
    melody = _melody(data, track)
    for tune in tunes:
        try:
            patched(data, melody, tune.melody)
        except InputError as e:
            return e.what
    for tune in tunes:
        tune.receipt["source_midi"] = {"track": track, "zlib_base64": packed}
    return ""


def midi_of(tune: Tune) -> bytes:
    """The tune as MIDI, in the file that its receipt has taken in.

    Raises:
        InputError: if that is damaged.
    """
    kept = tune.receipt["source_midi"]
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(kept["zlib_base64"], validate=True), LARGEST)
        return patched(data, _melody(data, kept["track"]), tune.melody)
    except (KeyError, TypeError, ValueError, zlib.error, TunesmithError) as e:
        raise InputError(f"the MIDI file in its receipt is damaged ({e})") from e


def _melody(data: bytes, track: str) -> Melody:
    (reading,) = midi.scan(data, "", track)
    return reading.need()
