"""How the house learns of this server: topics, documents, the client and the bridge between them and the cameras."""
