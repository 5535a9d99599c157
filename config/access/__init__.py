"""Who may call the API: tokens, their scopes, and the two roles of the Ops team."""
