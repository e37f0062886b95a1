"""Which refusals of the server are answers: `refusals` has the rules, `questions` applies them."""
