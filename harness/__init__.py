"""Energy and carbon accounting benchmark harness for federated learning."""

__version__ = "0.1.0"
