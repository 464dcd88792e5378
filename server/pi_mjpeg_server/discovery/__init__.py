"""Discovery of the server without an MQTT broker."""
