"""The pipeline: a scan plans, dispatch hands over, a worker delivers; and what keeps these running."""
