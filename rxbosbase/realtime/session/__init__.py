"""The state machine of one connection: inputs with the time in, commands out. Pure."""
