"""Measurements of rxbosbase: what an event, a subscription and a reconnection cost."""
