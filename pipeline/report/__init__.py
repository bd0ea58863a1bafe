"""report: from score tables to a leaderboard with intervals and one static page."""
