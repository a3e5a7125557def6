"""What is promised of commands that are killed, and of disks that are full: how it was tried."""
