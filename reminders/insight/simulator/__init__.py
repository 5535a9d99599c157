"""What would be sent if nobody changed anything: under the settings and rules in force, or under others."""
