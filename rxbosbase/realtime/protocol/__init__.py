"""The wire format of the event stream: topics, bodies and frames. Pure."""
