"""What the numbers say, in words: each sentence is made of findings and claims no more than they do."""
