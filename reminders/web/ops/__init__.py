"""The Ops pages at `/ops/`."""
