"""Traffic: exact prompts, a streaming client in child processes, the stage protocol, and a server to calibrate it."""
