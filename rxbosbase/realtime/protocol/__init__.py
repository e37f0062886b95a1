"""The wire format of the event stream: topics, chunked bodies and frames. Pure."""
