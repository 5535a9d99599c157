"""Wires the parts together: settings, Celery application, URLs, logging. No other package imports it.

`celery -A config` finds the application in `config.celery`; with Django `config.apps` loads it, as `shared_task` needs. What
runs without either, such as the process of `manage.py up`, loads none of it.
"""
