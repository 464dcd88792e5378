"""What outlives the process: the access token, kept snapshots and the controls that a person has set."""
