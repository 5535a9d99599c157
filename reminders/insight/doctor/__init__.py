"""The runbook's checklist as checks: what was seen, whether that is well, and what to do if not."""
