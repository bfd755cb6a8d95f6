"""The whole system on one machine: emulated cloud, simulated or live exchanges, a table of prices."""
