"""Hides addresses in text of other systems, which is logged and stored. The work is linear in a bounded length."""

import re

PLACEHOLDER = "<address>"
MAX_SHOWN = 500
MAX_READ = 4 * MAX_SHOWN
"""Characters of a text that are considered at all; what follows is cut off before anything else is done."""

# A word, with a quoted local part before it and angle brackets around it. The quantifiers are possessive: no character
# is matched twice, whatever the text is.
_WORD = re.compile(r"""<?+(?:"[^"]*+"(?=@|%40))?+[^\s<>"()\[\],;:]++>?+""")
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def redacted(text: str, *, recipient: str = "") -> str:
    """At most 500 characters, on one line, with every mention of `recipient`, and whatever may be an e-mail address,
    replaced by "<address>".

    Deliberately greedy: rather a word too much is hidden than an address shown. `%40` is "@" inside a URL.
    """
    if _shows_nobody(text, recipient):
        return text.strip()
    line = text[:MAX_READ]
    if len(line) < len(text):
        line = _without_last_word(line)  # it may be half an address
    line = _without_recipient(_NOT_PRINTABLE.sub(" ", line), recipient)
    if "@" in line or "%40" in line:
        line = _WORD.sub(_hidden_if_address, line)
    return line.strip()[:MAX_SHOWN].rstrip()


def _shows_nobody(text: str, recipient: str) -> bool:
    """Whether it is plain that nothing is to be done, as with most of what a server replies. A recipient may be a number."""
    return (
        len(text) <= MAX_SHOWN
        and "@" not in text
        and "%40" not in text
        and (not recipient or "@" in recipient)
        and text.isprintable()
    )


def _hidden_if_address(word: re.Match[str]) -> str:
    return PLACEHOLDER if "@" in word[0] or "%40" in word[0] else word[0]


def _without_recipient(line: str, recipient: str) -> str:
    # Searched first, because compiling a pattern for each recipient costs more than the whole send.
    if not recipient or recipient.casefold() not in line.casefold():
        return line
    return re.sub(f"<?{re.escape(recipient)}>?", PLACEHOLDER, line, flags=re.IGNORECASE)


def _without_last_word(text: str) -> str:
    words = text.split()
    return text.rstrip()[: -len(words[-1])] if words else ""
