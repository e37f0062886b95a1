"""The web page of ``rxbosbase dashboard``: a client for each login, a `Page` for each tab."""
