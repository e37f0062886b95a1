"""``rxbosbase demo``: the library with a real server, which is killed half-way and restarted."""
