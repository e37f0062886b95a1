"""The state machine of one connection, and the registry of topics. Pure."""
