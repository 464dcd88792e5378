"""The Debian package of the server: what is in it, for each release of Debian and each architecture."""
