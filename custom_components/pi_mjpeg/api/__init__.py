"""The server's HTTP and MQTT contract: client, documents and their validation. Knows no entities."""
