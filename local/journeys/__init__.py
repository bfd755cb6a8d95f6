"""What users do, step by step, over HTTP and WebSocket only."""
