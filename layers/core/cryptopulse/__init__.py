"""CryptoPulse: crypto market data and portfolios, serverless."""
