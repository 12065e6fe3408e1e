"""What each layer takes by itself, measured with pyperf. One file a layer; README.md says how to compare."""
