"""Jobs, folders and worker processes; nothing here knows about speech."""
