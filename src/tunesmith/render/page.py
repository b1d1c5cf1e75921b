"""A page of text, tables, pictures and sound, as one HTML or Markdown file that needs no other."""

from __future__ import annotations

import io
import re
import wave
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from tunesmith.melody import Melody
from tunesmith.render.audio import RATE, synthesize

_STEP = 4  # 44,100 to 11,025 samples a second
_PEAK = 0.89


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 4."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; with `command`, a line to be typed below it."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class Points:
    """A list: each a sentence and a command, '' for none."""

    points: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows of text, the first being the heading; a column of figures stands to the right."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """An SVG with a text for those who cannot see it, and a caption.

    Attributes:
        least: pixels that it needs to be legible; on a narrower page it scrolls.
    """

    svg: str
    alt: str
    caption: str = ""
    least: int = 0


@dataclass(frozen=True)
class Sound:
    """A WAV file with a player."""

    wav: bytes
    name: str


Block = Heading | Text | Points | Table | Picture | Sound


def small_wav(melody: Melody) -> bytes:
    """The melody's sound for a page: 16 bits, one channel, 11,025 samples a second.

    Filtered before samples are dropped (a windowed sinc of 63 taps, half the new rate).

    Raises:
        UsageError: if it lasts longer than `audio.LONGEST_S`.
    """
    sound = synthesize(melody)
    taps = np.arange(-31, 32)
    kernel = np.sinc(taps / _STEP * 0.9) * np.hamming(63)
    low = np.convolve(sound, kernel / kernel.sum(), mode="same")[::_STEP]
    low *= 32767 * _PEAK / max(1e-9, float(np.abs(low).max()))
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE // _STEP)
        wav.writeframesraw(np.rint(low).astype("<i2").tobytes())
    return file.getvalue()


_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0 auto;max-width:46rem;padding:1rem;background:#fff;color:#1b1b1b;
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:break-word}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0 1rem}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem;border-bottom:1px solid #ccc;padding-bottom:.2rem}
h3{font-size:1.08rem;margin:1.6rem 0 .4rem}
figure{margin:1rem 0}
figure svg{display:block;width:100%;height:auto}
figure svg[viewBox^="0 0 420 "]{max-width:34rem}
figcaption{color:#444;font-size:.9rem;margin-top:.2rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;margin:.6rem 0}
th,td{padding:.25rem .8rem .25rem 0;text-align:left;vertical-align:top;
border-bottom:1px solid #ddd}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code{display:block;overflow-x:auto;white-space:nowrap;background:#f3f3f3;padding:.4rem .6rem;
border-radius:4px;margin:.3rem 0;font-size:.85rem}
li{margin:.5rem 0}
td:first-child{min-width:8rem}
@media(max-width:600px){td.n{white-space:normal;min-width:4.4rem}
th,td{padding-right:.45rem;font-size:.82rem}}
audio{width:100%;max-width:26rem}
"""


def to_html(blocks: Sequence[Block], title: str) -> str:
    """The blocks as an HTML page of one column that asks for nothing from elsewhere."""
    body = "\n".join(_html(b) for b in blocks)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def to_markdown(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown, pictures inside; sounds are left out, which the page says."""
    parts = [_markdown(b) for b in blocks]
    if any(isinstance(b, Sound) for b in blocks):
        parts.append("Markdown has no sound; the HTML report has.")
    return "\n\n".join(p for p in parts if p) + "\n"


def _code(command: str) -> str:
    return f"<code>{escape(command)}</code>" if command else ""


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text, command):
            return f"<p>{escape(text)}</p>{_code(command)}"
        case Points(points):
            items = "".join(f"<li>{escape(t)}{_code(c)}</li>" for t, c in points)
            return f"<ul>{items}</ul>"
        case Table(rows):
            return _html_table(rows)
        case Picture(svg, alt, caption, least):
            label = escape(alt, quote=True)
            inside = f'<div role="img" aria-label="{label}" {_wide(least)}>{svg}</div>'
            said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
            return f'<figure><div class="scroll">{inside}</div>{said}</figure>'
        case Sound(wav, name):
            data = b64encode(wav).decode("ascii")
            return (
                f'<audio controls preload="none" aria-label="{escape(name, quote=True)}" '
                f'src="data:audio/wav;base64,{data}"></audio>'
            )


def _wide(least: int) -> str:
    return f'style="min-width:{least}px"' if least else ""


def _html_table(rows: tuple[tuple[str, ...], ...]) -> str:
    kinds = _kinds(rows)
    lines = []
    for i, row in enumerate(rows):
        tag = "td" if i else "th"
        cells = "".join(
            f"<{tag}{k}>{escape(c)}</{tag}>"
            for c, k in zip(row, (' class="n"' if n else "" for n in kinds), strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table></div>"
    )


_NUMBER = re.compile(r"[-+−]?[\d.,]+( ?%)?( \[.*\])?|—|")


def _kinds(rows: tuple[tuple[str, ...], ...]) -> list[bool]:
    """Whether each column holds figures."""
    return [all(_NUMBER.fullmatch(c) for c in column) for column in zip(*rows[1:], strict=True)]


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Text(text, command):
            return _plain(text) + (f"\n\n    {command}" if command else "")
        case Points(points):
            return "\n".join(
                f"- {_plain(t)}" + (f"\n\n      {c}\n" if c else "") for t, c in points
            )
        case Table(rows):
            lines = ["| " + " | ".join(_plain(c) for c in row) + " |" for row in rows]
            rule = "|" + "|".join("---:" if n else "---" for n in _kinds(rows)) + "|"
            return "\n".join([lines[0], rule, *lines[1:]])
        case Picture(svg, alt, caption, _):
            data = b64encode(svg.encode()).decode("ascii")
            picture = f"![{_plain(alt)}](data:image/svg+xml;base64,{data})"
            return picture + (f"\n\n{_plain(caption)}" if caption else "")
        case Sound():
            return ""


def _plain(text: str) -> str:
    """Text in which nothing means anything to Markdown, on one line."""
    return re.sub(r"([\\`*_{}<>|#\[\]])", r"\\\1", " ".join(text.split()))
