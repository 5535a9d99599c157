"""Text in scripts that are written from right to left, beside text that is not (Unicode Standard Annex 9)."""

import re

# U+202A to U+202E embed and override a direction, U+2066 to U+2069 isolate. Whoever types them cannot see whether they end.
CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]+")
# What else nobody sees: controls of terminals (general category Cc), but tabs and the ends of lines. NUL is refused, not
# dropped (`validation.check_text`).
UNSEEN = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
# Hebrew, Arabic, Syriac and their like with their presentation forms, and the marks for right-to-left.
RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
FIRST_STRONG_ISOLATE, POP_DIRECTIONAL_ISOLATE = "\u2068", "\u2069"


def without_controls(text: str) -> str:
    """The text without characters that turn around what follows it, and without controls of terminals. The marks U+200E
    and U+200F stay: they turn nothing.
    """
    if text.isprintable():
        return text
    return UNSEEN.sub("", text if text.isascii() else CONTROLS.sub("", text))


def isolated(text: str) -> str:
    """The text for use inside of another one: its direction ends with it. Each line is isolated, for a line ends an isolate.

    What is written from left to right is as it was.
    """
    if text.isascii():
        return text
    return "\n".join(_isolated(line) for line in CONTROLS.sub("", text).split("\n"))


def _isolated(line: str) -> str:
    if not RIGHT_TO_LEFT.search(line):
        return line
    return f"{FIRST_STRONG_ISOLATE}{line}{POP_DIRECTIONAL_ISOLATE}"
