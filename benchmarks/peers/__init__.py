"""tacha beside what a user would pick instead: the same images, the same machine, in turns."""
