"""Wires the parts together: settings, Celery application, URLs, logging. No other package imports it."""

# The one re-export: Celery finds the application here (`celery -A config`), and `shared_task` needs it to be loaded
# with Django (Celery manual, "First steps with Django").
from config.celery import app as celery_app

__all__ = ["celery_app"]
