"""Wires the parts together: settings, Celery application, addresses, process start. Nobody imports it."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
