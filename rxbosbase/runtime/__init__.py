"""What a client runs on: schedulers, threads and time, given as arguments."""
