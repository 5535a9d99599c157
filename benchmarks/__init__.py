"""Speed and memory, measured with real processes; `python3 manage.py bench`. Never part of a timed test."""
