"""Read, check, resample and write clips, and analyse their pitch, spectrum and level."""
