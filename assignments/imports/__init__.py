"""Reads assignments that other systems send (JSON, CSV, iCalendar) and writes them in bulk."""
