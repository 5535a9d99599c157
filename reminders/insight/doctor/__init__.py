"""The runbook's checklist as checks: what was seen, whether that is well, and what to do if not.

doctor    the order of the checks; settings, database, migrations
system    what the database knows: switches, processes, scans, the ledger, channels, webhooks
texts     message templates, and erasures that are under way
servers   Redis, a worker by a test message, the mail server, Prometheus
bounces   the mailbox for bounces, and its polls
web       the web server
check     one line of the checklist
"""
