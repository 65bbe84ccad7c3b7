"""What a paper says beside what the tables say."""
