"""A scientific report over runs: one content, three writers (HTML, Markdown, PDF)."""
