"""What is served: one file per kind of resource."""
