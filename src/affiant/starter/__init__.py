"""`affiant new`: the files of a new project."""
