"""How many rows are handed over to the workers and not begun: no more than they get round to within a lease."""

SHRINK = 8
"""Rows that came back untouched were far too many: a few leases later the number fits even the slowest channel."""


def next_limit(limit: int, *, returned: int, queued: int, least: int, most: int) -> int:
    """The limit for this tick, from that of the tick before; between `least` and `most`.

    `returned` rows have just come back because nobody began them within their lease; `queued` are handed over and
    not begun. Where rows came back, an eighth of them all is handed over. While none does, and workers have begun
    half of what they may be given, the limit doubles.
    """
    if returned:
        return max(least, min(limit, returned + queued) // SHRINK)
    if limit < most and queued <= limit // 2:
        return min(most, 2 * limit)
    return min(limit, most)
