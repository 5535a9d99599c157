"""The whole system on one machine: `manage.py up`, `test` and `bench`, and the embedded servers that they start."""
