"""The event stream, room by room: bytes to frames to events to whoever wants them."""
