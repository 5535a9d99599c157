"""In-memory twins and small servers that tests use in place of the world outside."""
