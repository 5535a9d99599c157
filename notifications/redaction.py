"""Hides addresses in text of other systems, which is logged and stored."""

import re

PLACEHOLDER = "<address>"
MAX_DETAIL = 500

# Deliberately greedy: rather a word too much is hidden than an address shown. `%40` is "@" inside a URL.
_LOOKS_LIKE_AN_ADDRESS = re.compile(r"""<?(?:"[^"]*"|[^\s<>"()\[\],;:]+)(?:@|%40)[^\s<>"()\[\],;:]+>?""")
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def without(text: str, recipient: str) -> str:
    """`text` with every mention of this recipient replaced by "<address>", upper and lower case alike."""
    # Searched first, because compiling a pattern for each recipient costs more than the whole send.
    if not recipient or recipient.casefold() not in text.casefold():
        return text
    return re.sub(f"<?{re.escape(recipient)}>?", PLACEHOLDER, text, flags=re.IGNORECASE)


def one_line_without_addresses(text: str) -> str:
    """At most 500 characters, on one line, with whatever may be an e-mail address replaced by "<address>"."""
    line = _NOT_PRINTABLE.sub(" ", text)
    if "@" in line or "%40" in line:
        line = _LOOKS_LIKE_AN_ADDRESS.sub(PLACEHOLDER, line)
    return line.strip()[:MAX_DETAIL]
