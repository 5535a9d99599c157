"""The engine of DATABASES: Django's backend for PostgreSQL, which keeps no connection that refuses to write."""
