"""Calendars that are polled by URL: which are due, what they answered, and what becomes of the work that they made."""
