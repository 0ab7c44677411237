"""The real process: started, killed, reloaded; the pages counted by a real receiver."""
