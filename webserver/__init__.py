"""How HTTP requests reach Django: the worker class of gunicorn with its limits, and what is refused before a view runs."""
