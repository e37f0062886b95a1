"""What a client runs on: threads and time, as arguments."""
