"""Who may do what: roles, API tokens with scopes, authentication, permissions, and the rate limit."""
