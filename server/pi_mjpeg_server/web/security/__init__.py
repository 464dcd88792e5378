"""Who may ask: authentication, allowed hosts, trusted proxies, CORS, and the throttling of wrong tokens."""
