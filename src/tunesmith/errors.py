"""What can go wrong for a user, each with what, where and what to do.

`assert` guards against our own bugs. Everything that the user can cause is a
`TunesmithError`, whose text is one line that the command prints as it is.
"""

from unicodedata import category


def printable(text: str) -> str:
    """Text on one line: what a file holds must not steer the terminal."""
    return "".join(
        c if c.isprintable() or category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


_LONGEST = 300
"""Characters of what is wrong; a library's words may quote a damaged file at length."""


class TunesmithError(Exception):
    """A trouble that the user can act on.

    Attributes:
        what: what is wrong, in a few words, without a full stop.
        where: the file, tune, bar or option it concerns; '' if none.
        remedy: what to do about it; '' if there is nothing to do.
        exit_code: 2 for wrong usage or input, 1 for anything else that failed.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        what = self.what if len(self.what) <= _LONGEST else self.what[: _LONGEST - 1] + "…"
        text = f"{self.where}: {what}" if self.where else what
        if self.remedy:
            text += f"; {self.remedy}"
        return printable(" ".join(text.split()))  # one line, whatever went into it

    def at(self, where: str) -> "TunesmithError":
        """The same error with `where` put in front of the place it has."""
        place = f"{where}, {self.where}" if self.where else where
        return type(self)(self.what, where=place, remedy=self.remedy)


class InputError(TunesmithError):
    """A file, tune, corpus or model that cannot be used as it is."""


class UsageError(TunesmithError):
    """Options that make no sense, alone or together."""


class OutputError(TunesmithError):
    """A result that could not be written: no permission, disk full, name taken."""

    exit_code = 1


class MissingExtraError(TunesmithError):
    """A part of Tunesmith that is not installed."""

    exit_code = 1
