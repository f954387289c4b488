"""What the integration tests share: a gateway of one's own, and clients that are stricter than any browser."""
