"""The HTTP API: translates requests into one call below, and its answer into JSON."""
