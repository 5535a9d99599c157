"""Wires the parts together: settings, Celery application, URLs, logging. No other package imports it.

`celery -A config` finds the application in `config.celery`; with Django `config.apps` loads it, as `shared_task` needs. What
runs without either, such as the process of `manage.py up`, loads none of it.
"""

import gc

# What is imported stays: to look for garbage in it takes a fifth of the time that a start takes. `config.apps` ends this.
gc.set_threshold(20_000, 50, 10)
