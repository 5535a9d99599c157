"""Speed and memory of the real system, measured by `manage.py bench`; never part of a test."""
