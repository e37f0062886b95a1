"""Who is logged in: stores of tokens, their renewal, and what a login returns."""
