"""What a live view knows, shows and asks for: inputs with the time in, effects out. Pure."""
