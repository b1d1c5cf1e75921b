"""MusicXML (.musicxml, .xml, .mxl): the reader and the writer."""

from tunesmith.formats.musicxml_read import scan
from tunesmith.formats.musicxml_write import dumps

__all__ = ["dumps", "scan"]
