"""The Ops page and its neighbours at `/ops/`: what is going on, why, and what can be done about it."""
