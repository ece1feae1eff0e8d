"""``report.html``: leaderboards as one page that needs nothing else, and a local server that keeps one fresh."""
