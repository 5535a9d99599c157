"""E-mail: over an SMTP transport of our own, or over any other backend that Django is configured to use."""
