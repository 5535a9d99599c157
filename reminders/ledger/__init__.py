"""Every write to the life cycle of a reminder, each one guarded: a row moves only if it is in the expected state.

    planning       what is missing is planned
    replanning     rows follow a changed plan, setting or contact
    notified       what counts as already notified, and the roll-up that follows from it
    claims         due rows are claimed for the workers; rows whose lease is over are taken back
    beginning      a worker decides about its rows under their locks
    finishing      how a send ended
    events         what webhook subscribers hear of all that
    scans, pauses, subscriptions, audit   their records
    counters       business counters, in the transaction that makes them true
    archive        closed rows of long-past work
    records, sql   what travels between here and the callers, and how statements are run

The order of locks is the same everywhere: assignments by id, then ledger rows by id, so that no two transactions wait
for each other. Instants come from the database's clock. Statements are set-based; what they count is counted in
the same transaction.
"""
