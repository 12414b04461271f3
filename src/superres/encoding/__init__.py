"""Picture files written without libvips, row groups compressed in parallel."""
