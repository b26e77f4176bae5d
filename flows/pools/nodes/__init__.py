"""What each machine of the cluster has, as machines come and go: its set of actors, and a process for the next run.

May import its parent folder's pools.
"""
