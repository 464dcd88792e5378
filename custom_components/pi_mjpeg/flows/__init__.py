"""What a person is asked: adding a server, following it to a new address, options and repair issues."""
