"""Sign-in, and what people see and change of their own account."""
