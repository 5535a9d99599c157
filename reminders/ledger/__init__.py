"""Every write to the life cycle of a reminder, each one guarded: a row moves only if it is in the expected state.

Planned:
    planning, replanning   what is missing is planned; rows follow a changed plan, setting or contact
    corrections            what tells people that a plan they were notified of has changed
    notices, escalations   what supervisors are notified of: overdue work; what people did
    acts                   what acts of people mean for all of these
    rules, rule_planning, rule_statements, rule_subjects, rule_changes  what the rules of operators ask for
    chains                 the steps of rules for supervisors and Ops
    merging                what a person who was entered twice had, or was to get
    erasing, erased_tables, erased_texts  what goes of a person who is erased, and how they are taken out of every text
    reminding              what operators send at once
    opt_outs               of which rules people want no reminders
    notified               what counts as already notified, and the roll-up that follows from it
    events, subscriptions  what webhook subscribers hear of all that

Sent:
    claims, event_claims, leases  due rows are claimed for the workers; those whose lease is over are taken back
    awareness, briefs      who knows of their work, and of which work supervisors are told at a local time
    breakers, paces        routes that do not work, and channels that accept only so many messages
    beginning, sending     a worker decides about its rows under their locks, and makes them SENDING
    digests, rates         which notices go in one message; how often a person is reminded
    ways                   by which address a person is reached next
    finishing, deaths      how a send ended, or was left by a process that died
    delivery_events        what became of it afterwards

Kept:
    scans, pauses, switches, audit, archive   their records
    sms_usage              how many SMS have left in the month
    counters               business counters, in the transaction that makes them true

For all: `fragments` (conditions that statements share), `records` (what travels between here and the callers), `sql` (how
statements are run).

The order of locks is the same everywhere: assignments by id, then ledger rows by id, so that no two transactions wait
for each other. Instants come from the database's clock. Statements are set-based; what they count is counted in
the same transaction.
"""
