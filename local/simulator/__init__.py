"""Exchanges that exist only here: seeded markets behind Binance's and Coinbase's own public protocols."""
