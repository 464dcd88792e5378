"""What the actions for automations do."""
