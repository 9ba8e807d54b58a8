def write(folder, check): return []
