"""Home Assistant's folder for custom components: a package, so that tests can import from it."""
