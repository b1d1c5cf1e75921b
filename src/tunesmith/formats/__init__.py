"""Files of music: one module a format, `read(path)`, `write(melody, path)`."""
