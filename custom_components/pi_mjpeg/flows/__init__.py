"""What the config flow is made of, the options flow, and the repair issues."""
