"""Sound: a small plucked-string synthesizer, so that no soundfont is needed."""

from __future__ import annotations

import io
import wave
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note
from tunesmith.theory import metrical_weight

RATE = 44_100
"""Samples a second."""

LONGEST_S = 20 * 60
"""Seconds that a melody may last: some 110 MB of sound, made in about four times as much memory."""

TAIL_S = 1.0
"""Seconds after the melody's end, in which the room dies away."""

_DEFAULT_TEMPO = 120.0
_PEAK = 0.89  # of full scale: -1 dB
_ATTACK_S = 0.004
_RELEASE_S = 0.06
_LONGEST_NOTE_S = 20.0  # by then even the lowest string is far below one step of 16 bits
_PARTIALS = (1.0, 0.45, 0.28, 0.14, 0.10, 0.05, 0.03, 0.02)
_HIGHEST_HZ = 16_000.0
_ACCENTS = (1.0, 0.92, 0.86)  # downbeat, beat or half-bar, anything weaker

# A room after Schroeder, "Natural sounding artificial reverberation" (1962): parallel
# combs, then allpasses in series. Delays in samples, all at least a block long.
_BLOCK = 512
_COMBS = (1116, 1277, 1422, 1617)
_COMB_GAIN = 0.62  # 60 dB down after some 14 rounds of 30 ms
_ALLPASSES = (556, 797)
_ALLPASS_GAIN = 0.5
_WET = 0.05

Samples = NDArray[np.float32]


def to_wav(melody: Melody) -> bytes:
    """The melody as a WAV file: 16 bits, one channel, 44,100 samples a second.

    The tempo is the melody's, 120 quarters a minute where it has none. The sound
    lasts as long as the melody and `TAIL_S`. The same melody gives the same bytes
    with the same version of numpy on the same kind of processor.

    Raises:
        UsageError: if it lasts longer than `LONGEST_S`.
    """
    sound = synthesize(melody)
    sound *= 32767 * _PEAK / float(max(sound.max(), -sound.min()))
    np.rint(sound, out=sound)
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframesraw(sound.astype("<i2").tobytes())
    return file.getvalue()


def seconds_of(melody: Melody) -> float:
    """How long the melody lasts, in seconds, at its tempo or at 120 quarters a minute."""
    return melody.duration / TICKS_PER_QUARTER * 60 / (melody.tempo or _DEFAULT_TEMPO)


def synthesize(melody: Melody) -> Samples:
    """The melody as samples, (seconds · 44,100,), before its loudness is set.

    Raises:
        UsageError: if it lasts longer than `LONGEST_S`.
    """
    seconds = seconds_of(melody)
    tick_s = seconds / melody.duration
    if seconds > LONGEST_S:
        raise UsageError(
            f"it would last {seconds / 60:.0f} minutes, and {LONGEST_S // 60} are the most",
            where=melody.title,
            remedy="cut it with slice_bars() or give it a faster tempo",
        )
    sound = np.zeros(round((seconds + TAIL_S) * RATE), np.float32)
    for note, accent in zip(melody.notes, _accents(melody), strict=True):
        start = round(note.onset * tick_s * RATE)
        tone = accent * _pluck(note, note.duration * tick_s)
        tone = tone[: len(sound) - start]
        sound[start : start + len(tone)] += tone
    _add_room(sound)
    fade = round(TAIL_S * RATE / 2)
    sound[-fade:] *= _falling(fade)
    return sound


def _accents(melody: Melody) -> list[float]:
    """How loud each note is, 0 to 1: its metrical weight, heard."""
    bars = melody.bars
    starts = [b.start for b in bars]
    loudness = []
    for note in melody.notes:
        bar = bars[bisect_right(starts, note.onset) - 1]
        place = note.onset - bar.start
        if bar.is_pickup:  # it is the end of a bar, not its beginning
            place += bar.meter.bar_ticks - bar.length
        loudness.append(_ACCENTS[min(-metrical_weight(place, bar.meter), len(_ACCENTS) - 1)])
    return loudness


def _pluck(note: Note, seconds: float) -> Samples:
    """One tone: partials that die away, the higher the faster, as on a plucked string."""
    seconds = min(seconds, _LONGEST_NOTE_S)
    frequency = 440.0 * 2 ** ((note.pitch - 69) / 12)
    release = round(_RELEASE_S * RATE)
    t = np.arange(round(seconds * RATE) + release) / RATE
    phase = 2 * np.pi * frequency * t
    # Low strings ring longer: the time constant halves every two octaves.
    decay = 1 / (2.2 * 2 ** ((60 - note.pitch) / 24))
    envelope = 0.55 * np.exp(-4 * decay * t) + 0.45 * np.exp(-decay * t)
    damping = np.exp(-0.9 * decay * t)
    # sin kx = 2 cos x sin (k-1)x - sin (k-2)x: the partials without a sine for each.
    twice_cos, before, wave_k = 2 * np.cos(phase), np.zeros_like(t), np.sin(phase)
    tone = np.zeros_like(t)
    for k, amplitude in enumerate(_PARTIALS, 1):
        if k > 1 and k * frequency > _HIGHEST_HZ:
            break
        tone += amplitude * envelope * wave_k
        envelope *= damping
        before, wave_k = wave_k, twice_cos * wave_k - before
    attack = min(round(_ATTACK_S * RATE), len(tone) // 2)
    tone[:attack] *= 1 - _falling(attack)
    tone[-release:] *= _falling(release)
    return tone.astype(np.float32)


def _falling(count: int) -> NDArray[np.float64]:
    """Half a cosine from 1 down to 0."""
    return 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, count))


class _Delay:
    """A line that gives back what was put in `length` samples ago, block by block."""

    def __init__(self, length: int) -> None:
        self._line = np.zeros(length, np.float32)
        self._at = 0

    def read(self, count: int) -> Samples:
        """The oldest `count` samples, (count,); at most the line's length."""
        at, line = self._at, self._line
        if at + count <= len(line):
            return line[at : at + count].copy()
        return np.concatenate((line[at:], line[: at + count - len(line)]))

    def push(self, block: Samples) -> None:
        """Overwrite the oldest samples."""
        at, line = self._at, self._line
        first = min(len(block), len(line) - at)
        line[at : at + first] = block[:first]
        line[: len(block) - first] = block[first:]
        self._at = (at + len(block)) % len(line)


def _add_room(sound: Samples) -> None:
    """Add a little reverberation, in place, a block at a time."""
    combs = [_Delay(length) for length in _COMBS]
    allpasses = [_Delay(length) for length in _ALLPASSES]
    for start in range(0, len(sound), _BLOCK):
        dry = sound[start : start + _BLOCK]
        wet = np.zeros_like(dry)
        for line in combs:
            late = line.read(len(dry))
            line.push(dry + _COMB_GAIN * late)
            wet += late
        for line in allpasses:
            late = line.read(len(dry))
            fed = wet + _ALLPASS_GAIN * late
            line.push(fed)
            wet = (late - _ALLPASS_GAIN * fed).astype(np.float32, copy=False)
        dry += _WET * wet
