"""Who may ask for what: authentication, CSRF, CORS, allowed hosts, trusted proxies, viewer limits, throttling."""
