"""The server's HTTP and MQTT contract: client, documents and their validation. Has no entities."""
