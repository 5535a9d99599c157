"""Texts that operators write instead of the built-in ones: their language, what they may name, and how they are filled."""
