"""A trial of the Debian package in a system of its own, for every release and architecture that it is built for."""
