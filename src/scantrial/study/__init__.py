"""The trial: the study file, its arms, and carrying them out over paired seeds, resumably."""
