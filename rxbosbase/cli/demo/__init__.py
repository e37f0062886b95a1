"""``rxbosbase demo``: what the library does, shown on a real server that dies half-way."""
