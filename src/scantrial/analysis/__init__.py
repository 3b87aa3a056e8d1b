"""What came out, in numbers: metrics, summaries over seeds, aggregates of curves; no disk, no network."""
