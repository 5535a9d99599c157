"""Faults injected into the running system, and one checker that says whether its promises held."""
