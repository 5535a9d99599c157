"""Webhooks: a message is a POST to an endpoint in the public internet."""
