"""A judged set of questions, and the command that measures search by it."""
