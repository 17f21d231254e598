"""The checkout that a run works in so that it never touches its user's: made, read, kept as a branch."""
