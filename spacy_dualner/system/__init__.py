"""What the operating system is asked for: folders of one process, signals, forks."""
