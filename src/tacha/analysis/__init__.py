"""What a detector's embeddings look like: planes, clusters, and what these are worth beside the detector."""
