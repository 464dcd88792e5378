"""The MQTT side of the server: topics, payloads, the client, and the bridge between the cameras and the broker."""
