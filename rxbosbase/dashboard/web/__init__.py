"""The web page of ``rxbosbase dashboard``: one client for each identity, a page for each tab."""
