"""Keeps messages in memory: the double of the e-mail channel for tests."""
