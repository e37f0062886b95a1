"""The web page of ``rxbosbase dashboard``: a client for each login, a page for each tab, a gate."""
