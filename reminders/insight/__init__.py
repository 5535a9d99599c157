"""What is going on and why: explanations, forecasts, statistics, metrics, the doctor. It writes nothing of the ledger."""
