"""A door: browsers and programs, over HTTP. Who is it, what do they say, how is the answer shown; nothing else."""
