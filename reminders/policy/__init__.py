"""Pure decisions about one row: gates, timing, retries, and how recipients are named. No database, no clock."""
