"""Chat and push services through Apprise (the extra `chat`): Slack, Teams, Telegram, ntfy, Pushover and the rest."""
