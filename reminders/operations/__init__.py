"""What operators do on purpose, each with a preview, an actor and a reason: rescan, reset, resend, pause, resume, ..."""
