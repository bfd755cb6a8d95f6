"""The rules of the market: pure, without AWS, network, clock or environment."""
