"""What outlives the process: the access token, kept snapshots, and what a person has set for each camera."""
