"""Scores into a leaderboard, its versioned JSON, its tables, and the per-clip predictions behind each score."""
