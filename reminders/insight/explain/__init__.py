"""Why a reminder came, will come, or will not: one answer for one assignment, the same wherever it is asked."""
