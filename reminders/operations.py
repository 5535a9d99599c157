"""What operators do on purpose: rescan, reset, resend, pause, resume; each with an actor and a reason on record."""
