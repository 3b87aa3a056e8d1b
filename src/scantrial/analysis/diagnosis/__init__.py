"""What a learning curve shows: coded checks, each a rule with its numbers, and the words for them."""
