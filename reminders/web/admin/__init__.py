"""Django's admin: assignments, assignees and the records of the system. Actions are confirmed on the Ops pages."""
