"""How the server is found without an MQTT broker."""
