"""From a YAML file to a checked definition and its cells."""
