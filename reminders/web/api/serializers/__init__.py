"""What the API takes and returns, field by field."""
