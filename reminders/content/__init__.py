"""What a message says, and to whom: texts, links, contacts, webhook bodies."""
