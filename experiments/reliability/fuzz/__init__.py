"""Damage inputs at random, and see that every reader takes all of them or says what is wrong."""
