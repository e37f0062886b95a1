"""Text, JSON and values, as they go over the wire and into messages. Pure."""
