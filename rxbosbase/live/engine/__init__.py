"""The rules of a live view: inputs with the time in, effects out. Pure."""
